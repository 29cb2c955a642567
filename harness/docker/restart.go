package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/ordeal-dev/ordeal/nemesis"
)

// killedContainer is how a node's process ends with its container.
const killedContainer = "signal: killed"

// KillContainer kills the node's whole container, agent included. Its network namespace and every rule in it are gone with it.
func (c *Cluster) KillContainer(ctx context.Context, node string) error {
	m, err := c.member(node)
	if err != nil {
		return err
	}
	last, err := m.agent.Process(ctx)
	if err != nil {
		return c.explain(ctx, m, err)
	}
	if err := c.engine.ContainerKill(ctx, m.container, "SIGKILL"); err != nil {
		return fmt.Errorf("%s: kill container: %w", node, err)
	}
	ended, failed := c.engine.ContainerWait(ctx, m.container, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case err := <-failed:
		return fmt.Errorf("%s: wait for the container's end: %w", node, err)
	}
	gone := *m
	gone.down, gone.earlier = true, m.earlier+last.Starts
	gone.last = nemesis.ProcessState{PID: last.PID, Starts: gone.earlier, Ended: killedContainer}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[node] = &gone
	return nil
}

// StartContainer starts a killed container again. The network namespace is new: what is cut is cut again before it returns. Ports
// are as they were.
func (c *Cluster) StartContainer(ctx context.Context, node string) error {
	m, err := c.member(node)
	if err != nil {
		return err
	}
	if !m.down {
		return fmt.Errorf("%s: its container runs", node)
	}
	if err := c.engine.ContainerStart(ctx, m.container, container.StartOptions{}); err != nil {
		return fmt.Errorf("%s: start container: %w", node, err)
	}
	return c.Rejoin(ctx, func() error { return c.join(ctx, node, m.container) })
}

// RestartContainer kills the node's whole container and starts it again.
func (c *Cluster) RestartContainer(ctx context.Context, node string) error {
	if err := c.KillContainer(ctx, node); err != nil {
		return err
	}
	return c.StartContainer(ctx, node)
}
