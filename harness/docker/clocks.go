package docker

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// patchedClocks are the clocks of the nodes' processes, whatever they are, set by a patch of their vDSO.
type patchedClocks struct{ *Cluster }

// PatchedClocks implements nemesis.Patchable.
func (c *Cluster) PatchedClocks() nemesis.Clocks { return patchedClocks{c} }

// Lacks tells why no clock can be set so, after Setup.
func (c patchedClocks) Lacks(ctx context.Context) error {
	c.mu.Lock()
	up := len(c.nodes) > 0
	c.mu.Unlock()
	if !up { // nobody can be asked yet
		return nil
	}
	for _, node := range c.Nodes() {
		m, err := c.member(node)
		if err != nil {
			return err
		}
		able, err := m.agent.Able(ctx)
		if err != nil {
			return c.explain(ctx, m, err)
		}
		if able.VDSO != "" {
			return fmt.Errorf("%s: %s (see `ordeal doctor`)", node, able.VDSO)
		}
	}
	return nil
}

// SetClock sets how the node's clocks go from now on.
func (c patchedClocks) SetClock(ctx context.Context, node string, to nemesis.ClockSetting) error {
	m, err := c.member(node)
	if err != nil {
		return err
	}
	return c.explain(ctx, m, m.agent.SetClock(ctx, to))
}

// ReadClock reads them.
func (c patchedClocks) ReadClock(ctx context.Context, node string) (nemesis.ClockReading, error) {
	return onAgent(ctx, c.Cluster, node, func(m *member) (nemesis.ClockReading, error) { return m.agent.Clock(ctx) })
}
