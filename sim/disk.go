package sim

import (
	"errors"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/node/vfs"
)

// errPower is what a disk says to operations after its power was lost, to a process that is about to be gone.
var errPower = errors.New("power lost")

// syncTime is how long the next work of the disk takes.
func (n *simNode) syncTime() time.Duration {
	w, d := n.world, &n.world.plan.Disk
	n.timed++
	c := Choice{Kind: SyncTime, From: int32(n.id), Seq: n.timed}
	t := d.SyncTime/2 + time.Duration(w.decider.Draw(c, uint64(d.SyncTime)+1))
	if by := w.fault(SlowSync, c, d.Slow+n.disk.slow, 1000); by > 0 {
		t += max(d.Slowness, n.disk.slowness) / 1000 * time.Duration(by)
	}
	return t + n.disk.longer
}

// diskTrouble is what faults of the plan do to a node's disk.
type diskTrouble struct {
	slow     uint32 // likelihood that a work is slow, added to the plan's
	slowness time.Duration
	longer   time.Duration // what every work takes longer
	fails    bool          // every sync fails
	full     bool
	excuse   bool // the process may end by itself: its disk was made to fail
}

// refuses is the error of an operation that the trouble of the node's disk does not let through.
func (n *simNode) refuses(op vfs.Op) error {
	d := &n.disk
	switch op.Kind {
	case vfs.OpWrite, vfs.OpCreate, vfs.OpReserve:
		if d.full {
			n.counts.refused++
			return syscall.ENOSPC
		}
	case vfs.OpSync, vfs.OpSyncDir:
		if d.fails {
			n.counts.failed++
			return syscall.EIO
		}
	}
	return nil
}

// excused reports whether the node's disk has been made to fail since it was asked last.
func (n *simNode) excused() bool {
	e := n.disk.excuse || n.disk.fails || n.disk.full || len(n.flips) > 0 || n.world.judge.beyond
	n.disk.excuse = false
	return e
}

// amid does a work of the disk, which a fault may cut off at any of its operations: by the loss of power, or by an error.
func (n *simNode) amid(work func() error) {
	w, d := n.world, &n.world.plan.Disk
	n.worked++
	n.counts.works++
	if n.disk.longer > 0 {
		n.counts.slowed++
	}
	c := Choice{From: int32(n.id), Seq: n.worked}
	power := w.fault(LosePower, c, d.PowerLoss, 8)
	failure := w.fault(FailSync, c, d.Failure, 8)
	if power+failure == 0 && !n.disk.fails && !n.disk.full {
		stroke := n.watchDisk()
		err := work()
		n.mem.Inject(nil)
		switch {
		case stroke.by != nil:
			n.struck(stroke.by)
		case err != nil:
			n.exit(err)
		}
		return
	}
	left := power + failure // operations until the one that is struck; all after it fail too
	n.mem.Inject(func(op vfs.Op) error {
		if err := n.refuses(op); err != nil || power+failure == 0 {
			return err
		}
		if left--; left > 0 {
			return nil
		}
		left = 1
		if power > 0 {
			return errPower
		}
		return syscall.EIO
	})
	err := work()
	n.mem.Inject(nil)
	switch {
	case power > 0:
		w.coverage.Count(PowerLosses)
		w.coverage.Count(TornWork)
		w.faults["power"]++
		n.down("power lost")
		n.tear()
		n.rebootLater()
	case err != nil:
		w.coverage.Count(DiskFailures)
		w.faults["disk"]++
		n.disk.excuse = true
		n.exit(err)
		n.rebootLater()
	}
}

func (n *simNode) writeLog() {
	p := n.process
	n.amid(func() error {
		writes := p.begun
		p.logBegun = false
		if err := p.WriteLog(); err != nil {
			return err
		}
		n.world.judge.durable(n, writes)
		return nil
	})
	n.afterWork(p)
}

func (n *simNode) writeSnapshots() {
	p := n.process
	n.amid(p.WriteSnapshots)
	n.afterWork(p)
}

// afterWork lets the driver know what its disk has done, and plans the next work.
func (n *simNode) afterWork(p *process) {
	if n.process == p {
		n.turn()
	}
}

// rebootLater starts the process again after a while: what has struck it is no fault of the plan that would.
func (n *simNode) rebootLater() {
	w, life := n.world, n.life
	pause := time.Duration(w.decider.Draw(Choice{Kind: SyncTime, From: int32(n.id), To: 1, Seq: n.life}, uint64(4*w.plan.Node.ElectionTimeout)))
	w.at(w.now+pause, func() {
		if n.process == nil && n.life == life && n.held == 0 {
			n.boot()
		}
	})
}
