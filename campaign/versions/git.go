package versions

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/scratch"
)

// Commit is one of a repository's.
type Commit struct {
	Hash    string
	Time    time.Time // it was committed
	Subject string    // first line of its message
}

// Short names the commit to people.
func (c Commit) Short() string { return c.Hash[:min(len(c.Hash), 12)] }

// Repository is a checkout under git.
type Repository struct{ Root string }

// git runs git in the repository.
func (r Repository) git(ctx context.Context, args ...string) (string, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return "", fmt.Errorf("git references need git: install it and put it on the PATH: %w", err)
	}
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", r.Root}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Commit finds the commit of a reference.
func (r Repository) Commit(ctx context.Context, reference string) (Commit, error) {
	if strings.HasPrefix(reference, "-") {
		return Commit{}, fmt.Errorf("%q is not a git reference", reference)
	}
	hash, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", reference+"^{commit}")
	if err != nil {
		return Commit{}, fmt.Errorf("%q is neither a commit that git knows in %s nor another kind of version; a version is %s", reference, r.Root, Help)
	}
	all, err := r.log(ctx, "-1", strings.TrimSpace(hash))
	if err != nil {
		return Commit{}, err
	}
	return all[0], nil
}

// Between are the commits after good up to bad, the oldest first, along the first parents: merges count as one step.
func (r Repository) Between(ctx context.Context, good, bad Commit) ([]Commit, error) {
	if _, err := r.git(ctx, "merge-base", "--is-ancestor", good.Hash, bad.Hash); err != nil {
		return nil, fmt.Errorf("%s is not an ancestor of %s: a bisection goes from an older commit to a newer one", good.Short(), bad.Short())
	}
	all, err := r.log(ctx, "--first-parent", "--reverse", good.Hash+".."+bad.Hash)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s and %s are the same commit", good.Short(), bad.Short())
	}
	return all, nil
}

func (r Repository) log(ctx context.Context, args ...string) ([]Commit, error) {
	out, err := r.git(ctx, append([]string{"log", "--format=%H %ct %s"}, args...)...)
	if err != nil {
		return nil, err
	}
	var all []Commit
	for line := range strings.Lines(out) {
		var c Commit
		var seconds int64
		if _, err := fmt.Sscanf(line, "%s %d", &c.Hash, &seconds); err != nil {
			return nil, fmt.Errorf("git log: %q", line)
		}
		if fields := strings.SplitN(strings.TrimSpace(line), " ", 3); len(fields) == 3 {
			c.Subject = fields[2]
		}
		c.Time = time.Unix(seconds, 0).UTC()
		all = append(all, c)
	}
	return all, nil
}

// reference builds the commit of a git reference.
func (b *Builder) reference(ctx context.Context, reference string) (path, commit string, at time.Time, err error) {
	root, err := b.root()
	if err != nil {
		return "", "", at, fmt.Errorf("git references are built from source, in a checkout of ordeal, and there is none here or above; a version is %s", Help)
	}
	repository := Repository{root}
	c, err := repository.Commit(ctx, reference)
	if err != nil {
		return "", "", at, err
	}
	path, err = b.BuildCommit(ctx, repository, c)
	return path, c.Hash, c.Time, err
}

// ErrNoBuild is in the error of a commit that does not compile.
var ErrNoBuild = errors.New("it does not build")

// BuildCommit builds the program of a commit, or finds it in the cache.
func (b *Builder) BuildCommit(ctx context.Context, r Repository, c Commit) (string, error) {
	cache, err := b.cache()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, c.Hash+"-"+b.goos())
	path := filepath.Join(folder, filepath.Base(b.Command))
	if _, err := os.Stat(path); err == nil {
		now := time.Now()
		return path, os.Chtimes(folder, now, now)
	}
	b.note("building %s (%s)", c.Short(), c.Subject)
	source, err := scratch.New("version")
	if err != nil {
		return "", err
	}
	defer source.Remove()
	if err := r.export(ctx, c, source.Path); err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	removeAbandoned(path)
	unfinished := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(unfinished)
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-X main.version="+c.Short(), "-o", unfinished, b.Command)
	cmd.Dir = source.Path
	cmd.Env = append(os.Environ(), b.environment()...)
	if text, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("commit %s: %w: %w\n%s", c.Short(), ErrNoBuild, err, strings.TrimSpace(string(text)))
	}
	if err := os.Rename(unfinished, path); err != nil {
		return "", err
	}
	return path, prune(cache)
}

// abandoned is how old an unfinished build has to be for its process to be gone: none takes so long.
const abandoned = time.Hour

// removeAbandoned removes what processes left that were killed while they built the program at path.
func removeAbandoned(path string) {
	left, _ := filepath.Glob(path + ".*") // the pattern is a good one but for a cache of a strange name
	for _, file := range left {
		if info, err := os.Lstat(file); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(file)
		}
	}
}

func (b *Builder) cache() (string, error) {
	if b.Cache != "" {
		return b.Cache, nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("a folder for what is built: %w; set XDG_CACHE_HOME", err)
	}
	return filepath.Join(user, "ordeal", "versions"), nil
}

// cached bounds the cache: some hundred megabytes.
const cached = 32

// prune removes what was not used for longest.
func prune(cache string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	used := map[string]time.Time{}
	var names []string
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() {
			names = append(names, e.Name())
			used[e.Name()] = info.ModTime()
		}
	}
	slices.SortFunc(names, func(a, b string) int { return used[b].Compare(used[a]) })
	for _, name := range names[min(len(names), cached):] {
		if err := os.RemoveAll(filepath.Join(cache, name)); err != nil {
			return err
		}
	}
	return nil
}

// export writes the commit's files into a folder.
func (r Repository) export(ctx context.Context, c Commit, folder string) error {
	archive, err := r.git(ctx, "archive", "--format=tar", c.Hash)
	if err != nil {
		return err
	}
	for in := tar.NewReader(strings.NewReader(archive)); ; {
		header, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("git archive %s: %w", c.Short(), err)
		}
		if err := unpack(in, header, folder); err != nil {
			return err
		}
	}
}

func unpack(in io.Reader, header *tar.Header, folder string) error {
	name := filepath.FromSlash(strings.TrimSuffix(header.Name, "/"))
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil // the commit's hash
	}
	if !filepath.IsLocal(name) {
		return fmt.Errorf("git archive: %q lies outside", header.Name)
	}
	path := filepath.Join(folder, name)
	switch header.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeReg:
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, header.FileInfo().Mode().Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(f, in)
		return errors.Join(err, f.Close())
	}
	return nil // links: Go builds none
}
