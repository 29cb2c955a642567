package docker

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// nodeInImage is where the Dockerfile puts the node.
const nodeInImage = "/ordeal-node"

// ExtractNode writes the node that is in an image of the engine to the file output. The image is not run.
func ExtractNode(ctx context.Context, image, output string) (err error) {
	engine, err := connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	run := "extract-" + strings.ToLower(rand.Text()[:8])
	created, err := engine.ContainerCreate(ctx, &container.Config{Image: image, Entrypoint: []string{nodeInImage}, Labels: thisProcess().labels(run)},
		nil, nil, nil, "ordeal-"+run)
	if err != nil {
		return fmt.Errorf("image %s: %w: build it (make image), or load it into the engine", image, err)
	}
	defer func() {
		err = errors.Join(err, engine.ContainerRemove(context.WithoutCancel(ctx), created.ID, container.RemoveOptions{Force: true}))
	}()
	archive, _, err := engine.CopyFromContainer(ctx, created.ID, nodeInImage)
	if err != nil {
		return fmt.Errorf("image %s: it has no %s, where this project's Dockerfile puts the node: %w", image, nodeInImage, err)
	}
	defer archive.Close()
	if err := firstFile(archive, output); err != nil {
		return fmt.Errorf("image %s: %s: %w", image, nodeInImage, err)
	}
	return nil
}

// firstFile writes the first file of an archive, as a program.
func firstFile(archive io.Reader, output string) error {
	in := tar.NewReader(archive)
	header, err := in.Next()
	if err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg {
		return errors.New("it is not a file")
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(output, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
