package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/bisect"
	"github.com/ordeal-dev/ordeal/campaign/stats"
	"github.com/ordeal-dev/ordeal/campaign/versions"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/mutants"
	"github.com/ordeal-dev/ordeal/scratch"
	"github.com/ordeal-dev/ordeal/store"
)

// bisectFlags are the flags of `ordeal bisect`.
type bisectFlags struct {
	runFlags
	options bisect.Options
	from    string
	ofRun   bool // the schedule is that of the run; fresh seeds draw others
}

func bisectCommand() *cobra.Command {
	f := &bisectFlags{options: bisect.Default}
	cmd := &cobra.Command{
		Use:   "bisect GOOD BAD",
		Short: "Find the commit that brought a failure in, also one that shows in some runs only",
		Long: `bisect halves the commits between GOOD and BAD, git references of this project, until it has the first that fails. Each commit is
built once and run as often as it takes: at first with the seed and the schedule of a failure that is known (--run FOLDER, --schedule, or --seed), since that often
fails again; if it does not, on fresh seeds. The chance that the commit it names is the wrong one is bounded by --error and printed.

The exit code is 0 where the commit was found, 2 where it was not: BAD does not fail, or commits in between could not be decided.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.takeDefinition(cmd.Flags()); err != nil {
				return err
			}
			return f.bisect(cmd.Context(), cmd.OutOrStdout(), newProgress(cmd.ErrOrStderr(), f.quiet || f.json), args[0], args[1], cmd.Flags().Changed("seed") || f.planned != nil)
		},
	}
	f.register(cmd.Flags())
	for _, name := range []string{"name", "out", "mutant", "node-binary"} {
		if err := cmd.Flags().MarkHidden(name); err != nil {
			panic(err) // the flag was just registered
		}
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "run", "", "folder of a run that failed: its definition and seed are taken, unless flags say otherwise")
	flags.Float64Var(&f.options.Error, "error", f.options.Error, "the chance of naming a wrong commit")
	flags.Float64Var(&f.options.GoodRate, "good-rate", f.options.GoodRate, "the rate at which good commits fail too")
	flags.IntVar(&f.options.Failures, "failures", f.options.Failures, "how often BAD has to fail before its rate counts as known")
	flags.IntVar(&f.options.Most, "most", f.options.Most, "how many runs of one commit are made at most")
	flags.IntVar(&f.options.Parallel, "parallel", f.options.Parallel, "runs at once")
	return cmd
}

// takeDefinition takes what is to be run from the schedule or the run that the flags name.
func (f *bisectFlags) takeDefinition(flags *pflag.FlagSet) error {
	if err := f.readSchedule(flags); err != nil {
		return err
	}
	drawn := f.from != "" && f.planned == nil && !flags.Changed("faults") && !flags.Changed("nodes") && !flags.Changed("time")
	if err := f.takeRun(flags); err != nil {
		return err
	}
	if !drawn || f.cluster == simCluster { // a simulated run is a function of its seed
		return nil
	}
	s, err := loadSchedule(f.from)
	if err != nil {
		return badArgument("--run: %w", err)
	}
	f.schedule, f.planned, f.ofRun = f.from, &s, true
	return nil
}

// takeRun takes the definition of a run that failed.
func (f *bisectFlags) takeRun(flags *pflag.FlagSet) error {
	if f.from == "" {
		return nil
	}
	r, err := store.Open(f.from)
	if err != nil {
		return badArgument("--run: %w", err)
	}
	t, err := r.Test()
	if err != nil {
		return badArgument("--run: %w", err)
	}
	for name, value := range map[string]string{"cluster": t.Cluster, "nodes": fmt.Sprint(len(t.Nodes)), "workload": t.Workload, "faults": faultsFlag(t.Faults),
		"clients": fmt.Sprint(t.Clients), "rate": fmt.Sprint(t.Rate), "time": t.Duration.String(), "seed": fmt.Sprint(t.Seed)} {
		if flags.Changed(name) || f.planned != nil && slices.Contains([]string{"nodes", "faults", "time", "seed"}, name) {
			continue
		}
		if err := flags.Set(name, value); err != nil {
			return badArgument("--run: %s: %s: %w", r.Path(store.TestFile), name, err)
		}
	}
	return nil
}

func faultsFlag(faults []string) string {
	if len(faults) == 0 {
		return "none"
	}
	return strings.Join(faults, ",")
}

// bisection is a search over commits.
type bisection struct {
	flags   *bisectFlags
	builder *versions.Builder
	git     versions.Repository
	commits []versions.Commit // the good one first
	show    *progress
	folder  string // for runs
	onSeed  bool   // each run is on the seed of the failure

	mu    sync.Mutex
	built map[int]builtCommit
}

type builtCommit struct {
	path string
	err  error
}

func (f *bisectFlags) bisect(ctx context.Context, stdout io.Writer, show *progress, good, bad string, seeded bool) error {
	if err := f.options.Check(); err != nil {
		return badArgument("%w", err)
	}
	if err := f.checkDefinition(ctx); err != nil {
		return err
	}
	root, err := mutants.ModuleRoot()
	if err != nil {
		return badArgument("commits are built from source: run this in a checkout of ordeal (%w)", err)
	}
	b := &bisection{flags: f, git: versions.Repository{Root: root}, show: show, built: map[int]builtCommit{}, onSeed: seeded || f.from != ""}
	if b.commits, err = commitsBetween(ctx, b.git, good, bad); err != nil {
		return badArgument("%w", err)
	}
	if f.cluster, err = f.clusterKind(ctx, show); err != nil {
		return err
	}
	if err := sweep(ctx, show); err != nil {
		show.warn("warning: clearing up after earlier runs: %v", err)
	}
	temporary, err := scratch.New("bisect")
	if err != nil {
		return failure{exitFailed, err}
	}
	defer temporary.Remove()
	b.folder = temporary.Path
	b.builder = f.builder(f.cluster, b.folder)
	b.builder.Note = func(text string) { show.note("%s", text) }
	show.note("%d commits between %s and %s", len(b.commits)-1, b.commits[0].Short(), b.commits[len(b.commits)-1].Short())
	result, err := b.search(ctx)
	show.end()
	return b.conclude(stdout, result, err)
}

// checkDefinition says what is wrong with the run that is to be bisected.
func (f *bisectFlags) checkDefinition(ctx context.Context) error {
	if f.cluster == simCluster {
		f.options.Exact = true // the same program and seed give the same run
		_, _, err := f.plan(ctx, nothingChanged)
		return err
	}
	_, err := f.test()
	return err
}

func commitsBetween(ctx context.Context, git versions.Repository, good, bad string) ([]versions.Commit, error) {
	from, err := git.Commit(ctx, good)
	if err != nil {
		return nil, err
	}
	to, err := git.Commit(ctx, bad)
	if err != nil {
		return nil, err
	}
	between, err := git.Between(ctx, from, to)
	return append([]versions.Commit{from}, between...), err
}

// search bisects on the seed of the failure, and, where that does not fail again, on fresh seeds.
func (b *bisection) search(ctx context.Context) (bisect.Result, error) {
	o := b.flags.options
	o.Report = b.report
	if o.Exact {
		if err := b.findSeed(ctx); err != nil {
			return bisect.Result{}, err
		}
		return bisect.Search(ctx, len(b.commits), b.trial, o)
	}
	if b.onSeed {
		once := o
		once.Most = min(o.Most, seedTries*o.Failures)
		result, err := bisect.Search(ctx, len(b.commits), b.trial, once)
		if !errors.Is(err, bisect.ErrDoesNotFail) {
			return result, err
		}
		b.show.note("seed %d alone does not bring it back often enough: on with fresh seeds", b.flags.seed)
		b.onSeed = false
		if b.flags.ofRun {
			b.flags.schedule, b.flags.planned = "", nil
		}
	}
	return bisect.Search(ctx, len(b.commits), b.trial, o)
}

// findSeed looks for a seed that the bad end fails on, where none is given: simulated runs need no other.
func (b *bisection) findSeed(ctx context.Context) error {
	last := len(b.commits) - 1
	for attempt := 0; !b.onSeed; attempt++ {
		if attempt == b.flags.options.Most {
			return fmt.Errorf("%w: %d seeds were tried; try more with --most, or harder faults", bisect.ErrDoesNotFail, attempt)
		}
		switch outcome, err := b.trial(ctx, last, attempt); {
		case err != nil:
			return err
		case outcome == bisect.Failed:
			b.flags.seed += uint64(attempt)
			b.onSeed = true
			b.show.note("%s fails with seed %d", b.commits[last].Short(), b.flags.seed)
		case outcome == bisect.Untestable: // on any seed
			return bisect.ErrCannotRun
		}
	}
	return nil
}

// seedTries is how many runs for each failure that is wanted a seed is given.
const seedTries = 5

// trial runs a commit once.
func (b *bisection) trial(ctx context.Context, version, attempt int) (bisect.Outcome, error) {
	built := b.build(ctx, version)
	switch {
	case errors.Is(built.err, versions.ErrNoBuild):
		b.show.note("%v", built.err)
		return bisect.Untestable, nil
	case built.err != nil:
		return 0, built.err
	}
	flags := b.flags.runFlags
	if !b.onSeed {
		flags.seed += uint64(attempt)
	}
	flags.out, flags.name = filepath.Join(b.folder, fmt.Sprintf("%d-%d", version, attempt)), flags.workload
	defer os.RemoveAll(flags.out)
	c := b.commits[version]
	run, err := flags.runOn(ctx, versions.Built{Version: campaign.Version{Name: c.Short(), Commit: c.Hash}, Path: built.path, Source: built.path}, attempt)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil:
		b.show.note("%s: the harness failed: %v", c.Short(), err)
		return bisect.Unknown, nil
	case run.Verdict == checker.Invalid:
		return bisect.Failed, nil
	case run.Verdict == checker.Valid:
		return bisect.Passed, nil
	}
	return bisect.Unknown, nil
}

// build builds each commit once, whichever run asks first.
func (b *bisection) build(ctx context.Context, version int) builtCommit {
	b.mu.Lock()
	defer b.mu.Unlock()
	built, known := b.built[version]
	if !known {
		built.path, built.err = b.builder.BuildCommit(ctx, b.git, b.commits[version])
		b.built[version] = built
	}
	return built
}

func (b *bisection) report(s bisect.Step) {
	c := b.commits[s.Version]
	word := map[stats.Decision]string{stats.Good: "good", stats.Bad: "bad", stats.Undecided: "passed over: " + s.Why}[s.Decision]
	b.show.note("%s %s  %s (%d of %d runs failed)", c.Short(), c.Subject, word, s.Failures, s.Runs)
}

// bisectReport is what --json prints.
type bisectReport struct {
	bisect.Result
	Commits []versions.Commit `json:"first_bad"` // one, or those that it may be
}

func (b *bisection) conclude(stdout io.Writer, r bisect.Result, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return failure{exitUnknown, errors.New("interrupted; what was built is kept, so that the next bisection is faster")}
	case err != nil && (r.Runs > 0 || errors.Is(err, bisect.ErrDoesNotFail) || errors.Is(err, bisect.ErrCannotRun)):
		return failure{exitUnknown, err}
	case err != nil:
		return failure{exitFailed, err}
	}
	suspects := b.commits[r.First : r.Last+1]
	if b.flags.json {
		err = json.NewEncoder(stdout).Encode(bisectReport{r, suspects})
	} else {
		_, err = io.WriteString(stdout, harmless(bisectText(r, suspects)))
	}
	if err != nil {
		return failure{exitFailed, fmt.Errorf("printing what was found: %w", err)}
	}
	if len(suspects) > 1 {
		return verdictReached{checker.Unknown}
	}
	return nil
}

func bisectText(r bisect.Result, suspects []versions.Commit) string {
	var text strings.Builder
	if len(suspects) == 1 {
		c := suspects[0]
		fmt.Fprintf(&text, "first bad commit: %s  %s  %s\n", c.Hash, c.Time.Format("2006-01-02"), c.Subject)
	} else {
		fmt.Fprintln(&text, "the failure came with one of these; those before the last could not be decided:")
		for _, c := range suspects {
			fmt.Fprintf(&text, "  %s  %s  %s\n", c.Hash, c.Time.Format("2006-01-02"), c.Subject)
		}
	}
	if r.Exact {
		fmt.Fprintf(&text, "%d runs, each exact: the same version and seed give the same run\n", r.Runs)
		return text.String()
	}
	fmt.Fprintf(&text, "%d runs; the chance that this is wrong is at most %g %%, if bad commits fail in %.2g %% of runs or more, as BAD does, and good ones in no more than asked for\n",
		r.Runs, 100*r.Error, 100*r.Rate)
	return text.String()
}
