package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/mutants"
	"github.com/ordeal-dev/ordeal/mutants/hunt"
)

// huntFlags are those of `ordeal mutants run --cluster sim`.
type huntFlags struct {
	cpu          time.Duration
	repeat       int
	parallel     int
	shrink       time.Duration
	noInvariants bool
}

func (h *huntFlags) register(flags *pflag.FlagSet) {
	flags.DurationVar(&h.cpu, "cpu", 2*time.Minute, "with --cluster sim: processor time after which a bug counts as missed")
	flags.IntVar(&h.repeat, "repeat", 1, "with --cluster sim: hunts for each bug, from other seeds each; the table gives medians")
	flags.IntVar(&h.parallel, "parallel", 1, "hunts, or runs, side by side")
	flags.DurationVar(&h.shrink, "shrink", 0, "with --cluster sim: make what was found small for so long at most, and tell to how many events; 0: do not")
	flags.BoolVar(&h.noInvariants, "no-invariants", false, "with --cluster sim: switch the internal invariants off, so that history and liveness alone must find the bug")
}

// simFlags are the flags of `ordeal mutants run` that --cluster sim heeds.
var simFlags = []string{"cluster", "seed", "quiet", "json", "cpu", "repeat", "parallel", "shrink", "no-invariants"}

// run hunts for the named mutants, or for all.
func (h *huntFlags) run(ctx context.Context, f *runFlags, names []string, flags *pflag.FlagSet, stdout, stderr io.Writer) error {
	if err := h.check(flags); err != nil {
		return err
	}
	all, err := chosenMutants(names)
	if err != nil {
		return badArgument("%w", err)
	}
	root, err := mutants.ModuleRoot()
	if err != nil {
		return badArgument("%w", err)
	}
	if !flags.Changed("seed") {
		f.seed = 1
	}
	show := newProgress(stderr, f.quiet || f.json)
	if err := sweep(ctx, show); err != nil {
		show.warn("warning: clearing up after earlier runs: %v", err)
	}
	w := &huntWatch{progress: show, of: h.hunts(all), tidings: map[string]hunt.Tidings{}}
	outcomes, err := hunt.Run(ctx, all, hunt.Options{Root: root, Seed: f.seed, CPU: h.cpu, Repeat: h.repeat, Parallel: h.parallel,
		Shrink: h.shrink, NoInvariants: h.noInvariants, Progress: w.tell, Finished: w.finished})
	show.end()
	if err := printHunts(stdout, outcomes, f.json); err != nil {
		return failure{exitFailed, err}
	}
	if err != nil {
		return failure{exitUnknown, fmt.Errorf("interrupted: %w", err)}
	}
	return huntFailure(outcomes)
}

func (h *huntFlags) check(flags *pflag.FlagSet) error {
	var err error
	flags.Visit(func(flag *pflag.Flag) {
		if err == nil && !slices.Contains(simFlags, flag.Name) {
			err = badArgument("--%s: a hunt with --cluster sim draws that from each seed; it takes --%s", flag.Name, strings.Join(simFlags, ", --"))
		}
	})
	switch {
	case err != nil:
		return err
	case h.cpu <= 0:
		return badArgument("--cpu %v: want a positive time, such as 60s", h.cpu)
	case h.shrink < 0:
		return badArgument("--shrink %v: want a time, such as 2m, or 0", h.shrink)
	case h.repeat < 1 || h.parallel < 1:
		return badArgument("--repeat %d, --parallel %d: want 1 or more", h.repeat, h.parallel)
	}
	return nil
}

func chosenMutants(names []string) ([]mutants.Mutant, error) {
	if len(names) == 0 {
		return mutants.List()
	}
	var all []mutants.Mutant
	for _, name := range names {
		m, err := mutants.Find(name)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// huntWatch shows how far the hunts are.
type huntWatch struct {
	*progress
	of int

	mu      sync.Mutex
	done    int
	tidings map[string]hunt.Tidings // of those under way
}

func (w *huntWatch) tell(m mutants.Mutant, t hunt.Tidings) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tidings[m.Name] = t
	var parts []string
	for name, t := range w.tidings {
		parts = append(parts, fmt.Sprintf("%s: %d seeds, %.0f s", name, t.Seeds, t.CPU))
	}
	slices.Sort(parts)
	w.line(fmt.Sprintf("%d of %d  %s", w.done, w.of, strings.Join(parts, "; ")))
}

// hunts is how many there will be: bugs that are told by the history too are hunted twice.
func (h *huntFlags) hunts(all []mutants.Mutant) int {
	n := len(all)
	for _, m := range all {
		if !h.noInvariants && hunt.HistoryToo(m) {
			n++
		}
	}
	return n
}

func (w *huntWatch) finished(o hunt.Outcome) {
	w.mu.Lock()
	delete(w.tidings, o.Mutant)
	w.done++
	w.mu.Unlock()
	w.note("%s", huntLine(o))
}

func huntLine(o hunt.Outcome) string {
	seeds, cpu := o.Median()
	name := o.Mutant
	if o.NoInvariants {
		name += " (no invariants)"
	}
	switch missed := o.Missed(); {
	case o.Error != "":
		return fmt.Sprintf("%s: %s", name, o.Error)
	case missed == len(o.Attempts):
		return fmt.Sprintf("%s: missed in %d seeds, %.1f s", name, seeds, cpu.Seconds())
	default:
		line := fmt.Sprintf("%s: found after %d seeds, %.1f s, by %s", name, seeds, cpu.Seconds(), strings.Join(o.By(), ", "))
		if f := o.Attempts[0].Found; f != nil && len(o.Attempts) == 1 && !o.NoInvariants {
			line += fmt.Sprintf("; to read it: ordeal shrink --mutant %s --seed %d --workload %s", o.Mutant, f.Seed, f.Workload)
		}
		return line
	}
}

// printHunts prints the table, or the outcomes as JSON.
func printHunts(w io.Writer, outcomes []hunt.Outcome, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(outcomes)
	}
	var shrunk []int
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROW\tMUTANT\tINVARIANTS\tFOUND\tSEEDS\tCPU\tEVENTS\tBY")
	for _, o := range outcomes {
		seeds, cpu := o.Median()
		invariants := "on"
		if o.NoInvariants {
			invariants = "off"
		}
		by := strings.Join(o.By(), ", ")
		if o.Error != "" {
			by, _, _ = strings.Cut(o.Error, "\n")
		}
		events := "-"
		if n := o.Events(); n > 0 {
			events = strconv.Itoa(n)
			shrunk = append(shrunk, n)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d of %d\t%d\t%.1f s\t%s\t%s\n", o.Row, o.Mutant, invariants, len(o.Attempts)-o.Missed(), len(o.Attempts), seeds, cpu.Seconds(), events, by)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return printMedians(w, outcomes, shrunk)
}

// printMedians sums up: how many hunts found their bug, and the middle of what that took and of what was left.
func printMedians(w io.Writer, outcomes []hunt.Outcome, shrunk []int) error {
	var took []time.Duration
	hunts, found := 0, 0
	for _, o := range outcomes {
		_, cpu := o.Median()
		took, hunts, found = append(took, cpu), hunts+len(o.Attempts), found+len(o.Attempts)-o.Missed()
	}
	if len(took) == 0 {
		return nil
	}
	slices.Sort(took)
	text := fmt.Sprintf("%d of %d hunts found their bug, median %.1f s of processor time, at most %.1f s", found, hunts, took[len(took)/2].Seconds(), took[len(took)-1].Seconds())
	if len(shrunk) > 0 {
		slices.Sort(shrunk)
		text += fmt.Sprintf("; shrunk to a median of %d events, at most %d", shrunk[len(shrunk)/2], shrunk[len(shrunk)-1])
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// huntFailure is the exit code: that of unknown where a bug was missed, of a failure where one could not be looked for.
func huntFailure(outcomes []hunt.Outcome) error {
	missed := 0
	for _, o := range outcomes {
		if o.Error != "" {
			return failure{exitFailed, fmt.Errorf("mutant %s: %s", o.Mutant, o.Error)}
		}
		missed += o.Missed()
	}
	if missed > 0 {
		return failure{exitUnknown, fmt.Errorf("%d hunts have found nothing: give them more with --cpu, or see what keeps the simulator from the bug", missed)}
	}
	return nil
}
