package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	compose "github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// fuseRule lets a container have /dev/fuse. The agent makes the device itself, so that a host without it is told by the agent and
// does not keep the container from starting.
const fuseRule = "c 10:229 rwm"

// addDisk has the service's agent cover its one volume with a disk.
func addDisk(s *compose.ServiceConfig) error {
	if len(s.Volumes) != 1 || len(s.Entrypoint) == 0 {
		return fmt.Errorf("%d volumes: faults of disks want one, with the node's data, and an agent as entry point", len(s.Volumes))
	}
	s.Entrypoint = slices.Insert(slices.Clone(s.Entrypoint), 1, "--disk="+s.Volumes[0].Target)
	return nil
}

// allowDisks lets a container mount FUSE file systems.
func allowDisks(host *container.HostConfig) {
	host.CapAdd = append(slices.Clone(host.CapAdd), "SYS_ADMIN", "MKNOD")
	host.Resources.DeviceCgroupRules = []string{fuseRule}
	host.SecurityOpt = []string{"apparmor=unconfined"} // Docker's own profile lets nobody mount
}

// lacksDisks tells why a node has no disk that could be hurt, after Setup.
func (c *Cluster) lacksDisks(ctx context.Context) error {
	for _, node := range c.Nodes() {
		m, err := c.member(node)
		if err != nil {
			return err
		}
		health, err := m.agent.Health(ctx)
		if err != nil {
			return c.explain(ctx, m, err)
		}
		if health.Disk != "" {
			return fmt.Errorf("%s: %s (see `ordeal doctor`)", node, health.Disk)
		}
	}
	return nil
}

// Settle implements harness.Settler for nodes of a deployed system, as harness/local does.
func (c *Cluster) Settle(ctx context.Context) error {
	if c.options.System == nil || !c.options.Disks {
		return nil
	}
	var errs []error
	for _, node := range c.Nodes() {
		m, err := c.member(node)
		if err == nil {
			err = c.explain(ctx, m, m.agent.Settle(ctx))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// SetDisk puts exactly this fault in force on the node's disk.
func (c *Cluster) SetDisk(ctx context.Context, node string, fault nemesis.DiskFault) error {
	m, err := c.member(node)
	if err != nil {
		return err
	}
	return c.explain(ctx, m, m.agent.SetDisk(ctx, fault))
}

// Disk tells the state of the node's disk.
func (c *Cluster) Disk(ctx context.Context, node string) (nemesis.DiskState, error) {
	return onAgent(ctx, c, node, func(m *member) (nemesis.DiskState, error) { return m.agent.Disk(ctx) })
}

// ForgetUnsynced takes away what the node, which is down, has not synced.
func (c *Cluster) ForgetUnsynced(ctx context.Context, node string, seed uint64) (nemesis.PowerLoss, error) {
	return onAgent(ctx, c, node, func(m *member) (nemesis.PowerLoss, error) { return m.agent.ForgetUnsynced(ctx, seed) })
}

// FlipBit flips a bit of a file of the node, which is down.
func (c *Cluster) FlipBit(ctx context.Context, node, pattern string, seed uint64) (nemesis.Flip, error) {
	return onAgent(ctx, c, node, func(m *member) (nemesis.Flip, error) { return m.agent.FlipBit(ctx, pattern, seed) })
}

// CutLog cuts off the last log file of the node, which is down.
func (c *Cluster) CutLog(ctx context.Context, node, pattern string, seed uint64) (nemesis.Cut, error) {
	return onAgent(ctx, c, node, func(m *member) (nemesis.Cut, error) { return m.agent.CutLog(ctx, pattern, seed) })
}

// RestoreBits flips back what FlipBit flipped.
func (c *Cluster) RestoreBits(ctx context.Context, node string) ([]nemesis.Flip, error) {
	return onAgent(ctx, c, node, func(m *member) ([]nemesis.Flip, error) { return m.agent.RestoreBits(ctx) })
}

// Wipe removes everything from the disk of the node, which is down.
func (c *Cluster) Wipe(ctx context.Context, node string) (int, error) {
	return onAgent(ctx, c, node, func(m *member) (int, error) { return m.agent.Wipe(ctx) })
}

func onAgent[T any](ctx context.Context, c *Cluster, node string, do func(*member) (T, error)) (T, error) {
	m, err := c.member(node)
	if err != nil {
		var none T
		return none, err
	}
	out, err := do(m)
	return out, c.explain(ctx, m, err)
}

// mostOutput is how much of the end of a node's output LastOutput gives.
const mostOutput = 4 << 10

// LastOutput is the end of what the node's processes and the agent have printed.
func (c *Cluster) LastOutput(ctx context.Context, node string) (string, error) {
	return onAgent(ctx, c, node, func(m *member) (string, error) {
		var log bytes.Buffer
		if err := m.agent.Log(ctx, &log); err != nil {
			return "", err
		}
		b := log.Bytes()
		return string(b[max(0, len(b)-mostOutput):]), nil
	})
}
