package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/felt"
	"github.com/ordeal-dev/ordeal/campaign/versions"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/harness/docker"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/scratch"
	"github.com/ordeal-dev/ordeal/sim"
	"github.com/ordeal-dev/ordeal/store"
)

// runner carries a campaign's runs out on clusters of one kind. It implements campaign.Runner.
type runner struct {
	flags   *tortureFlags
	cluster string // local or docker
	built   []versions.Built
	temp    *scratch.Folder // what was built for this campaign alone
	// steering is what runs of the simulator have learnt; nil: they learn nothing.
	steering *sim.Steering
}

// runner builds the versions that the flags name.
func (f *tortureFlags) runner(ctx context.Context, show *tortureProgress) (r *runner, err error) {
	r = &runner{flags: f}
	if r.cluster, err = f.clusterKind(ctx, show.progress); err != nil {
		return nil, err
	}
	if f.steer {
		r.steering = sim.NewSteering(sim.UsualWeights())
	}
	if r.temp, err = scratch.New("versions"); err != nil {
		return nil, failure{exitFailed, err}
	}
	b := f.builder(r.cluster, r.temp.Path)
	b.Note = func(text string) { show.note("%s", text) }
	for _, name := range f.versions {
		built, others, err := builtSystem(name)
		if !others {
			built, err = b.Build(ctx, name)
		}
		if err != nil {
			r.close()
			return nil, badArgument("--versions: %w", err)
		}
		r.built = append(r.built, built)
	}
	return r, nil
}

// clusterKind is the kind of cluster that the flags ask for; auto is decided once, for all runs.
func (f *runFlags) clusterKind(ctx context.Context, show *progress) (string, error) {
	switch f.cluster {
	case "local", simCluster:
		return f.cluster, nil
	case "docker":
		if err := docker.Available(ctx); err != nil {
			return "", badArgument("--cluster docker: %w; --cluster local needs no engine", err)
		}
		return "docker", nil
	case "auto":
		if why := f.whyLocal(ctx); why != nil {
			show.note("cluster: local processes, because %v", why)
			return "local", nil
		}
		show.note("cluster: docker (an engine answers)")
		return "docker", nil
	}
	return "", badArgument("--cluster %s: want auto, docker, local or sim", f.cluster)
}

// builder makes the programs that a kind of cluster runs.
func (f *runFlags) builder(cluster, temp string) *versions.Builder {
	b := &versions.Builder{Command: "./cmd/ordeal-node", Temp: temp, Current: f.nodeBinary}
	usual := "ordeal-node"
	switch cluster {
	case simCluster:
		b.Command, b.InProcess = "./cmd/ordeal", true
		if b.Current == "" {
			b.Current = self()
		}
	case "docker":
		b.GOOS, b.Extract = "linux", docker.ExtractNode
		usual = "image/ordeal-node"
	case "local":
		if runtime.GOOS == "linux" { // what is in an image runs on this machine too
			b.Extract = docker.ExtractNode
		}
	}
	if b.Current == "" {
		b.Current = sibling(usual)
	}
	return b
}

func (r *runner) close() { r.temp.Remove() }

func (r *runner) versions() (all []campaign.Version) {
	for _, b := range r.built {
		all = append(all, b.Version)
	}
	return all
}

func (r *runner) usualParallel() int {
	if r.cluster == simCluster {
		return runtime.NumCPU()
	}
	return 1
}

// Run implements campaign.Runner.
func (r *runner) Run(ctx context.Context, job campaign.Job) (campaign.Run, error) {
	flags := r.flags.of(job.Cell.Workload, job.Cell.Faults, job.Seed)
	flags.cluster, flags.out = r.cluster, job.Folder
	if r.cluster == simCluster && r.steering != nil {
		if flags.again = job.Repeats; flags.again == "" {
			flags.steering = r.steering
		}
	}
	if flags.planned == nil && r.cluster != simCluster && job.Repeats != "" {
		if s, err := loadSchedule(job.Repeats); err == nil { // else the seed draws it again
			flags.schedule, flags.planned = job.Repeats, &s
		}
	}
	return flags.runOn(ctx, r.built[job.VersionIndex], job.Number)
}

// runOn does the run that the flags ask for on nodes of a version, into a folder below --out; number is that of the run.
func (f runFlags) runOn(ctx context.Context, built versions.Built, number int) (campaign.Run, error) {
	switch {
	case f.cluster == simCluster && built.Name == versions.Current:
		return f.simulate(ctx, number)
	case f.cluster == simCluster:
		return f.simulateOther(ctx, built)
	}
	f.mutant, f.nodeBinary, f.system = built.Mutant, built.Source, built.System
	if err := f.findSystem(context.Background(), false); err != nil {
		return campaign.Run{}, err
	}
	if built.Mutant != "" {
		f.nodeBinary = "" // the command that repeats the run builds it again
	}
	test, err := f.test()
	if err != nil {
		return campaign.Run{}, err
	}
	test.OnlyFailures = true
	test.Versions = map[string]string{"ordeal": version, "go": runtime.Version(), "node": built.Name}
	f.mutant, f.nodeBinary = "", built.Path
	cluster, err := f.makeCluster(ctx, newProgress(os.Stderr, true))
	if err != nil {
		return campaign.Run{}, err
	}
	defer cluster.close()
	outcome, err := harness.Run(ctx, test, cluster.cluster)
	if errors.As(err, new(*nemesis.UnableError)) {
		return campaign.Run{}, fmt.Errorf("--faults %s: %w (%w; see `ordeal doctor`)", f.faults, err, campaign.ErrCannot)
	}
	if outcome == nil {
		return campaign.Run{}, err
	}
	found := runOf(outcome, test)
	if err != nil && found.Verdict == checker.Invalid {
		err = nil // what was seen was seen
	}
	return found, err
}

// runOf is what a campaign keeps of an outcome.
func runOf(o *harness.Outcome, test harness.Test) campaign.Run {
	r := runOfVerdict(o.Verdict)
	r.Folder = o.Run.Folder
	if o.History != nil {
		seen, err := o.Run.Observations()
		if err != nil {
			seen = nil // a measurement less; the verdict does not lean on it
		}
		r.Felt = felt.Measure(o.History, o.Verdict.Faults, seen, test.Duration)
	}
	return r
}

// runOfVerdict is what a campaign keeps of a verdict.
func runOfVerdict(v store.Verdict) campaign.Run {
	r := campaign.Run{Verdict: v.Verdict, Reason: v.Reason, Operations: v.Operations}
	for _, result := range v.Results {
		if v.Verdict != checker.Valid && result.Verdict == v.Verdict {
			r.Checkers = append(r.Checkers, result.Checker)
		}
	}
	for _, f := range v.Faults {
		if f.Took {
			r.Took++
		}
	}
	return r
}
