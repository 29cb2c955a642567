package nemesis

import (
	"context"
	"errors"
	"fmt"
)

// modelDisk is a node's disk. The node writes and syncs once, two sectors, whenever somebody looks.
type modelDisk struct {
	state DiskState
	flips []Flip
}

func (w *modelWorld) disk(node string) *modelDisk {
	if w.disks == nil {
		w.disks = map[string]*modelDisk{}
	}
	if w.disks[node] == nil {
		w.disks[node] = &modelDisk{}
	}
	return w.disks[node]
}

// write lets the node write, and end over what its disk does.
func (w *modelWorld) write(node string) {
	d, p := w.disk(node), w.process[node]
	if !p.Running {
		return
	}
	fault := d.state.Fault
	d.state.Writes++
	d.state.Syncs++
	switch {
	case fault.Full:
		d.state.Refused++
	case fault.FailSyncs:
		d.state.FailedSyncs++
		d.state.Unsynced += 2
	case fault.SlowSyncs > 0:
		d.state.SlowedSyncs++
		return
	case w.broken("nothing is synced"):
		d.state.Unsynced += 2
		return
	default:
		return
	}
	if !w.broken("node lives on") {
		p.Running, p.Ended = false, "exit status 255"
		w.process[node] = p
	}
}

func (w *modelWorld) SetDisk(ctx context.Context, node string, fault DiskFault) error {
	if err := w.call(ctx, "disk of %s %+v", node, fault); err != nil {
		return err
	}
	if w.broken("disk cannot be set") {
		return errors.New("agent does not answer")
	}
	if w.broken("disk does nothing") || w.broken("disk stays bad") && fault == (DiskFault{}) {
		return nil
	}
	w.disk(node).state.Fault = fault
	return nil
}

func (w *modelWorld) Disk(_ context.Context, node string) (DiskState, error) {
	w.write(node)
	return w.disk(node).state, nil
}

func (w *modelWorld) ForgetUnsynced(ctx context.Context, node string, seed uint64) (PowerLoss, error) {
	if err := w.call(ctx, "forget %s", node); err != nil {
		return PowerLoss{}, err
	}
	switch {
	case w.process[node].Running:
		return PowerLoss{}, errors.New("the process runs")
	case w.broken("disk keeps everything"):
		return PowerLoss{}, errors.New("is in use")
	}
	d := w.disk(node)
	loss := PowerLoss{Sectors: d.state.Unsynced}
	if seed != 0 {
		loss = PowerLoss{Sectors: d.state.Unsynced - d.state.Unsynced/2, Kept: d.state.Unsynced / 2}
	}
	d.state.Unsynced = 0
	return loss, nil
}

func (w *modelWorld) FlipBit(ctx context.Context, node, pattern string, _ uint64) (Flip, error) {
	if err := w.call(ctx, "flip %s", node); err != nil {
		return Flip{}, err
	}
	if w.broken("no bit to flip") {
		return Flip{}, fmt.Errorf("no file like %q holds anything", pattern)
	}
	f := Flip{File: "1.wal", Offset: 17, Bit: 3, Before: "abcdef0123456789", After: "0123456789abcdef"}
	w.disk(node).flips = append(w.disk(node).flips, f)
	return f, nil
}

func (w *modelWorld) RestoreBits(ctx context.Context, node string) ([]Flip, error) {
	if err := w.call(ctx, "restore %s", node); err != nil {
		return nil, err
	}
	if w.process[node].Running {
		return nil, errors.New("the process runs")
	}
	var back []Flip
	for _, f := range w.disk(node).flips {
		f.Before, f.After = f.After, f.Before
		back = append(back, f)
	}
	w.disk(node).flips = nil
	return back, nil
}

func (w *modelWorld) CutLog(ctx context.Context, node, pattern string, _ uint64) (Cut, error) {
	if err := w.call(ctx, "cut the log of %s", node); err != nil {
		return Cut{}, err
	}
	if w.broken("log cannot be cut") {
		return Cut{}, fmt.Errorf("no file like %q", pattern)
	}
	return Cut{File: "1.wal", Size: 4096, Kept: 1234, Syncs: 7, Before: "abcdef0123456789", After: "0123456789abcdef"}, nil
}

func (w *modelWorld) Wipe(ctx context.Context, node string) (int, error) {
	if err := w.call(ctx, "wipe %s", node); err != nil {
		return 0, err
	}
	if w.broken("disk cannot be wiped") {
		return 0, errors.New("is in use")
	}
	return 3, nil
}

func (w *modelWorld) LastOutput(_ context.Context, node string) (string, error) {
	if w.broken("node says nothing") {
		return "panic!\n", nil
	}
	return "started\n/data/1.wal, offset 16: a record's checksum is wrong\n", nil
}

// startOver has a node end that starts over a damaged log.
func (w *modelWorld) startOver(node string) {
	if p := w.process[node]; len(w.disk(node).flips) > 0 && !w.broken("node lives on") {
		p.Running, p.Ended = false, "exit status 255"
		w.process[node] = p
	}
}
