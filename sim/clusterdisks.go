package sim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/node/vfs"
)

// dataFolder is where a simulated node keeps its files.
const dataFolder = "/data"

// flipped is a bit that the nemesis has flipped, to be flipped back.
type flipped struct {
	path   string
	offset int64
	mask   byte
}

// diskCounts are what a node's disk has done since it was made.
type diskCounts struct{ works, failed, slowed, refused uint64 }

// SetDisk implements nemesis.Disks.
func (c *cluster) SetDisk(_ context.Context, name string, fault nemesis.DiskFault) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	n.fault = fault
	n.disk.fails, n.disk.full, n.disk.longer = fault.FailSyncs, fault.Full, fault.SlowSyncs
	return nil
}

// Disk implements nemesis.Disks. A work of the log or of the snapshots counts as one write with one sync.
func (c *cluster) Disk(_ context.Context, name string) (nemesis.DiskState, error) {
	n, err := c.node(name)
	if err != nil {
		return nemesis.DiskState{}, err
	}
	sectors, names := n.mem.Unsynced()
	return nemesis.DiskState{Fault: n.fault, Writes: n.counts.works, Syncs: n.counts.works, FailedSyncs: n.counts.failed,
		SlowedSyncs: n.counts.slowed, Refused: n.counts.refused, Unsynced: sectors + names}, nil
}

// atRest is a node that must be down.
func (c *cluster) atRest(name string) (*simNode, error) {
	n, err := c.node(name)
	if err == nil && n.process != nil {
		err = fmt.Errorf("%s runs: kill it before its disk is changed at rest", name)
	}
	return n, err
}

// ForgetUnsynced implements nemesis.Disks.
func (c *cluster) ForgetUnsynced(_ context.Context, name string, seed uint64) (nemesis.PowerLoss, error) {
	n, err := c.atRest(name)
	if err != nil {
		return nemesis.PowerLoss{}, err
	}
	c.world.coverage.Count(PowerLosses)
	sectors, names := n.mem.Unsynced()
	if seed == 0 {
		n.mem.Forget()
	} else {
		n.mem.Crash(rand.New(rand.NewPCG(seed, 1)))
	}
	return nemesis.PowerLoss{Sectors: sectors, Names: names}, nil
}

// FlipBit implements nemesis.Disks.
func (c *cluster) FlipBit(_ context.Context, name, pattern string, seed uint64) (nemesis.Flip, error) {
	n, err := c.atRest(name)
	if err != nil {
		return nemesis.Flip{}, err
	}
	var files []decaying
	for _, f := range n.decayable() {
		matches, err := path.Match(pattern, path.Base(f.name))
		if err != nil {
			return nemesis.Flip{}, err
		}
		if size := n.mem.Settled(f.name); matches && size > 0 {
			files = append(files, decaying{f.name, size})
		}
	}
	if len(files) == 0 {
		return nemesis.Flip{}, fmt.Errorf("no file of %s that matches %q has a bit that something synced later vouches for", name, pattern)
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	f := files[rng.IntN(len(files))]
	bit := uint8(rng.IntN(8))
	b := flipped{f.name, rng.Int64N(f.size), 1 << bit}
	flip := nemesis.Flip{File: strings.TrimPrefix(b.path, dataFolder+"/"), Offset: b.offset, Bit: bit, Before: n.digest(b.path)}
	if err := n.mem.Flip(b.path, b.offset, b.mask); err != nil {
		return nemesis.Flip{}, err
	}
	c.world.coverage.Count(BitsFlipped)
	n.flips = append(n.flips, b)
	flip.After = n.digest(b.path)
	return flip, nil
}

// digest is the SHA-256 of a file, in hexadecimal.
func (n *simNode) digest(path string) string {
	b, err := vfs.ReadFile(n.mem, path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// RestoreBits implements nemesis.Disks.
func (c *cluster) RestoreBits(_ context.Context, name string) ([]nemesis.Flip, error) {
	n, err := c.atRest(name)
	if err != nil {
		return nil, err
	}
	var all []nemesis.Flip
	for len(n.flips) > 0 {
		b := n.flips[0]
		flip := nemesis.Flip{File: strings.TrimPrefix(b.path, dataFolder+"/"), Offset: b.offset, Before: n.digest(b.path)}
		if err := n.mem.Flip(b.path, b.offset, b.mask); err != nil {
			return all, err
		}
		n.flips = slices.Delete(n.flips, 0, 1)
		flip.After = n.digest(b.path)
		all = append(all, flip)
	}
	return all, nil
}

// CutLog implements nemesis.Disks. As after Wipe nothing is a violation from then on.
func (c *cluster) CutLog(_ context.Context, name, pattern string, seed uint64) (nemesis.Cut, error) {
	n, err := c.atRest(name)
	if err != nil {
		return nemesis.Cut{}, err
	}
	files, err := n.mem.List(dataFolder)
	if err != nil {
		return nemesis.Cut{}, err
	}
	last := ""
	for _, file := range files { // in order
		if matches, err := path.Match(pattern, file); err != nil {
			return nemesis.Cut{}, err
		} else if matches {
			last = file
		}
	}
	file := path.Join(dataFolder, last)
	at, syncs, ok := nemesis.DrawCut(n.mem.Starts(file), seed)
	if !ok {
		return nemesis.Cut{}, fmt.Errorf("no file of %s that matches %q holds anything that was synced behind something else", name, pattern)
	}
	cut := nemesis.Cut{File: last, Size: length(n.mem, file), Kept: at, Syncs: syncs, Before: n.digest(file)}
	if err := n.mem.Cut(file, at); err != nil {
		return nemesis.Cut{}, err
	}
	c.world.judge.beyond = true
	cut.After = n.digest(file)
	return cut, nil
}

// Wipe implements nemesis.Disks. From then on more is lost than Raft survives: what is wrong after that is no violation.
func (c *cluster) Wipe(_ context.Context, name string) (int, error) {
	n, err := c.atRest(name)
	if err != nil {
		return 0, err
	}
	files := n.mem.Wipe()
	n.flips = nil
	votes := n.follow.votes
	n.follow = newFollow(c.world.plan.Nodes)
	n.follow.votes = votes
	c.world.judge.beyond = true
	return files, nil
}

// LastOutput implements nemesis.Logs.
func (c *cluster) LastOutput(_ context.Context, name string) (string, error) {
	n, err := c.node(name)
	if err != nil {
		return "", err
	}
	return n.said, nil
}

// KillContainer implements nemesis.Containers. There is nothing beside the process.
func (c *cluster) KillContainer(ctx context.Context, name string) error { return c.Kill(ctx, name) }

// StartContainer implements nemesis.Containers.
func (c *cluster) StartContainer(ctx context.Context, name string) error { return c.Start(ctx, name) }
