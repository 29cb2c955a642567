package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"
)

// RestartContainer kills the node's whole container, agent included, and starts it again. Network namespace and rules
// are new then, and so may its addresses be: what was cut is cut again before it returns, and ClientAddress and
// StatusAddress tell the new ports.
func (c *Cluster) RestartContainer(ctx context.Context, node string) error {
	m, err := c.member(node)
	if err != nil {
		return err
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
	if err := c.engine.ContainerStart(ctx, m.container, container.StartOptions{}); err != nil {
		return fmt.Errorf("%s: start container: %w", node, err)
	}
	if err := c.join(ctx, node, m.container); err != nil {
		return err
	}
	members, err := c.all()
	if err != nil {
		return err
	}
	c.cuts.mu.Lock()
	defer c.cuts.mu.Unlock()
	c.cuts.unknown = true // every agent's rules may name the old address
	if err := c.apply(ctx, members, c.cuts.links); err != nil {
		return err
	}
	c.cuts.unknown = false
	return nil
}
