package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/client"
)

// imageRepository is the name of every image built here; the tag is the digest of what is in it.
const imageRepository = "ordeal-node"

// imageFile is one file of the build's context.
type imageFile struct {
	name    string
	content []byte
}

// image is what an image is built from.
type image struct {
	files  []imageFile
	digest string
	linked bool // what its programs load when they start is in it
}

// tag is the image's full name: the same content has the same one, so what is there already is not built again.
func (i image) tag() string { return imageRepository + ":" + i.digest }

// newImage reads a Dockerfile and binaries, given by their name in the image.
func newImage(dockerfile []byte, binaries map[string]string) (image, error) {
	i := image{files: []imageFile{{"Dockerfile", dockerfile}}}
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		content, err := os.ReadFile(binaries[name])
		if err != nil {
			return i, fmt.Errorf("%w: build it with `make build`, or name it with an option", err)
		}
		i.files = append(i.files, imageFile{name, content})
	}
	hash := sha256.New()
	for _, f := range i.files {
		fmt.Fprintf(hash, "%s %d\n", f.name, len(f.content))
		hash.Write(f.content)
	}
	i.digest = fmt.Sprintf("%x", hash.Sum(nil))[:16]
	return i, nil
}

// machines are the ELF machines of the architectures an engine may have, by the engine's names for them.
var machines = map[string]elf.Machine{
	"x86_64": elf.EM_X86_64, "amd64": elf.EM_X86_64, "aarch64": elf.EM_AARCH64, "arm64": elf.EM_AARCH64,
}

// check tells why the binaries would not start in an image from scratch on an engine of this architecture.
func (i image) check(architecture string) error {
	for _, f := range i.files[1:] {
		if err := checkBinary(f.content, architecture, i.linked); err != nil {
			return fmt.Errorf("%s cannot run in a container here: %w: build it with CGO_ENABLED=0 GOOS=linux for the "+
				"engine's architecture, %s", f.name, err, architecture)
		}
	}
	return nil
}

func checkBinary(content []byte, architecture string, linked bool) error {
	file, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("it is no Linux program: %w", err)
	}
	if want, known := machines[architecture]; known && file.Machine != want {
		return fmt.Errorf("it is for %v", file.Machine)
	}
	if _, dynamic := interpreter(file); dynamic && !linked {
		return errors.New("it is not static")
	}
	return nil
}

// ensure builds the image unless the engine has it. It tells the engine of its use either way, so that Cleanup sees
// which image was used last.
func (i image) ensure(ctx context.Context, engine *client.Client) (built bool, err error) {
	have, err := engine.ImageInspect(ctx, i.tag())
	if err == nil {
		return false, engine.ImageTag(ctx, have.ID, i.tag())
	}
	if !errdefs.IsNotFound(err) {
		return false, fmt.Errorf("look for image %s: %w", i.tag(), err)
	}
	return true, i.build(ctx, engine)
}

// build uses the classic builder: it needs no registry and no extension, and every engine has it.
func (i image) build(ctx context.Context, engine *client.Client) error {
	resp, err := engine.ImageBuild(ctx, bytes.NewReader(i.archive()), build.ImageBuildOptions{
		Version: build.BuilderV1, Tags: []string{i.tag()}, Labels: map[string]string{labelImage: i.digest},
		Remove: true, ForceRemove: true,
	})
	if err != nil {
		return fmt.Errorf("build image %s: %w", i.tag(), err)
	}
	defer resp.Body.Close()
	if err := buildResult(resp.Body); err != nil {
		return fmt.Errorf("build image %s: %w", i.tag(), err)
	}
	return nil
}

// buildResult reads the builder's progress, a stream of JSON values, to its end.
func buildResult(r io.Reader) error {
	for d := json.NewDecoder(r); ; {
		var line struct{ Error string }
		switch err := d.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the builder's answer: %w", err)
		case line.Error != "":
			return errors.New(line.Error)
		}
	}
}

// archive is the build's context. It has no times in it, so that the same content is the same for the builder's cache.
func (i image) archive() []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range i.files {
		header := &tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.content)), Format: tar.FormatPAX}
		if err := w.WriteHeader(header); err != nil {
			panic(fmt.Sprintf("docker: tar header of %s: %v", f.name, err)) // memory takes any write
		}
		if _, err := w.Write(f.content); err != nil {
			panic(fmt.Sprintf("docker: tar content of %s: %v", f.name, err))
		}
	}
	if err := w.Close(); err != nil {
		panic(fmt.Sprintf("docker: tar: %v", err))
	}
	return b.Bytes()
}
