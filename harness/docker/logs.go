package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// CollectLogs writes each node's log to dir/<node>.log: the agent's, or what the engine kept of the container's output
// if the agent does not answer.
func (c *Cluster) CollectLogs(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var (
		wait sync.WaitGroup
		errs = make([]error, len(c.Nodes()))
	)
	for i, node := range c.Nodes() {
		wait.Go(func() {
			if err := c.collectLog(ctx, node, filepath.Join(dir, node+".log")); err != nil {
				errs[i] = fmt.Errorf("log of %s: %w", node, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (c *Cluster) collectLog(ctx context.Context, node, path string) error {
	m, err := c.member(node)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := m.agent.Log(ctx, f); err == nil {
		return f.Close()
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := c.containerOutput(ctx, m.container, f, "all"); err != nil {
		return err
	}
	return f.Close()
}

// containerOutput copies what the engine kept of a container's output.
func (c *Cluster) containerOutput(ctx context.Context, id string, w io.Writer, lines string) error {
	r, err := c.engine.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: lines})
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = stdcopy.StdCopy(w, w, r)
	return err
}

// lastOutput is the end of a container's output, for an error message.
func (c *Cluster) lastOutput(ctx context.Context, id string) string {
	var b bytes.Buffer
	_ = c.containerOutput(ctx, id, &b, "20")
	return tail(b.String())
}
