package docker

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// teardownLimit bounds a removal: it goes on when the run's own context has ended, but not for ever.
const teardownLimit = 60 * time.Second

// Teardown removes the run's containers, network and volumes. It finds them by label and not by memory, so it is right
// after a Setup that failed half way, and calling it again does no harm.
func (c *Cluster) Teardown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownLimit)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.engine == nil {
		return nil // Setup made nothing
	}
	for _, m := range c.nodes {
		m.agent.Close()
	}
	c.nodes = map[string]*member{}
	_, err := removeRun(ctx, c.engine, c.options.RunID)
	c.engine.Close() // lets go of idle connections; a later call opens new ones
	if err != nil {
		return err
	}
	return c.ports.Release()
}

// removeRun removes all that has the run's label.
func removeRun(ctx context.Context, engine *client.Client, run string) ([]string, error) {
	return removeAll(ctx, engine, filters.Arg("label", labelRun+"="+run), func(thing) bool { return true })
}
