package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/harness"
)

// benchOnlineFlags are those of `ordeal bench online` beside the ones of `ordeal run`.
type benchOnlineFlags struct {
	runFlags
	rounds int
}

func benchOnlineCommand() *cobra.Command {
	f := &benchOnlineFlags{}
	cmd := &cobra.Command{
		Use:   "online",
		Short: "Measure what checking while a run goes on costs the load generator",
		Long: `online runs the same run with and without --check-while-running by turns, and prints what processor time the harness itself took
meanwhile, from the first operation to the last fault: its clients, the recorder, the watch over the nodes. The nodes are other programs
and do not count, nor does the check at the end.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.rounds < 1 {
				return badArgument("--rounds %d: want at least 1", f.rounds)
			}
			return f.bench(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd.Flags())
	for name, value := range map[string]string{"cluster": "local", "faults": "none", "name": "bench-online", "time": "15s"} {
		flag := cmd.Flags().Lookup(name)
		flag.DefValue = value
		_ = flag.Value.Set(value)
	}
	cmd.Flags().IntVar(&f.rounds, "rounds", 3, "runs of either kind")
	return cmd
}

// cpuWatch notes the processor time of this program at the beginning and the end of a run's main part.
type cpuWatch struct {
	*progress
	begun, ended time.Duration
	phases       int // since the main part began
}

// Phase implements harness.Progress: "running" begins the main part, and the phase after it ends it.
func (c *cpuWatch) Phase(text string) {
	switch {
	case text == harness.PhaseRunning:
		c.begun, c.phases = harness.ProcessorTime(), 0
	default:
		if c.phases++; c.phases == 1 {
			c.ended = harness.ProcessorTime()
		}
	}
	c.progress.Phase(text)
}

// onlineCost is what one run took.
type onlineCost struct {
	Checking   bool          `json:"checking"`
	Operations int           `json:"operations"`
	CPU        time.Duration `json:"cpu_ns"`
}

func (c onlineCost) each() float64 {
	return float64(c.CPU.Nanoseconds()) / float64(c.Operations) / 1000
}

func (f *benchOnlineFlags) bench(ctx context.Context, stdout, stderr io.Writer) error {
	show := newProgress(stderr, f.quiet || f.json)
	var costs []onlineCost
	for round := range 2 * f.rounds {
		cost, err := f.once(ctx, show, round%2 == 1)
		if err != nil {
			return err
		}
		costs = append(costs, cost)
	}
	if f.json {
		return json.NewEncoder(stdout).Encode(costs)
	}
	without, with := middleCost(costs, false), middleCost(costs, true)
	_, err := fmt.Fprintf(stdout, "| rate | operations | harness without, µs/op | with --check-while-running, µs/op | added |\n|---|---|---|---|---|\n| %.0f/s | %d | %.1f | %.1f | %+.1f %% |\n",
		float64(with.Operations)/f.duration.Seconds(), with.Operations, without.each(), with.each(), 100*(with.each()/without.each()-1))
	return err
}

// middleCost is the run of one kind whose cost is the median.
func middleCost(costs []onlineCost, checking bool) onlineCost {
	some := slices.DeleteFunc(slices.Clone(costs), func(c onlineCost) bool { return c.Checking != checking })
	slices.SortFunc(some, func(a, b onlineCost) int { return int(a.each() - b.each()) })
	return some[len(some)/2]
}

func (f *benchOnlineFlags) once(ctx context.Context, show *progress, checking bool) (cost onlineCost, err error) {
	f.online = checking
	test, err := f.test()
	if err != nil {
		return cost, err
	}
	cluster, err := f.makeCluster(ctx, show)
	if err != nil {
		return cost, err
	}
	defer cluster.close()
	watch := &cpuWatch{progress: show}
	test.Progress = watch
	outcome, err := harness.Run(ctx, test, cluster.cluster)
	show.end()
	if err != nil || outcome.History == nil {
		return cost, failure{exitFailed, fmt.Errorf("the run failed: %w", err)}
	}
	cost = onlineCost{Checking: checking, Operations: outcome.Verdict.Operations.OK, CPU: watch.ended - watch.begun}
	if cost.Operations == 0 {
		return cost, failure{exitFailed, errors.New("no operation succeeded")}
	}
	return cost, nil
}
