package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/disk"
)

// disks are those that the nodes' data folders are covered with, by node.
type disks map[string]*disk.Disk

// mountDisks covers the data folder of every node. This process serves them: what a killed one leaves is mounts that nothing
// answers for, which the record knows of.
func (c *Cluster) mountDisks() error {
	var dirs []string
	for _, name := range c.options.Nodes {
		dirs = append(dirs, c.dataDir(name))
	}
	if err := c.record.setMounts(dirs); err != nil {
		return err
	}
	c.disks = disks{}
	for _, name := range c.options.Nodes {
		d, err := disk.Mount(c.dataDir(name))
		if err != nil {
			return fmt.Errorf("%w; --cluster docker or sim has disks too", err)
		}
		c.disks[name] = d
	}
	return nil
}

// Settle implements harness.Settler for nodes of a deployed system: they may take it that what they made when they were installed is there. The
// project's own nodes may not.
func (c *Cluster) Settle(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.options.System == nil {
		return nil
	}
	var errs []error
	for _, d := range c.disks {
		errs = append(errs, d.Settle())
	}
	return errors.Join(errs...)
}

func (d disks) unmount() error {
	var errs []error
	for name, one := range d {
		if err := one.Unmount(); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(d, name)
	}
	return errors.Join(errs...)
}

func (c *Cluster) disk(node string) (*disk.Disk, error) {
	if _, err := c.node(node); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.disks[node]
	if d == nil {
		return nil, fmt.Errorf("local cluster: %s has no disk that can be hurt", node)
	}
	return d, nil
}

// atRest is the disk of a node that must be down.
func (c *Cluster) atRest(node string) (*disk.Disk, error) {
	d, err := c.disk(node)
	if err != nil {
		return nil, err
	}
	if c.nodes[node].state().Running {
		return nil, fmt.Errorf("%s runs: kill it before its disk is changed at rest", node)
	}
	return d, nil
}

// SetDisk puts exactly this fault in force on the node's disk.
func (c *Cluster) SetDisk(_ context.Context, node string, fault nemesis.DiskFault) error {
	d, err := c.disk(node)
	if err != nil {
		return err
	}
	d.SetFault(fault)
	return nil
}

// Disk tells the state of the node's disk.
func (c *Cluster) Disk(_ context.Context, node string) (nemesis.DiskState, error) {
	d, err := c.disk(node)
	if err != nil {
		return nemesis.DiskState{}, err
	}
	return d.State(), nil
}

// ForgetUnsynced takes away what the node, which is down, has not synced.
func (c *Cluster) ForgetUnsynced(ctx context.Context, node string, seed uint64) (nemesis.PowerLoss, error) {
	d, err := c.atRest(node)
	if err != nil {
		return nemesis.PowerLoss{}, err
	}
	return d.ForgetUnsynced(ctx, seed)
}

// FlipBit flips a bit of a file of the node, which is down.
func (c *Cluster) FlipBit(ctx context.Context, node, pattern string, seed uint64) (nemesis.Flip, error) {
	d, err := c.atRest(node)
	if err != nil {
		return nemesis.Flip{}, err
	}
	return d.FlipBit(ctx, pattern, seed)
}

// CutLog cuts off the last log file of the node, which is down.
func (c *Cluster) CutLog(ctx context.Context, node, pattern string, seed uint64) (nemesis.Cut, error) {
	d, err := c.atRest(node)
	if err != nil {
		return nemesis.Cut{}, err
	}
	return d.CutLog(ctx, pattern, seed)
}

// RestoreBits flips back what FlipBit flipped.
func (c *Cluster) RestoreBits(ctx context.Context, node string) ([]nemesis.Flip, error) {
	d, err := c.atRest(node)
	if err != nil {
		return nil, err
	}
	return d.RestoreBits(ctx)
}

// Wipe removes everything from the disk of the node, which is down.
func (c *Cluster) Wipe(ctx context.Context, node string) (int, error) {
	d, err := c.atRest(node)
	if err != nil {
		return 0, err
	}
	return d.Wipe(ctx)
}

// LastOutput is the end of what the node's last process has printed.
func (c *Cluster) LastOutput(_ context.Context, node string) (string, error) {
	if _, err := c.node(node); err != nil {
		return "", err
	}
	return c.logTail(node), nil
}
