package versions

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/mutants"
)

// Current is the version that is beside this program.
const Current = "current"

// Prefixes of versions that are no git references.
const (
	MutantPrefix = "mutant:"
	BinaryPrefix = "binary:"
	ImagePrefix  = "image:"
)

// Help says how versions are written.
const Help = "current, a git reference (HEAD~3, v1.2, a commit), mutant:NAME, binary:PATH or image:NAME"

// Builder makes programs of versions.
type Builder struct {
	Command string // what is built of a commit or a mutant: ./cmd/ordeal-node
	GOOS    string // that the program is for; empty: this machine's
	Current string // path of the program that stands for Current
	// InProcess: the current version's runs are made in this process; its program is named for its digest alone.
	InProcess bool
	Root      string // a checkout; found from the working directory upwards if empty
	Cache     string // folder; ordeal/versions in the user's cache folder if empty
	Temp      string // folder for the programs; it is the caller's to remove. Empty: they are run where they are, and there are no mutants or images
	// Extract takes the program out of an image; nil: images cannot be had.
	Extract func(ctx context.Context, image, output string) error
	// Note tells of a build that is about to begin; nil: nobody wants to know.
	Note func(text string)
}

// Built is a version that can be run.
type Built struct {
	campaign.Version
	Path   string // of the program: a copy, that stays what it is while others build
	Source string // where it was found or built, for people
	Mutant string // the seeded bug's name; empty: none
	System string // whose it is, as --system names it; empty: the project's own node
}

// Build makes a program of a version.
func (b *Builder) Build(ctx context.Context, name string) (Built, error) {
	v := Built{Version: campaign.Version{Name: name}}
	var err error
	switch kind, rest := split(name); kind {
	case Current:
		v.Path = b.Current
	case BinaryPrefix:
		v.Path, err = filepath.Abs(rest)
	case MutantPrefix:
		v.Mutant = rest
		v.Path, err = b.mutant(ctx, rest)
	case ImagePrefix:
		v.Path, err = b.image(ctx, rest)
	default:
		v.Path, v.Commit, v.Time, err = b.reference(ctx, name)
	}
	v.Source = v.Path
	if err == nil && b.Temp != "" && !within(b.Temp, v.Path) && !(b.InProcess && name == Current) {
		v.Path, err = b.copied(v.Path)
	}
	if err == nil {
		v.Digest, err = Digest(v.Path)
	}
	if err != nil {
		return v, fmt.Errorf("version %s: %w", name, err)
	}
	return v, nil
}

// copied is a copy of a program in the folder for programs: the one at path may be built anew while a campaign goes on, which would then be
// of two versions, or make room for others in the cache.
func (b *Builder) copied(path string) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, noProgram)
	}
	defer in.Close()
	folder, err := os.MkdirTemp(b.Temp, "program-")
	if err != nil {
		return "", err
	}
	to := filepath.Join(folder, filepath.Base(path))
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(out, in); err != nil {
		return "", errors.Join(fmt.Errorf("%w: %s", err, noProgram), out.Close())
	}
	return to, out.Close()
}

const noProgram = "build it with `make build`, or name a program that is there"

// within tells whether a file lies in a folder.
func within(folder, path string) bool {
	inside, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(inside)
}

// split takes a version's name apart: its kind (Current, a prefix, or empty for a git reference) and the rest.
func split(name string) (kind, rest string) {
	if name == Current {
		return Current, ""
	}
	for _, prefix := range []string{MutantPrefix, BinaryPrefix, ImagePrefix} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return prefix, rest
		}
	}
	return "", name
}

func (b *Builder) note(format string, args ...any) {
	if b.Note != nil {
		b.Note(fmt.Sprintf(format, args...))
	}
}

func (b *Builder) goos() string {
	if b.GOOS != "" {
		return b.GOOS
	}
	return runtime.GOOS
}

// environment of a build: the program's bytes depend on the source alone, not on the folder or on what git knows of it.
func (b *Builder) environment() []string {
	return []string{"CGO_ENABLED=0", "GOOS=" + b.goos(), "GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath -buildvcs=false")}
}

func (b *Builder) root() (string, error) {
	if b.Root != "" {
		return b.Root, nil
	}
	return mutants.ModuleRoot()
}

func (b *Builder) mutant(ctx context.Context, name string) (string, error) {
	m, err := mutants.Find(name)
	if err != nil {
		return "", err
	}
	root, err := b.root()
	if err != nil {
		return "", err
	}
	b.note("building the mutant %s", name)
	output := filepath.Join(b.Temp, "mutant-"+name, filepath.Base(b.Command))
	return output, m.Build(ctx, root, b.Command, output, b.environment()...)
}

func (b *Builder) image(ctx context.Context, name string) (string, error) {
	if b.Extract == nil {
		return "", fmt.Errorf("images hold a node for Linux: they need --cluster docker, or local on Linux")
	}
	output := filepath.Join(b.Temp, "image-"+strings.NewReplacer("/", "_", ":", "_", "@", "_").Replace(name))
	return output, b.Extract(ctx, name, output)
}

// Digest of a program: SHA-256, in hexadecimal.
func Digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, noProgram)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
