package nemesis

import (
	"context"
	"fmt"
	"time"
)

// diskFault is what the mode does to a disk that goes on.
func (f *fault) diskFault() DiskFault {
	switch f.step.Mode {
	case failedSync:
		return DiskFault{FailSyncs: true}
	case fullDisk:
		return DiskFault{Full: true}
	}
	d, _ := time.ParseDuration(f.step.Parameters[delayParameter])
	return DiskFault{SlowSyncs: d}
}

// hits is how often a disk has done what the fault makes it do.
func (f *fault) hits(s DiskState) uint64 {
	switch f.step.Mode {
	case failedSync:
		return s.FailedSyncs
	case fullDisk:
		return s.Refused
	}
	return s.SlowedSyncs
}

// hitAwaited is how long a node may take, beyond a slow fsync, to do what its disk fails at: it must be written to for that.
const hitAwaited = 2 * time.Second

// breakDisks has the disks of the targets misbehave while they run, and waits until each has.
func (n *Nemesis) breakDisks(ctx context.Context, f *fault, e *Event) {
	f.ails = map[string]DiskState{}
	e.Took = true
	fault := f.diskFault()
	for _, node := range f.step.Targets {
		if n.isOut(node) && len(f.step.Targets) > 1 {
			e.observe(node + " is out of the cluster, and left alone")
			continue
		}
		before, err := n.abilities.Disks.Disk(ctx, node)
		if err != nil {
			e.fail("%s: %v", node, err)
			continue
		}
		f.ails[node] = before // also where the call reports an error: it may have been done
		if err := n.abilities.Disks.SetDisk(ctx, node, fault); err != nil {
			e.fail("%s: %v", node, err)
		}
	}
	e.Done = n.now()
	if len(f.ails) == 0 && e.Took {
		e.fail("nobody was there whose disk could be hurt")
	}
	end := e.Done + fault.SlowSyncs + hitAwaited
	for _, node := range f.step.Targets {
		if _, ok := f.ails[node]; !ok {
			continue
		}
		if err := n.awaitHit(ctx, f, node, end, e); err != nil {
			e.fail("%s: %v", node, err)
		}
	}
}

// awaitHit waits until the disk has done to the node what the fault makes it do. A node that another fault keeps down cannot meet it.
func (n *Nemesis) awaitHit(ctx context.Context, f *fault, node string, end time.Duration, e *Event) error {
	for {
		state, err := n.abilities.Disks.Disk(ctx, node)
		if err != nil {
			return err
		}
		if hits := f.hits(state) - f.hits(f.ails[node]); hits > 0 {
			e.observe(fmt.Sprintf("%s: %s%s", node, f.hitText(hits), n.endedText(ctx, node)))
			return nil
		}
		if n.heldDownBesides(node, f) {
			e.observe(node + " is down by another fault, and writes nothing")
			return nil
		}
		if n.now() >= end || n.options.Clock.Sleep(ctx, memberPoll) != nil {
			return fmt.Errorf("its disk has done nothing of the kind within %v: was nothing written?", hitAwaited)
		}
	}
}

func (f *fault) hitText(hits uint64) string {
	switch f.step.Mode {
	case failedSync:
		return fmt.Sprintf("%d calls of fsync returned EIO", hits)
	case fullDisk:
		return fmt.Sprintf("%d writes were refused with ENOSPC", hits)
	}
	return fmt.Sprintf("%d calls of fsync took %s longer", hits, f.step.Parameters[delayParameter])
}

// endedText tells of a process that has ended.
func (n *Nemesis) endedText(ctx context.Context, node string) string {
	state, err := n.world.Process(ctx, node)
	if err != nil || state.Running {
		return ""
	}
	return fmt.Sprintf("; pid %d ended, %s", state.PID, ended(state))
}

// holdsDown reports whether the fault keeps the node's process from running, or may.
func (f *fault) holdsDown(node string) bool {
	_, killed := f.killed[node]
	_, ails := f.ails[node]
	return killed || ails && f.step.Mode != slowSync
}

// heldDownBesides reports whether another fault that stands does.
func (n *Nemesis) heldDownBesides(node string, f *fault) bool {
	for _, other := range n.standing() {
		if other != f && other.holdsDown(node) {
			return true
		}
	}
	return false
}

// mendDisks has the disks work again. After a failed fsync the power is cut first: what the node took for written and is not, it
// must not have told anybody.
func (n *Nemesis) mendDisks(ctx context.Context, f *fault, e *Event) {
	e.Disturbs = f.step.Mode == failedSync
	var early, against []string
	for _, node := range f.step.Targets {
		before, ok := f.ails[node]
		if !ok {
			continue
		}
		state, err := n.abilities.Disks.Disk(ctx, node)
		switch {
		case err != nil:
			early = append(early, fmt.Sprintf("%s: %v", node, err))
		case state.Fault != f.diskFault():
			early = append(early, fmt.Sprintf("the disk of %s does %+v", node, state.Fault))
		default:
			e.observe(fmt.Sprintf("%s: %s until now", node, f.hitText(f.hits(state)-f.hits(before))))
		}
		if err := n.mendDisk(ctx, f, node, e); err != nil {
			against = append(against, fmt.Sprintf("%s: %v", node, err))
		}
	}
	e.Done = n.now()
	e.healed(len(f.ails) > 0, early, against)
}

func (n *Nemesis) mendDisk(ctx context.Context, f *fault, node string, e *Event) error {
	if f.step.Mode == failedSync {
		if err := n.forgetAll(ctx, node, e); err != nil {
			return err
		}
	}
	if err := n.abilities.Disks.SetDisk(ctx, node, DiskFault{}); err != nil {
		return err
	}
	state, err := n.abilities.Disks.Disk(ctx, node)
	if err != nil {
		return err
	}
	if state.Fault != (DiskFault{}) {
		return fmt.Errorf("its disk still does %+v", state.Fault)
	}
	if f.step.Mode == fullDisk && f.hits(state) > f.hits(f.ails[node]) {
		n.awaitEnd(ctx, node)
	}
	return n.startUnlessHeld(ctx, f, node, e)
}

// endingAwaited is how long a node may take to end after it was refused to write.
const endingAwaited = time.Second

// awaitEnd gives a node that is about to end the time to do so. One that lives with a full disk goes on.
func (n *Nemesis) awaitEnd(ctx context.Context, node string) {
	for end := n.now() + endingAwaited; n.now() < end; {
		state, err := n.world.Process(ctx, node)
		if err != nil || !state.Running || n.options.Clock.Sleep(ctx, memberPoll) != nil {
			return
		}
	}
}

// forgetAll cuts the node's power.
func (n *Nemesis) forgetAll(ctx context.Context, node string, e *Event) error {
	state, err := n.world.Process(ctx, node)
	if err != nil {
		return err
	}
	if state.Running {
		if err := n.world.Kill(ctx, node); err != nil {
			return err
		}
	}
	loss, err := n.abilities.Disks.ForgetUnsynced(ctx, node, 0)
	if err == nil {
		e.observe(fmt.Sprintf("%s: %s", node, loss.text()))
	}
	return err
}

// startUnlessHeld has the node's process run, where no other fault keeps it from that.
func (n *Nemesis) startUnlessHeld(ctx context.Context, f *fault, node string, e *Event) error {
	state, err := n.world.Process(ctx, node)
	switch {
	case err != nil:
		return err
	case state.Running:
		return nil
	case n.heldDownBesides(node, f) || n.isOut(node):
		e.observe(node + " is down by another fault, and left to that")
		return nil
	}
	e.observe(fmt.Sprintf("%s: pid %d had ended, %s", node, state.PID, ended(state)))
	if err := n.world.Start(ctx, node); err != nil {
		return err
	}
	return n.checkRunning(ctx, []string{node}, e)
}
