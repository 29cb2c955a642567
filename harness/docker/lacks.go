package docker

import (
	"context"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Lacks tells why a fault cannot be injected on this machine, after Setup.
func (c *Cluster) Lacks(ctx context.Context, fault, mode string) error {
	c.mu.Lock()
	up := len(c.nodes) > 0
	c.mu.Unlock()
	switch {
	case !up: // nobody can be asked yet
	case nemesis.NeedsDisks(fault):
		return c.lacksDisks(ctx)
	case fault == nemesis.PacketTrouble:
		return c.LacksPackets(ctx, mode)
	}
	return nil
}
