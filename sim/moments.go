package sim

import (
	"slices"

	"github.com/ordeal-dev/ordeal/node/vfs"
)

// Moments of a node's life at which an injection may strike. What breaks at such a moment only is hit by faults at random times once
// in many thousand runs.
const (
	MomentStarts    = "starts"     // its process has read its disk
	MomentStands    = "stands"     // for election
	MomentVotes     = "votes"      // for another
	MomentLeads     = "leads"      // is elected
	MomentTruncates = "truncates"  // part of its log
	MomentSaves     = "saves"      // begins to save a snapshot
	MomentReceives  = "receives"   // a snapshot's chunk
	MomentInstalls  = "installs"   // a snapshot
	MomentJoint     = "joint"      // takes up a joint configuration
	MomentHandsOver = "hands-over" // leadership: it tells another to stand
	MomentIsTold    = "is-told"    // to stand

	// Work of the disk, at start or later.
	MomentCreate  = "create"
	MomentWrite   = "write"
	MomentSync    = "sync"
	MomentRename  = "rename"
	MomentRemove  = "remove"
	MomentSyncDir = "sync-folder"
)

var moments = []string{MomentStarts, MomentStands, MomentVotes, MomentLeads, MomentTruncates, MomentSaves, MomentReceives, MomentInstalls, MomentJoint,
	MomentHandsOver, MomentIsTold}

// diskMoments are operations of the disk. There the power is lost, or the process killed, before the operation or right after it.
var diskMoments = map[string]vfs.OpKind{MomentCreate: vfs.OpCreate, MomentWrite: vfs.OpWrite, MomentSync: vfs.OpSync, MomentRename: vfs.OpRename,
	MomentRemove: vfs.OpRemove, MomentSyncDir: vfs.OpSyncDir}

var diskMomentNames = []string{MomentCreate, MomentWrite, MomentSync, MomentRename, MomentRemove, MomentSyncDir}

// armed is an injection that waits for its moment.
type armed struct {
	*Injection
	left int // how often the moment has to come still
}

// arm has an injection wait for its moment.
func (w *world) arm(in *Injection) {
	a := &armed{in, max(in.Nth, 1)}
	if _, ofDisk := diskMoments[in.When]; ofDisk {
		w.armedDisks = append(w.armedDisks, a)
	} else {
		w.armed = append(w.armed, a)
	}
}

// moment tells that a node is at a moment. What strikes does so as soon as the node's own code has returned.
func (w *world) moment(when string, n *simNode) {
	if len(w.armed) == 0 || w.calm {
		return
	}
	w.armed = slices.DeleteFunc(w.armed, func(a *armed) bool {
		if a.When != when {
			return false
		}
		if a.left--; a.left > 0 {
			return false
		}
		w.at(w.now, func() { w.strike(a.Injection, n) })
		return true
	})
}

// strike injects what has waited for a moment of this node's.
func (w *world) strike(in *Injection, n *simNode) {
	if w.calm || n.process == nil || w.fault(Inject, Choice{Seq: uint64(in.ID)}, million, 1) == 0 {
		return
	}
	w.coverage.Count(MomentsStruck)
	w.injectOn(in, []*simNode{n})
}

// diskStroke is a crash at a moment of the disk.
type diskStroke struct {
	by    *Injection // that has struck, nil: none has
	after bool       // the operation is still done
}

// strikesAt reports whether an armed injection strikes at an operation of the node's disk.
func (w *world) strikesAt(op vfs.Op) (stroke diskStroke) {
	w.armedDisks = slices.DeleteFunc(w.armedDisks, func(a *armed) bool {
		if stroke.by != nil || op.Kind != diskMoments[a.When] {
			return false
		}
		if a.left--; a.left > 0 {
			return false
		}
		if w.fault(Inject, Choice{Seq: uint64(a.ID)}, million, 1) > 0 {
			stroke = diskStroke{a.Injection, a.Ways == waysAfter}
		}
		return true
	})
	return stroke
}

// waysAfter has an injection at a moment of the disk strike right after the operation.
const waysAfter = "after"

// watchDisk puts in force what is wrong with the disk for a piece of work. Of what it returns, by is set once something has struck: from
// then on nothing works.
func (n *simNode) watchDisk() *diskStroke {
	s := &diskStroke{}
	w := n.world
	if w.calm || len(w.armedDisks) == 0 {
		if n.disk.full || n.disk.fails {
			n.mem.Inject(n.refuses)
		}
		return s
	}
	n.mem.Inject(func(op vfs.Op) error {
		if s.by != nil {
			return errPower
		}
		if err := n.refuses(op); err != nil {
			return err
		}
		if *s = w.strikesAt(op); s.by != nil && !s.after {
			return errPower
		}
		return nil
	})
	return s
}

// struck takes the node down as the injection that has struck says, and has it come up after its time.
func (n *simNode) struck(in *Injection) {
	w := n.world
	w.coverage.Count(MomentsStruck)
	if n.process == nil { // amid its start
		w.coverage.Count(CrashesAtStart)
		n.mem.Inject(nil)
		n.mem.Kill()
		n.ended = "signal: killed"
		if in.Fault == FaultPower {
			n.ended = "power lost"
			n.tear()
		}
		w.tell(Event{At: w.now, Kind: NodeEnded, Node: n.id, Text: n.ended})
	}
	w.injectOn(in, []*simNode{n})
}
