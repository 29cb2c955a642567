package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/compare"
	"github.com/ordeal-dev/ordeal/campaign/versions"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/store"
)

// tortureFlags are the flags of `ordeal torture`: those of a run, those that make a matrix of it, and those of how it is carried out.
type tortureFlags struct {
	runFlags

	versions  []string
	workloads []string
	mixtures  []string
	runs      int
	shard     string
	resume    string

	total       time.Duration
	parallel    int
	stopAtFirst bool
	keepGoing   bool
	keep        []string
	maxDisk     byteCount
	reproduce   int
	steer       bool

	stop campaign.Stop // of commands that are campaigns of their own kind
}

// ownFlags are those of a run that a matrix has in a way of its own.
var ownFlags = []string{"workload", "faults", "seed", "name", "mutant"}

// planFlags are those that are part of a campaign's plan, which does not change.
var planFlags = []string{"cluster", "nodes", "workload", "faults", "clients", "rate", "time", "timeout", "seed", "versions", "shard", "name", "out", "node-flag", "schedule"}

func (f *tortureFlags) register(flags *pflag.FlagSet) {
	run := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.runFlags.register(run)
	run.VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains(ownFlags, flag.Name) {
			flags.AddFlag(flag)
		}
	})
	flags.StringSliceVar(&f.versions, "versions", []string{versions.Current}, "what is run: "+versions.Help)
	flags.StringSliceVar(&f.workloads, "workload", []string{"register"}, "what clients do; several are run each")
	flags.StringArrayVar(&f.mixtures, "faults", []string{"kill,partition"}, "a mixture of faults, as ordeal run takes it (on sim: swarm, if not given); repeat the flag for several, which are run each")
	flags.Uint64Var(&f.seed, "seed", 0, "of the first run of each cell; the next has the next one; drawn if not given")
	flags.StringVar(&f.name, "name", "torture", "name of the campaign's folder below --out")
	flags.IntVar(&f.runs, "runs", 0, "how many runs of each cell (version x workload x mixture)")
	flags.StringVar(&f.shard, "shard", "", "do a part of the campaign: 3/16 is the third of 16; needs --seed, the same for all (ordeal merge)")
	flags.StringVar(&f.resume, "resume", "", "go on with the campaign in this folder, which was interrupted or killed; more --runs extend it")
	f.registerSession(flags)
}

// registerSession registers the flags of how a campaign is carried out.
func (f *tortureFlags) registerSession(flags *pflag.FlagSet) {
	flags.DurationVar(&f.total, "for", 0, "how long to begin new runs")
	flags.IntVar(&f.parallel, "parallel", 0, "runs at once; 1 if not given, on sim as many as there are cores")
	flags.BoolVar(&f.stopAtFirst, "stop-at-first", false, "end at the first violation")
	flags.BoolVar(&f.keepGoing, "keep-going", false, "go on after violations (the default)")
	flags.StringSliceVar(&f.keep, "keep", []string{"invalid", "unknown"}, "whose folders are kept: invalid, unknown, or none")
	f.maxDisk = 4 << 30
	flags.Var(&f.maxDisk, "max-disk", "what kept folders may take; those missed least go first")
	flags.BoolVar(&f.steer, "steer", false, "with --cluster sim --faults swarm: what was reached so far changes what is drawn next, towards what is rare")
	flags.IntVar(&f.reproduce, "reproduce", 5, "how often a run with a violation is repeated, with its seed and schedule")
}

func tortureCommand() *cobra.Command {
	f := &tortureFlags{}
	cmd := &cobra.Command{
		Use:   "torture",
		Short: "Run many tests: versions x workloads x mixtures of faults x seeds",
		Long: `torture runs every cell of a matrix (a version, a workload, a mixture of faults) on one seed after the other, for a time
(--for) or a number of runs (--runs), and keeps a line of each in results/<name>/<time>/runs.jsonl, with the whole folder of those that
failed. A campaign that was interrupted or killed goes on with --resume; no run is lost and none counts twice.

Versions: ` + versions.Help + `.
The exit code is 1 if any run was invalid, else 255 if the harness failed in any, else 2 if any was unknown or the campaign was
interrupted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.torture(cmd.Context(), cmd.Flags(), cmd.ErrOrStderr())
			if c == nil {
				return err
			}
			return f.conclude(cmd.Context(), cmd.OutOrStdout(), c, err)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

// torture carries the campaign out and gives it closed; nil where none came to be.
func (f *tortureFlags) torture(ctx context.Context, flags *pflag.FlagSet, stderr io.Writer) (*campaign.Campaign, error) {
	show := newTortureProgress(stderr, f.quiet || f.json)
	if f.resume != "" {
		if err := f.takePlan(flags); err != nil {
			return nil, err
		}
	} else if err := f.readSchedule(flags); err != nil {
		return nil, err
	} else if err := f.check(ctx, flags); err != nil {
		return nil, err
	}
	options, err := f.options()
	if err != nil {
		return nil, err
	}
	options.Progress = show.runs
	if err := sweep(ctx, show.progress); err != nil {
		show.warn("warning: clearing up after earlier runs: %v", err)
	}
	runner, err := f.runner(ctx, show)
	if err != nil {
		return nil, err
	}
	defer runner.close()
	c, err := f.open(runner)
	if err != nil {
		return nil, err
	}
	show.note("the campaign is in %s", c.Folder)
	show.began(c)
	defer context.AfterFunc(ctx, func() {
		show.warn("interrupted: runs under way are taken down and do not count; go on with: ordeal torture --resume %s", c.Folder)
	})()
	if options.Parallel == 0 {
		options.Parallel = runner.usualParallel()
	}
	before, used := len(c.Runs), harness.ProcessorTime()
	err = campaign.Carry(ctx, c, runner, options)
	show.end()
	if text := simulatedPace(c.Runs[before:], harness.ProcessorTime()-used); text != "" {
		show.note("%s", text)
	}
	return c, errors.Join(err, c.Close())
}

// mostParallel bounds runs at once: each has a cluster of its own.
const mostParallel = 1000

// options are how the flags want a campaign to be carried out.
func (f *tortureFlags) options() (campaign.Options, error) {
	o := campaign.Options{Parallel: f.parallel, For: f.total, Stop: f.stop, Reproduce: f.reproduce, MaxDisk: int64(f.maxDisk)}
	switch {
	case f.total < 0:
		return o, badArgument("--for %v: want a time", f.total)
	case f.parallel < 0 || f.parallel > mostParallel:
		return o, badArgument("--parallel %d: want 1 to %d", f.parallel, mostParallel)
	case f.reproduce < 0 || f.reproduce > 1000:
		return o, badArgument("--reproduce %d: want 0 to 1000", f.reproduce)
	case f.stopAtFirst && f.keepGoing:
		return o, badArgument("--stop-at-first and --keep-going exclude each other")
	case f.stopAtFirst:
		o.Stop = campaign.StopAtFirst
	}
	for _, what := range f.keep {
		switch what {
		case "invalid":
			o.KeepInvalid = true
		case "unknown":
			o.KeepUnknown = true
		case "none":
		default:
			return o, badArgument("--keep %s: want invalid, unknown or none", what)
		}
	}
	return o, nil
}

// check says what is wrong with the plan that the flags ask for, before anything is built.
func (f *tortureFlags) check(ctx context.Context, flags *pflag.FlagSet) error {
	switch {
	case f.runs < 0:
		return badArgument("--runs %d: want a number of runs", f.runs)
	case f.runs == 0 && f.total == 0:
		return badArgument("say how much is to be run: --runs N of each cell, or --for D")
	case f.shard != "" && !flags.Changed("seed") && f.planned == nil:
		return badArgument("--shard %s: give --seed too, the same for all shards: their seeds have to fit together", f.shard)
	case f.steer && (f.runFlags.cluster != simCluster || !slices.Equal(f.versions, []string{versions.Current})):
		return badArgument("--steer goes with --cluster sim and the version %s: what the runs reach is known there alone", versions.Current)
	case len(f.versions) == 0 || len(f.workloads) == 0 || len(f.mixtures) == 0:
		return badArgument("--versions, --workload and --faults need one at least")
	}
	if err := f.tooManyRuns(len(f.versions) * len(f.workloads) * len(f.mixtures)); err != nil {
		return err
	}
	if !flags.Changed("seed") && f.planned == nil {
		f.seed = rand.Uint64N(1 << 32)
	}
	if err := f.tooFewSeeds(len(f.versions) * len(f.workloads) * len(f.mixtures)); err != nil {
		return err
	}
	if f.runFlags.cluster == simCluster {
		return f.checkSimulated(ctx, flags)
	}
	for _, workload := range f.workloads {
		for _, mixture := range f.mixtures {
			run := f.of(workload, mixture, f.seed)
			if _, err := run.test(); err != nil {
				return err
			}
		}
	}
	return nil
}

// tooManyRuns says that so many runs of each cell are more than a campaign has.
func (f *tortureFlags) tooManyRuns(cells int) error {
	if most := campaign.MostRuns / max(1, cells); f.runs > most {
		return badArgument("--runs %d: want %d of each of %d cells at most", f.runs, most, cells)
	}
	return nil
}

// tooFewSeeds says that the seeds from the first on do not suffice for the runs of each cell: a seed is never taken twice.
func (f *tortureFlags) tooFewSeeds(cells int) error {
	runs := f.runs
	if runs == 0 {
		runs = campaign.MostRuns / max(1, cells) // as many as come to be within --for
	}
	if highest := math.MaxUint64 - uint64(max(runs, 1)-1); f.seed > highest {
		return badArgument("--seed %d: %d runs of each cell, each with the next seed, want %d at most", f.seed, runs, highest)
	}
	return nil
}

// readSchedule has all runs do what the schedule says that the flags name, if they name one.
func (f *tortureFlags) readSchedule(flags *pflag.FlagSet) error {
	if err := f.runFlags.readSchedule(flags); err != nil || f.planned == nil {
		return err
	}
	f.mixtures = []string{f.runFlags.faults}
	return nil
}

// of are the flags of one run.
func (f *tortureFlags) of(workload, faults string, seed uint64) runFlags {
	run := f.runFlags
	run.workload, run.faults, run.seed, run.name = workload, faults, seed, workload
	return run
}

// plan is what the flags ask for; versions and cluster are the runner's.
func (f *tortureFlags) plan(r *runner) (campaign.Plan, error) {
	p := campaign.Plan{Started: time.Now().UTC(), Cluster: r.cluster, Versions: r.versions(), Workloads: f.workloads, Faults: f.mixtures,
		Nodes: f.nodes, Clients: f.clients, Rate: f.rate, Duration: f.duration, Timeout: f.timeout, NodeFlags: f.nodeFlags, Seed: f.seed, Runs: f.runs,
		Machine: map[string]string{"os": runtime.GOOS + "/" + runtime.GOARCH, "cores": fmt.Sprint(runtime.NumCPU()), "ordeal": version}}
	if f.shard != "" {
		var err error
		if p.Shard, err = campaign.ParseShard(f.shard); err != nil {
			return p, badArgument("--shard %w", err)
		}
	}
	if f.planned != nil {
		var err error
		if p.Schedule, err = json.Marshal(f.planned); err != nil {
			return p, failure{exitFailed, fmt.Errorf("writing the schedule into the plan: %w", err)}
		}
	}
	p.Command = f.command(p)
	return p, nil
}

// command is the command line that does the campaign again.
func (f *tortureFlags) command(p campaign.Plan) []string {
	c := []string{"ordeal", "torture", "--cluster", p.Cluster, "--versions", strings.Join(f.versions, ","), "--workload", strings.Join(f.workloads, ",")}
	if f.planned != nil {
		c = append(c, "--schedule", f.schedule)
	} else {
		for _, mixture := range f.mixtures {
			c = append(c, "--faults", mixture)
		}
		c = append(c, "--nodes", fmt.Sprint(p.Nodes))
	}
	c = append(c, "--seed", fmt.Sprint(p.Seed))
	if !slices.ContainsFunc(p.Faults, campaign.Drawn) {
		c = append(c, p.Shape()...)
	}
	for _, flag := range f.nodeFlags {
		c = append(c, "--node-flag="+flag)
	}
	if p.Runs > 0 {
		c = append(c, "--runs", fmt.Sprint(p.Runs))
	}
	if f.total > 0 {
		c = append(c, "--for", f.total.String())
	}
	if f.shard != "" {
		c = append(c, "--shard", f.shard)
	}
	return c
}

// open begins the campaign, or goes on with one.
func (f *tortureFlags) open(r *runner) (*campaign.Campaign, error) {
	if f.resume == "" {
		plan, err := f.plan(r)
		if err != nil {
			return nil, err
		}
		folder := filepath.Join(f.out, f.name, plan.Started.Format(store.TimeLayout))
		c, err := campaign.Create(folder, plan)
		if err != nil {
			return nil, badArgument("%w", err)
		}
		if err := store.PointLatest(filepath.Join(f.out, f.name), filepath.Base(folder)); err != nil {
			return nil, failure{exitFailed, errors.Join(err, c.Close())}
		}
		return c, nil
	}
	c, err := campaign.Resume(f.resume)
	if err != nil {
		return nil, badArgument("--resume: %w", err)
	}
	for i, v := range r.versions() {
		if was := c.Plan.Versions[i]; was.Digest != v.Digest {
			return nil, badArgument("--resume %s: the version %s is not the one that it began with (SHA-256 %.12s, now %.12s); build that one again, or begin a new campaign: %w",
				f.resume, v.Name, was.Digest, v.Digest, errors.Join(c.Close()))
		}
	}
	if f.runs != c.Plan.Runs {
		if err := c.Extend(f.runs); err != nil {
			return nil, failure{exitFailed, errors.Join(err, c.Close())}
		}
	}
	return c, nil
}

// takePlan takes the flags of a campaign that is gone on with from its plan.
func (f *tortureFlags) takePlan(flags *pflag.FlagSet) error {
	for _, name := range planFlags {
		if flags.Changed(name) {
			return badArgument("--resume goes on with the plan that the campaign has: leave --%s out", name)
		}
	}
	c, err := campaign.Open(f.resume)
	if err != nil {
		return badArgument("--resume: %w", err)
	}
	p := &c.Plan
	f.versions = nil
	for _, v := range p.Versions {
		name := v.Name
		if v.Commit != "" {
			name = v.Commit // what HEAD is changes
		}
		f.versions = append(f.versions, name)
	}
	if !flags.Changed("runs") {
		f.runs = p.Runs
	}
	if err := f.tooManyRuns(len(p.Cells())); err != nil {
		return err
	}
	if done := c.Rounds(); flags.Changed("runs") && f.runs > 0 && f.runs < done {
		return badArgument("--runs %d: --resume %s has made run %d of each cell already: give a greater number, or leave --runs out to finish what was planned", f.runs, f.resume, done)
	}
	if f.runs == 0 && f.total == 0 {
		return badArgument("--resume %s: say how much more is to be run: --runs N of each cell, or --for D", f.resume)
	}
	f.runFlags.cluster, f.workloads, f.mixtures, f.nodes, f.clients, f.rate = p.Cluster, p.Workloads, p.Faults, p.Nodes, p.Clients, p.Rate
	f.duration, f.timeout, f.nodeFlags, f.seed = p.Duration, p.Timeout, p.NodeFlags, p.Seed
	if flags.Changed("runs") {
		if err := f.tooFewSeeds(len(p.Cells())); err != nil {
			return fmt.Errorf("--resume %s: %w", f.resume, err)
		}
	}
	if p.Cluster == simCluster {
		f.repeatSimulated(flags)
	}
	if len(p.Schedule) > 0 {
		s, err := loadSchedule(f.resume)
		if err != nil {
			return badArgument("--resume: %s: schedule: %w", filepath.Join(f.resume, campaign.PlanFile), err)
		}
		f.schedule, f.planned = f.resume, &s
	}
	return nil
}

// conclude prints what came of the campaign, and gives its exit code.
func (f *tortureFlags) conclude(ctx context.Context, stdout io.Writer, c *campaign.Campaign, failed error) error {
	sides, err := compare.Of(c, "")
	if err != nil {
		return failure{exitFailed, err}
	}
	comparison, err := compare.Compare(sides, compare.Default)
	if err != nil {
		return failure{exitFailed, err}
	}
	if f.json {
		err = json.NewEncoder(stdout).Encode(map[string]any{"folder": c.Folder, "verdict": c.Verdict(), "comparison": comparison, "coverage": coverageOf(c)})
	} else if err = comparison.Text(stdout, false); err == nil {
		_, err = fmt.Fprintf(stdout, "%scampaign  %s\n", coverageSummary(coverageOf(c)), printable(c.Folder))
	}
	if err != nil {
		return failure{exitFailed, fmt.Errorf("printing what came of it: %w", err)}
	}
	return concluded(ctx, c, failed)
}

// concluded is the exit code of a campaign: invalid beats a harness that failed, which beats unknown. One that was interrupted is not known to be valid:
// what it was to run has not been run.
func concluded(ctx context.Context, c *campaign.Campaign, failed error) error {
	if c.Verdict() == checker.Invalid {
		return verdictReached{checker.Invalid}
	}
	if errors.Is(failed, campaign.ErrCannot) {
		return badArgument("%w", failed)
	}
	if failed != nil {
		return failure{exitFailed, fmt.Errorf("%w\n  what there is of the campaign: %s", failed, c.Folder)}
	}
	for _, r := range c.Runs {
		if r.Failed {
			return failure{exitFailed, fmt.Errorf("the harness failed in run %d: %s", r.Number, r.Reason)}
		}
	}
	if ctx.Err() != nil {
		return verdictReached{checker.Unknown}
	}
	return verdictReached{c.Verdict()}
}
