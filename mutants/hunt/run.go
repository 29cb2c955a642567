package hunt

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ordeal-dev/ordeal/mutants"
	"github.com/ordeal-dev/ordeal/scratch"
)

// Options say how long to hunt.
type Options struct {
	Root     string // of the checkout
	Seed     uint64 // first of the first attempt
	CPU      time.Duration
	Repeat   int           // attempts at each mutant
	Parallel int           // programs side by side
	Shrink   time.Duration // how long what is found is made small; 0: it is not
	// NoInvariants has all mutants looked for with the simulator's internal invariants off. Without it those for which
	// HistoryToo holds are looked for both ways.
	NoInvariants bool
	// Progress is told how far the hunt for a mutant is. It is called from several goroutines.
	Progress func(m mutants.Mutant, t Tidings)
	// Finished is told each outcome when it is known.
	Finished func(o Outcome)
}

// seedsApart is how far the first seeds of two attempts lie from each other: none gets that far.
const seedsApart = 10_000_000

// Run hunts for all the mutants, and gives the outcomes in their order, for each first that with the invariants on. The error is
// that of ctx; what went wrong with one mutant is in its outcome.
func Run(ctx context.Context, all []mutants.Mutant, o Options) ([]Outcome, error) {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Parallel))
	outcomes := make([][]Outcome, len(all))
	for i, m := range all {
		group.Go(func() error {
			outcomes[i] = one(inner, m, o)
			return inner.Err()
		})
	}
	err := group.Wait()
	var list []Outcome
	for _, some := range outcomes {
		list = append(list, some...)
	}
	return list, err
}

// one builds a mutant's hunter and has it hunt.
func one(ctx context.Context, m mutants.Mutant, o Options) []Outcome {
	modes := []bool{o.NoInvariants}
	if !o.NoInvariants && HistoryToo(m) {
		modes = []bool{false, true}
	}
	program := ""
	dir, err := scratch.New("hunt")
	if err == nil {
		defer dir.Remove()
		program = filepath.Join(dir.Path, "hunter")
		err = m.Build(ctx, o.Root, "./mutants/hunter", program)
	}
	var list []Outcome
	for _, off := range modes {
		outcome := Outcome{Mutant: m.Name, Row: m.Row, NoInvariants: off}
		for i := 0; err == nil && i < o.Repeat && ctx.Err() == nil; i++ {
			seed := o.Seed + uint64(i)*seedsApart
			t, bad := hunter(ctx, program, seed, off, o.CPU, o.Shrink, func(t Tidings) { o.Progress(m, t) })
			if bad != nil {
				outcome.Error = bad.Error()
				break
			}
			outcome.Attempts = append(outcome.Attempts, Attempt{FirstSeed: seed, Seeds: t.Seeds, CPU: t.CPU, Found: t.Found})
		}
		if err != nil {
			outcome.Error = err.Error()
		}
		if ctx.Err() == nil {
			o.Finished(outcome)
		}
		list = append(list, outcome)
	}
	return list
}

// hunter runs the program until it is done. One that is killed for want of memory, or panics, has found nothing and is an error.
func hunter(ctx context.Context, program string, seed uint64, noInvariants bool, cpu, shrink time.Duration, progress func(Tidings)) (Tidings, error) {
	args := []string{"-seed", strconv.FormatUint(seed, 10), "-cpu", cpu.String(), "-shrink", shrink.String()}
	if noInvariants {
		args = append(args, "-no-invariants")
	}
	cmd := exec.CommandContext(ctx, program, args...)
	var complaint tail
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Tidings{}, err
	}
	if err := cmd.Start(); err != nil {
		return Tidings{}, err
	}
	last, bad := read(bufio.NewScanner(out), progress)
	err = errors.Join(bad, cmd.Wait())
	switch {
	case last.Failed != "":
		return last, fmt.Errorf("the simulator failed: %s", last.Failed)
	case err != nil:
		return last, fmt.Errorf("the hunter stopped after %d seeds: %w\n%s", last.Seeds, err, complaint.String())
	case !last.Done:
		return last, fmt.Errorf("the hunter stopped after %d seeds and does not say why", last.Seeds)
	}
	return last, nil
}

// read takes what a hunter says until its end, and returns the last of it.
func read(lines *bufio.Scanner, progress func(Tidings)) (last Tidings, err error) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var t Tidings
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return last, fmt.Errorf("the hunter says %.100q: %w", lines.Text(), err)
		}
		last = t
		progress(t)
	}
	return last, lines.Err()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const tailBytes = 4000

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(b)
	if extra := t.b.Len() - tailBytes; extra > 0 {
		t.b.Next(extra)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.b.String())
}
