package local

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/vdso"
)

// patchedClocks are the clocks of the nodes' processes, whatever they are, set by a patch of their vDSO.
type patchedClocks struct{ *Cluster }

// PatchedClocks implements nemesis.Patchable.
func (c *Cluster) PatchedClocks() nemesis.Clocks { return patchedClocks{c} }

// Lacks tells why no clock can be set so on this machine.
func (patchedClocks) Lacks(context.Context) error { return vdso.ProbeChild() }

// SetClock sets how the node's clocks go from now on.
func (c patchedClocks) SetClock(_ context.Context, node string, to nemesis.ClockSetting) error {
	n, err := c.node(node)
	if err != nil {
		return err
	}
	return n.whileThere(func(pid int) error { return n.clock.Set(pid, to) })
}

// ReadClock reads them.
func (c patchedClocks) ReadClock(_ context.Context, node string) (r nemesis.ClockReading, err error) {
	n, err := c.node(node)
	if err != nil {
		return r, err
	}
	err = n.whileThere(func(pid int) error {
		r, err = n.clock.Read(pid)
		return err
	})
	return r, err
}

// whileThere does something with the running process while nobody else does.
func (p *process) whileThere(do func(pid int) error) error {
	p.acting.Lock()
	defer p.acting.Unlock()
	cmd, _, err := p.current()
	if err != nil {
		return fmt.Errorf("clock of %w", err)
	}
	if err := do(cmd.Process.Pid); err != nil {
		return fmt.Errorf("clock of %s: %w", p.node, err)
	}
	return nil
}
