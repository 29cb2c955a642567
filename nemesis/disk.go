package nemesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// DiskFailure is the fault that hurts disks.
const DiskFailure = "disk"

// Modes of DiskFailure.
const (
	powerLoss    = "power-loss"
	failedSync   = "fsync-error"
	slowSync     = "fsync-slow"
	fullDisk     = "full"
	flippedBit   = "flip"
	loseMajority = "lose-majority"
	truncatedLog = "truncate"
)

// Parameters of DiskFailure.
const (
	tornParameter  = "torn"  // of a loss of power: part of what was not synced has reached the disk
	delayParameter = "delay" // of a slow fsync
)

type disks struct{ basic }

var hurtingDisks = disks{basic{title: DiskFailure, of: toHurtDisks, ways: []mode{
	{name: powerLoss, needs: 1, help: "nodes are killed and forget what they have not synced; nodes=all, majority, minority or one",
		choose: hurt(map[string]int{"all": 4, "majority": 2, "minority": 2, "one": 2}, drawTorn)},
	{name: failedSync, needs: 3, help: "fsync fails with EIO; at the heal the power is cut, since a failed fsync has written nothing",
		choose: hurt(map[string]int{"leader": 1, "minority": 1}, nil)},
	{name: slowSync, needs: 1, help: "fsync takes long", choose: hurt(map[string]int{"leader": 2, "minority": 1, "all": 1}, drawDelay)},
	{name: fullDisk, needs: 3, help: "writes fail with ENOSPC", choose: hurt(map[string]int{"leader": 1, "minority": 1}, nil)},
	{name: flippedBit, needs: 3, help: "nodes are killed, one bit of each one's log is flipped, and they must refuse to start", choose: hurt(map[string]int{"minority": 1}, nil)},
	{name: loseMajority, needs: 3, onRequest: func(int) bool { return true },
		help: "a majority is killed and loses all files, or nodes=all, minority, one: more than any replicated log need survive", choose: hurt(map[string]int{"majority": 1}, nil)},
	{name: truncatedLog, needs: 3, onRequest: func(int) bool { return true },
		help: "the logs of a majority are cut off where a sync began, which no checksum can tell, or nodes=...: more than any replicated log need survive", choose: hurt(map[string]int{"majority": 1}, nil)},
}}}

func (disks) parameters() []parameter {
	return []parameter{
		{name: nodesParameter, help: "whose disks: leader, one, minority, majority or all", check: oneOf(nodeSetNames...),
			modes: []string{powerLoss, failedSync, slowSync, fullDisk, loseMajority, truncatedLog}},
		{name: tornParameter, help: "yes: each sector that was not synced may have reached the disk; no: none has", check: oneOf("yes", "no"), modes: []string{powerLoss}},
		{name: delayParameter, help: "how much longer an fsync takes: 1ms to 10s", check: durationWithin(time.Millisecond, 10*time.Second), modes: []string{slowSync}},
	}
}

// checkPlan wants what inject cannot do without.
func (disks) checkPlan(s Step, _ int) error {
	if s.Mode == slowSync {
		return s.wantParameters(delayParameter)
	}
	return nil
}

// hurt draws whose disks it is, by weight, and what the mode needs beside, unless that was asked for.
func hurt(weights map[string]int, more func(*rand.Rand, map[string]string)) func(draw) plan {
	return func(d draw) plan {
		p := plan{parameters: map[string]string{}}
		set := drawWeighted(weights, d)
		if len(weights) > 1 {
			p.parameters[nodesParameter] = set
		}
		if more != nil {
			more(d.rng, p.parameters)
		}
		for key, value := range d.parameters {
			p.parameters[key] = value
		}
		if size := nodeSets[cmp.Or(p.parameters[nodesParameter], set)]; size != nil {
			p.targets = some(d, size)
			p.text = diskText(p.targets, p.parameters)
		}
		return p
	}
}

func drawTorn(rng *rand.Rand, p map[string]string) {
	p[tornParameter] = [2]string{"no", "yes"}[rng.IntN(2)]
}

func drawDelay(rng *rand.Rand, p map[string]string) {
	p[delayParameter] = drawBetween(20*time.Millisecond, 200*time.Millisecond, rng).Round(time.Millisecond).String()
}

func diskText(targets []string, parameters map[string]string) string {
	text := "disk of " + words(targets)
	if d := parameters[delayParameter]; d != "" {
		text += ", " + d
	}
	if parameters[tornParameter] == "yes" {
		text += ", torn"
	}
	return text
}

// resolve finds the leader.
func (disks) resolve(ctx context.Context, n *Nemesis, f *fault) (plan, error) {
	leader, err := n.leader(ctx)
	targets := []string{leader}
	return plan{targets: targets, text: diskText(targets, f.step.Parameters)}, err
}

func (disks) inject(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	switch f.step.Mode {
	case powerLoss:
		n.cutPower(ctx, f, e)
	case flippedBit:
		n.flipBits(ctx, f, e)
	case loseMajority:
		n.wipeDisks(ctx, f, e)
	case truncatedLog:
		n.cutLogs(ctx, f, e)
	default:
		n.breakDisks(ctx, f, e)
	}
}

func (disks) heal(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	switch f.step.Mode {
	case powerLoss, loseMajority, truncatedLog:
		killing.heal(ctx, n, f, e)
	case flippedBit:
		n.unflipBits(ctx, f, e)
	default:
		n.mendDisks(ctx, f, e)
	}
}

// seedOf is what is drawn from for a fault's i-th target.
func (n *Nemesis) seedOf(f *fault, i int) uint64 {
	return rand.New(rand.NewPCG(n.schedule.Seed, uint64(f.step.ID)<<16|uint64(i))).Uint64() | 1 // 0 says something else
}

// fail says that the fault did not take hold, once for each reason.
func (e *Event) fail(format string, args ...any) {
	e.Took = false
	e.observe("did not take hold: " + fmt.Sprintf(format, args...))
}

// close leaves every disk in good order, with no bit flipped.
func (disks) close(ctx context.Context, n *Nemesis, e *Event) error {
	var against []string
	for _, node := range n.world.Nodes() {
		state, err := n.abilities.Disks.Disk(ctx, node)
		if err == nil && state.Fault != (DiskFault{}) {
			e.observe("the disk of " + node + " was left in disorder, and is mended")
			err = n.abilities.Disks.SetDisk(ctx, node, DiskFault{})
		}
		if err == nil {
			err = n.restoreLeft(ctx, node, e)
		}
		if err != nil {
			against = append(against, fmt.Sprintf("the disk of %s: %v", node, err))
		}
	}
	if len(against) > 0 {
		return errors.New(strings.Join(against, "; "))
	}
	return nil
}

// restoreLeft flips back what is left of bits, at a node that does not run for that reason.
func (n *Nemesis) restoreLeft(ctx context.Context, node string, e *Event) error {
	state, err := n.world.Process(ctx, node)
	if err != nil || state.Running {
		return err
	}
	restored, err := n.abilities.Disks.RestoreBits(ctx, node)
	for _, r := range restored {
		e.observe(fmt.Sprintf("%s: byte %d of %s was left flipped, and is restored", node, r.Offset, r.File))
	}
	return err
}

func (disks) closed() string { return "all disks in good order" }
