package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/sim"
	"github.com/ordeal-dev/ordeal/store"
)

// swarm is the text of --faults that has the simulator draw cluster, clients and faults from the seed. "swarm:kill=900" changes how
// likely kinds of trouble are (sim.ParseWeights).
const swarm = "swarm"

// runSimulated makes a run on the simulated cluster.
func (f *runFlags) runSimulated(ctx context.Context, stdout, stderr io.Writer, flags *pflag.FlagSet) error {
	plan, specs, err := f.plan(ctx, flags.Changed)
	if err != nil {
		return err
	}
	show := newProgress(stderr, f.quiet || f.json)
	show.Phase(fmt.Sprintf("simulating %s for %v", nodesInWords(plan.Nodes), plan.Duration.Round(time.Millisecond)))
	t := store.Test{Name: f.name, Command: f.command(), Faults: specs, Versions: map[string]string{"ordeal": version, "go": runtime.Version()}}
	if t.Name == "" {
		t.Name = f.workload
	}
	began := harness.ProcessorTime()
	kept, err := sim.Keep(ctx, simulated(plan), f.out, t)
	used := harness.ProcessorTime() - began
	show.end()
	switch {
	case kept == nil:
		return badArgument("--out %s: %w; name a folder that can be written", f.out, err)
	case err != nil && ctx.Err() != nil:
		return failure{exitUnknown, fmt.Errorf("interrupted: %w\n  what there is of the run: %s", err, kept.Run.Folder)}
	case err != nil:
		return failure{exitFailed, fmt.Errorf("%w\n  what there is of the run: %s", err, kept.Run.Folder)}
	}
	r := &kept.Result
	show.note("simulated %v in %v of processor time (the run's folder and its page included), %d events, hash %016x", r.Simulated.Round(time.Millisecond),
		used.Round(time.Millisecond), r.Events, r.Hash)
	if err := f.print(stdout, &kept.Outcome); err != nil {
		return failure{exitFailed, fmt.Errorf("printing the verdict: %w", err)}
	}
	return verdictReached{kept.Verdict.Verdict}
}

// simulatedCheck bounds the check of a simulated run's history, in real time: many times what the hardest take, so that the verdict
// does not hang on what else the machine does.
const simulatedCheck = time.Minute

// simulated are the options of a run of the plan whose verdict is told.
func simulated(plan sim.Plan) sim.Options {
	return sim.Options{Plan: plan, CheckTimeout: simulatedCheck}
}

// plan is what the flags ask to be simulated, and the faults in words.
func (f *runFlags) plan(ctx context.Context, changed func(flag string) bool) (sim.Plan, []string, error) {
	for _, flag := range []string{"mutant", "node-binary", "agent-binary", "compose-file", "links"} {
		if changed(flag) {
			return sim.Plan{}, nil, badArgument("--%s is not for --cluster sim, whose nodes are in this program; for a seeded bug: ordeal mutants run --cluster sim", flag)
		}
	}
	drawn := campaign.Drawn(f.faults)
	switch {
	case f.nodes == 0 && !drawn:
		return sim.Plan{}, nil, badArgument("--nodes 0 has their number drawn from the seed, as --faults %s has the rest: with --faults %s want 1 to %d", swarm, f.faults, sim.MaxNodes)
	case f.nodes < 0 || f.nodes > sim.MaxNodes:
		return sim.Plan{}, nil, badArgument("--nodes %d: want 1 to %d, or with --faults %s 0 to have them drawn", f.nodes, sim.MaxNodes, swarm)
	}
	if drawn {
		if err := checkDrawnNodes(f.nodes); err != nil {
			return sim.Plan{}, nil, err
		}
		return f.drawnPlan(changed)
	}
	return f.namedPlan(ctx)
}

// fewestDrawn is how many nodes a drawn run has at least: one alone has nobody to be parted from.
const fewestDrawn = 2

// checkDrawnNodes holds the number of nodes of a drawn run, where 0 has it drawn too, against what can be drawn, before anything is.
func checkDrawnNodes(n int) error {
	if n == 0 || n >= fewestDrawn && n <= sim.MaxNodes {
		return nil
	}
	return badArgument("--nodes %d: a run that is drawn from its seed has %d to %d nodes, or 0 to have their number drawn; for one node name the faults, as in --faults kill",
		n, fewestDrawn, sim.MaxNodes)
}

// nodesInWords is so many nodes.
func nodesInWords(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// setNodes sets the plan's nodes up as the node flags say, of which the simulator knows those that do not concern sockets and files.
func (f *runFlags) setNodes(n *sim.NodePlan) error {
	flags := pflag.NewFlagSet("--node-flag", pflag.ContinueOnError)
	flags.DurationVar(&n.Heartbeat, "heartbeat", n.Heartbeat, "")
	flags.DurationVar(&n.ElectionTimeout, "election-timeout", n.ElectionTimeout, "")
	flags.BoolVar(&n.PreVote, "pre-vote", n.PreVote, "")
	flags.BoolVar(&n.CheckQuorum, "check-quorum", n.CheckQuorum, "")
	flags.Float64Var(&n.ClockDrift, "clock-drift", n.ClockDrift, "")
	flags.Uint64Var(&n.SnapshotEntries, "snapshot-entries", n.SnapshotEntries, "")
	for _, text := range f.nodeFlags {
		name, _, _ := strings.Cut(strings.TrimLeft(text, "-"), "=")
		if flags.Lookup(name) == nil {
			var known []string
			flags.VisitAll(func(flag *pflag.Flag) { known = append(known, "--"+flag.Name) })
			return badArgument("--node-flag %s: simulated nodes take %s", text, strings.Join(known, ", "))
		}
	}
	if err := flags.Parse(f.nodeFlags); err != nil {
		return badArgument("--node-flag: %w", err)
	}
	if flags.NArg() > 0 {
		return badArgument("--node-flag %q: want a flag of ordeal-node, such as --election-timeout=500ms", flags.Arg(0))
	}
	return nil
}

// drawnPlan is drawn from the seed, but for what the flags say.
func (f *runFlags) drawnPlan(changed func(flag string) bool) (sim.Plan, []string, error) {
	weights, err := sim.ParseWeights(strings.TrimPrefix(strings.TrimPrefix(f.faults, swarm), ":"))
	if err != nil {
		return sim.Plan{}, nil, badArgument("--faults %s: %w", f.faults, err)
	}
	s := sim.Swarm{Workload: f.workload, Nodes: f.nodes, Weights: weights}
	if changed("time") {
		s.Duration = f.duration
	}
	plan := s.Draw(f.seed)
	if changed("clients") {
		plan.Workers = f.clients
	}
	if changed("rate") {
		plan.Rate, plan.Operations = f.rate, 0
	}
	if changed("timeout") {
		plan.Timeout = f.timeout
	}
	if err := f.setNodes(&plan.Node); err != nil {
		return plan, nil, err
	}
	if err := plan.Check(); err != nil {
		return plan, nil, badArgument("%w", err)
	}
	return plan, []string{f.faults}, nil
}

// namedPlan has the nemesis inject the faults that are named, as on other clusters.
func (f *runFlags) namedPlan(ctx context.Context) (sim.Plan, []string, error) {
	test, err := f.test()
	if err != nil {
		return sim.Plan{}, nil, err
	}
	plan := sim.Usual(f.seed, f.workload, f.nodes)
	plan.Workers, plan.Rate, plan.Duration, plan.Timeout = f.clients, f.rate, f.duration, f.timeout
	if err := f.setNodes(&plan.Node); err != nil {
		return plan, nil, err
	}
	if err := plan.Check(); err != nil {
		return plan, nil, badArgument("%w", err)
	}
	if len(test.Faults) == 0 {
		return plan, nil, nil
	}
	specs, _, err := nemesis.Expand(ctx, test.Faults, f.nodes, nil, sim.Abilities())
	if unable := new(nemesis.UnableError); errors.As(err, &unable) {
		return plan, nil, badArgument("--faults %s: %s: %w", f.faults, unable.Spec, unable.Why)
	}
	if err != nil {
		return plan, nil, badArgument("--faults %s: %w", f.faults, err)
	}
	if f.planned != nil {
		plan.Schedule, plan.Asked = f.planned, harness.Owed(test.Faults, specs)
		return plan, harness.SpecNames(test.Faults), nil
	}
	var schedule nemesis.Schedule
	if f.planned != nil {
		schedule = *f.planned
	} else if schedule, err = nemesis.NewSchedule(specs, nodeNames(f.nodes), f.seed, f.duration); err != nil {
		return plan, nil, badArgument("--faults %s with --nodes %d: %w", f.faults, f.nodes, err)
	}
	plan.Schedule, plan.Asked = &schedule, harness.Owed(test.Faults, specs)
	return plan, harness.SpecNames(test.Faults), nil
}
