package nemesis

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// cutPower kills the targets all at once, and then takes from each what it had not synced.
func (n *Nemesis) cutPower(ctx context.Context, f *fault, e *Event) {
	killing.inject(ctx, n, f, e)
	for i, node := range f.step.Targets {
		if _, ok := f.killed[node]; !ok && !n.heldDownBesides(node, f) {
			continue
		}
		var seed uint64
		if f.step.Parameters[tornParameter] == "yes" {
			seed = n.seedOf(f, i)
		}
		loss, err := n.abilities.Disks.ForgetUnsynced(ctx, node, seed)
		if err != nil {
			e.fail("the disk of %s did not lose power: %v", node, err)
			continue
		}
		state, err := n.abilities.Disks.Disk(ctx, node)
		if err != nil || state.Unsynced > 0 {
			e.fail("%s still has %d things that were not synced (%v)", node, state.Unsynced, err)
			continue
		}
		e.observe(fmt.Sprintf("%s: %s; of %d writes so far, with %d syncs", node, loss.text(), state.Writes, state.Syncs))
	}
	e.Done = n.now()
}

func (l PowerLoss) text() string {
	if l == (PowerLoss{}) {
		return "nothing was unsynced when its power was cut"
	}
	text := fmt.Sprintf("%d sectors and %d names that were not synced are gone", l.Sectors, l.Names)
	if l.Kept > 0 {
		text += fmt.Sprintf(", %d had reached the disk all the same", l.Kept)
	}
	return text
}

// wipeDisks kills the targets and removes all their files.
func (n *Nemesis) wipeDisks(ctx context.Context, f *fault, e *Event) {
	e.Beyond = true
	killing.inject(ctx, n, f, e)
	for _, node := range f.step.Targets {
		if _, ok := f.killed[node]; !ok {
			continue
		}
		files, err := n.abilities.Disks.Wipe(ctx, node)
		if err != nil {
			e.fail("wipe the disk of %s: %v", node, err)
			continue
		}
		e.observe(fmt.Sprintf("%s: all %d files are gone", node, files))
	}
	e.Done = n.now()
}

// cutLogs kills the targets and cuts their logs off where a sync began. What is gone they had told others that they have, and no checksum
// can tell: a log that ends there is one that was never longer. All lose about the same share of it.
func (n *Nemesis) cutLogs(ctx context.Context, f *fault, e *Event) {
	e.Beyond = true
	killing.inject(ctx, n, f, e)
	for _, node := range f.step.Targets {
		if _, ok := f.killed[node]; !ok {
			continue
		}
		cut, err := n.abilities.Disks.CutLog(ctx, node, n.logFiles(), n.seedOf(f, 0))
		if err != nil {
			e.fail("%s: %v", node, err)
			continue
		}
		e.observe(node + ": " + cut.text())
	}
	e.Done = n.now()
}

func (c Cut) text() string {
	return fmt.Sprintf("%s is cut off at byte %d of %d, what the last %d syncs of it made durable is gone, SHA-256 %.12s… is %.12s… now",
		c.File, c.Kept, c.Size, c.Syncs, c.Before, c.After)
}

// logFiles is the pattern of the files whose bits are flipped and that are cut off: those of a log that is read whole at every start.
func (n *Nemesis) logFiles() string {
	if n.options.LogFiles == "" {
		return "*"
	}
	return n.options.LogFiles
}

// refusalAwaited is how long a node may take to see that its log is damaged, and to end.
const refusalAwaited = 5 * time.Second

// flipBits kills the targets, flips a bit of each one's log and starts them. They must refuse: a node that runs over a damaged log
// has forgotten something, or will answer with it.
func (n *Nemesis) flipBits(ctx context.Context, f *fault, e *Event) {
	killing.inject(ctx, n, f, e)
	f.flips = map[string]Flip{}
	for i, node := range f.step.Targets {
		if _, ok := f.killed[node]; !ok {
			continue
		}
		flip, err := n.abilities.Disks.FlipBit(ctx, node, n.logFiles(), n.seedOf(f, i))
		if err != nil {
			e.fail("%s: %v", node, err)
			continue
		}
		f.flips[node] = flip
		e.observe(node + ": " + flip.text())
		if err := n.world.Start(ctx, node); err != nil {
			e.fail("start %s: %v", node, err)
		}
	}
	e.Done = n.now()
	end := e.Done + refusalAwaited
	for _, node := range f.step.Targets {
		if flip, ok := f.flips[node]; ok {
			n.awaitRefusal(ctx, node, flip, end, e)
		}
	}
}

func (f Flip) text() string {
	return fmt.Sprintf("bit %d of byte %d of %s flipped, SHA-256 %.12s… is %.12s… now", f.Bit, f.Offset, f.File, f.Before, f.After)
}

// awaitRefusal waits for the end of a node that has a damaged log, and for its saying why.
func (n *Nemesis) awaitRefusal(ctx context.Context, node string, flip Flip, end time.Duration, e *Event) {
	for {
		state, err := n.world.Process(ctx, node)
		switch {
		case err != nil:
			e.fail("%s cannot be asked: %v", node, err)
			return
		case !state.Running:
			n.checkRefusal(ctx, node, flip, state, e)
			return
		}
		if n.now() >= end || n.options.Clock.Sleep(ctx, memberPoll) != nil {
			e.fail("%s runs as pid %d over a damaged log, and has not noticed within %v", node, state.PID, refusalAwaited)
			e.Wrong = append(e.Wrong, fmt.Sprintf("%s started over a flipped bit (%s, byte %d) and ran on", node, flip.File, flip.Offset))
			return
		}
	}
}

func (n *Nemesis) checkRefusal(ctx context.Context, node string, flip Flip, state ProcessState, e *Event) {
	e.observe(fmt.Sprintf("%s: pid %d ended by itself, %s", node, state.PID, ended(state)))
	if n.abilities.Logs == nil {
		return
	}
	output, err := n.abilities.Logs.LastOutput(ctx, node)
	if err != nil {
		e.observe(fmt.Sprintf("%s: its output cannot be had: %v", node, err))
		return
	}
	for line := range strings.Lines(output) {
		if strings.Contains(line, flip.File) && strings.Contains(line, "offset") {
			e.observe(node + " says: " + strings.TrimSpace(line))
			return
		}
	}
	e.Wrong = append(e.Wrong, fmt.Sprintf("%s ended over a flipped bit in %s (%s) and did not say in which file and where", node, flip.File, ended(state)))
}

// unflipBits gives the nodes their disks back as they were, and starts them. That is the only way of mending that loses nothing:
// a node whose log was wiped or cut has forgotten votes and entries that it promised to keep, and may give its
// vote, under its own name, to a second leader of a term or to one that lacks what was committed.
func (n *Nemesis) unflipBits(ctx context.Context, f *fault, e *Event) {
	var early, against []string
	for _, node := range f.step.Targets {
		if _, ok := f.killed[node]; !ok {
			continue
		}
		state, err := n.world.Process(ctx, node)
		if err == nil && state.Running {
			early = append(early, fmt.Sprintf("%s runs, as pid %d", node, state.PID))
			err = n.world.Kill(ctx, node)
		}
		if err == nil {
			err = n.restoreBits(ctx, f, node, e)
		}
		if err == nil {
			delete(f.killed, node)
			err = n.startUnlessHeld(ctx, f, node, e)
		}
		if err != nil {
			against = append(against, fmt.Sprintf("%s: %v", node, err))
		}
	}
	e.Done = n.now()
	e.healed(len(f.flips) > 0, early, against)
}

func (n *Nemesis) restoreBits(ctx context.Context, f *fault, node string, e *Event) error {
	restored, err := n.abilities.Disks.RestoreBits(ctx, node)
	if err != nil {
		return err
	}
	for _, r := range restored {
		if was := f.flips[node]; r.File == was.File && r.Offset == was.Offset && r.After != was.Before {
			e.observe(fmt.Sprintf("%s: %s has changed since: SHA-256 %.12s… and not %.12s…", node, r.File, r.After, was.Before))
			continue
		}
		e.observe(fmt.Sprintf("%s: %s is as it was, SHA-256 %.12s…", node, r.File, r.After))
	}
	return nil
}
