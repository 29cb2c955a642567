package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/sim"
	"github.com/ordeal-dev/ordeal/sim/shrink"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

// shrinkFlags are the flags of `ordeal shrink`.
type shrinkFlags struct {
	seed         uint64
	workload     string
	nodes        int
	noInvariants bool
	budget       time.Duration
	out          string
	mutant       string
	json, quiet  bool
}

func shrinkCommand() *cobra.Command {
	f := &shrinkFlags{}
	cmd := &cobra.Command{
		Use:   "shrink FILE|RUN|--seed S",
		Short: "Make a failure of the simulator small enough to read",
		Long: `shrink takes a failing simulated run (the file of an earlier shrink, the folder of a run, or a seed) and leaves out faults,
operations of clients, nodes, and whatever else it can, as long as the same violation shows. It prints what is left, and writes two files:
NAME.json, which ordeal replay runs again, and NAME.html, which draws it: nodes as lanes, messages as arrows.

Exit codes: 1 the run fails, as it should; 0 it does not fail, so that there is nothing to shrink; 2 the time was over, or the folder says
that its run failed and it does not.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == cmd.Flags().Changed("seed") {
				return badArgument("name the file of a failure, the folder of a run, or a seed with --seed")
			}
			if f.budget <= 0 {
				return badArgument("--budget %v: want a positive time, such as 2m", f.budget)
			}
			if err := f.needless(args, cmd.Flags()); err != nil {
				return err
			}
			if f.mutant != "" {
				return asMutant(cmd.Context(), f.mutant, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return f.run(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "shrink the run that is drawn from this seed, as hunts draw it (ordeal mutants run --cluster sim), and with --nodes 5 as ordeal torture --cluster sim does")
	cmd.Flags().StringVar(&f.workload, "workload", "register", "with --seed: what clients do: "+strings.Join(workloads.Names(), ", "))
	cmd.Flags().IntVar(&f.nodes, "nodes", 0, fmt.Sprintf("with --seed: number of nodes, %d to %d; drawn if not given", fewestDrawn, sim.MaxNodes))
	cmd.Flags().BoolVar(&f.noInvariants, "no-invariants", false, "with --seed or RUN: leave it to the history and to liveness to show the failure")
	cmd.Flags().DurationVar(&f.budget, "budget", 2*time.Minute, "how long to try")
	cmd.Flags().StringVar(&f.out, "out", "", "the file to write, NAME.json; NAME.html goes beside it. shrunk.json here if not given, in a run's folder for a RUN")
	cmd.Flags().StringVar(&f.mutant, "mutant", "", "nodes have this bug seeded (ordeal mutants list; needs a checkout and Go)")
	cmd.Flags().BoolVar(&f.json, "json", false, "the shrunk case as JSON on standard output")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "no progress, only what is left")
	return cmd
}

// needless refuses flags that what is shrunk says already.
func (f *shrinkFlags) needless(args []string, flags *pflag.FlagSet) error {
	if len(args) == 0 {
		return nil
	}
	names, what := []string{"workload", "nodes"}, "the plan in the run's folder"
	if isFile(args[0]) {
		names, what = append(names, "no-invariants"), "the file"
	}
	for _, name := range names {
		if flags.Changed(name) {
			return badArgument("--%s: %s says it already; leave one of the two out", name, what)
		}
	}
	return nil
}

func (f *shrinkFlags) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	begin := time.Now()
	within, cancel := context.WithTimeout(ctx, f.budget)
	c, r, err := f.load(within, args)
	cancel()
	switch {
	case err != nil && ctx.Err() != nil:
		return failure{exitUnknown, fmt.Errorf("interrupted: %w", err)}
	case err != nil && within.Err() == context.DeadlineExceeded:
		return failure{exitUnknown, fmt.Errorf("--budget %v: %w; give it more", f.budget, shrink.ErrBudget)}
	case err != nil:
		return err
	case c.Violation.None():
		return f.nothing(args, r, stdout)
	}
	show := newProgress(stderr, f.quiet || f.json)
	show.note("%s, with %d faults; looking for less", c.Violation, len(c.Faults))
	small, runs, err := shrink.Shrink(ctx, c, shrink.Options{Budget: max(f.budget-time.Since(begin), 1), Progress: func(events, runs int) {
		show.line(fmt.Sprintf("%d events after %d runs", events, runs))
	}})
	show.end()
	switch {
	case err != nil && ctx.Err() != nil:
		return failure{exitUnknown, fmt.Errorf("interrupted: %w", err)}
	case errors.Is(err, shrink.ErrBudget):
		return failure{exitUnknown, fmt.Errorf("--budget %v: %w; give it more", f.budget, err)}
	case err != nil:
		return failure{exitFailed, err}
	}
	show.note("%d events are left, after %d runs", small.Events(), runs)
	small.Version, small.Mutant = version, seeded()
	return f.write(ctx, small, stdout)
}

// nothing tells that a run shows no violation, and what then to think of a folder that says it does.
func (f *shrinkFlags) nothing(args []string, r sim.Result, stdout io.Writer) error {
	if len(args) == 1 && isFile(args[0]) {
		return badArgument("%s records no violation: there is nothing to shrink", args[0])
	}
	if f.json {
		if err := json.NewEncoder(stdout).Encode(map[string]any{"verdict": r.Verdict, "reason": r.Reason, "hash": shrink.HashText(r.Hash)}); err != nil {
			return failure{exitFailed, err}
		}
	} else {
		fmt.Fprintf(stdout, "%s: %s; there is nothing to shrink\n", r.Verdict, r.Reason)
	}
	if len(args) == 1 {
		if err := otherwise(args[0]); err != nil {
			return err
		}
	}
	if r.Verdict == checker.Unknown {
		return said{exitUnknown}
	}
	return nil
}

// otherwise tells of a folder that says that its run failed, which it does not here, and by which version it was made.
func otherwise(folder string) error {
	run, err := store.Open(folder)
	if err != nil {
		return nil
	}
	v, err := run.Verdict()
	if err != nil || v.Verdict != checker.Invalid {
		return nil
	}
	hint := "was it made on another version, with a bug seeded (--mutant), or with --no-invariants?"
	if test, err := run.Test(); err == nil && test.Versions["ordeal"] != version {
		made := test.Versions["ordeal"]
		if name, ok := strings.CutPrefix(made, mutantVersion); ok {
			hint = fmt.Sprintf("it was made with the bug %s seeded: ordeal shrink --mutant %s %s", printable(name), printable(name), folder)
		} else if made != "" {
			hint = fmt.Sprintf("it was made by version %q", made)
		}
	}
	return failure{exitUnknown, fmt.Errorf("%s says invalid (%s), and its plan does not show that on this program, of version %q: %s",
		folder, printable(v.Reason), version, hint)}
}

// load makes the case that is to be shrunk, and gives the run that shows it where one was made.
func (f *shrinkFlags) load(ctx context.Context, args []string) (c shrink.Case, r sim.Result, err error) {
	o := sim.Options{NoInvariants: f.noInvariants, CheckTimeout: simulatedCheck}
	switch {
	case len(args) == 0:
		if err := checkDrawnNodes(f.nodes); err != nil {
			return c, r, err
		}
		o.Plan = sim.Swarm{Workload: f.workload, Nodes: f.nodes}.Draw(f.seed)
		if err := o.Plan.Check(); err != nil {
			return c, r, badArgument("%w", err)
		}
	case isFile(args[0]):
		c, err = readCase(args[0])
		return c, r, err
	default:
		if o.Plan, err = planOf(args[0]); err != nil {
			return c, r, err
		}
		if f.out == "" {
			f.out = filepath.Join(args[0], store.ShrunkFile)
		}
	}
	if c, r, err = shrink.Record(ctx, o); err != nil {
		return c, r, failure{exitFailed, err}
	}
	return c, r, nil
}

// planOf reads the plan of a simulated run from its folder.
func planOf(folder string) (sim.Plan, error) {
	path := filepath.Join(folder, store.PlanFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return sim.Plan{}, badArgument("%w: want the folder of a run with --cluster sim, or a file that `ordeal shrink` wrote", err)
	}
	p, err := shrink.DecodePlan(path, b)
	if err != nil {
		return sim.Plan{}, badArgument("%w", err)
	}
	return p, nil
}

// write writes the case and its page, and prints what is left.
func (f *shrinkFlags) write(ctx context.Context, c shrink.Case, stdout io.Writer) error {
	out := f.out
	if out == "" {
		out = store.ShrunkFile
	}
	b, err := c.Encode()
	if err != nil {
		return failure{exitFailed, err}
	}
	if err := store.WriteAtomically(out, b); err != nil {
		return badArgument("--out %s: %w", out, err)
	}
	told, _, err := c.Tell(ctx)
	if err != nil {
		return failure{exitFailed, err}
	}
	page := strings.TrimSuffix(out, ".json") + ".html"
	if err := writePage(page, told.Sequence(out)); err != nil {
		return badArgument("--out %s: %w", out, err)
	}
	if run, err := store.Open(filepath.Dir(out)); err == nil && filepath.Base(out) == store.ShrunkFile {
		if err := report.Build(run.Folder); err != nil { // its page leads to the drawing
			return failure{exitFailed, err}
		}
	}
	if f.json {
		if err := json.NewEncoder(stdout).Encode(c); err != nil {
			return failure{exitFailed, err}
		}
		return said{exitInvalid}
	}
	if err := printCase(stdout, c, out, page); err != nil {
		return failure{exitFailed, err}
	}
	return said{exitInvalid}
}

func printCase(w io.Writer, c shrink.Case, file, page string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "violated: %s\n  %s\n\n", c.Violation, printable(c.Violation.Text))
	for i, step := range c.Steps {
		fmt.Fprintf(&b, "%3d  %s\n", i+1, printable(step))
	}
	fmt.Fprintf(&b, "\n%s, %s, hash %s\n  again: ordeal replay %s\n  page:  %s\n", nodesInWords(c.Plan.Nodes), c.Plan.Workload, c.Hash, file, page)
	_, err := io.WriteString(w, b.String())
	return err
}
