package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
)

// benchFlags are those of `ordeal bench nemesis` beside the ones of `ordeal run`.
type benchFlags struct {
	runFlags
	rounds     int
	unable     []string // modes that turned out to be out of the cluster's reach
	hold, calm time.Duration
}

func benchNemesisCommand() *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "nemesis",
		Short: "Measure what each fault takes to apply and to heal, with its evidence",
		Long: `nemesis injects every mode of the faults by itself, round after round, into a cluster that clients work on, and prints a table: how often it
took hold, the time until it was in force and until it was healed (median and longest), and its evidence. The times are the cluster's
own work, without the probes that prove it. What the cluster cannot do is left out, with the reason.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.rounds < 1 || f.hold < time.Millisecond || f.calm < 0 {
				return badArgument("--rounds %d --hold %v --calm %v: want at least 1, 1ms and 0s", f.rounds, f.hold, f.calm)
			}
			return f.bench(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd.Flags())
	for _, name := range []string{"time", "schedule", "mutant"} {
		_ = cmd.Flags().MarkHidden(name)
	}
	for name, value := range map[string]string{"faults": strings.Join(nemesis.FaultNames(), ","), "name": "bench-nemesis", "rate": "300", "availability-bound": "0s"} {
		flag := cmd.Flags().Lookup(name)
		flag.DefValue = value
		_ = flag.Value.Set(value)
	}
	cmd.Flags().IntVar(&f.rounds, "rounds", 3, "how often each fault is injected")
	cmd.Flags().DurationVar(&f.hold, "hold", 1500*time.Millisecond, "how long it stands")
	cmd.Flags().DurationVar(&f.calm, "calm", 1500*time.Millisecond, "how long the cluster has between two")
	return cmd
}

func (f *benchFlags) bench(ctx context.Context, stdout, stderr io.Writer) error {
	show := newProgress(stderr, f.quiet || f.json)
	if err := sweep(ctx, show); err != nil {
		show.warn("warning: clearing up after earlier runs: %v", err)
	}
	specs, err := nemesis.ParseFaults(f.faults)
	if err != nil {
		return badArgument("--faults %q: %w", f.faults, err)
	}
	f.duration = time.Second // until the schedule says
	test, err := f.test()
	if err != nil {
		return err
	}
	for {
		outcome, unable, err := f.once(ctx, show, test, specs)
		if unable != nil { // which shows only once the cluster is up
			show.note("left out: %s:%s: %v", unable.Spec.Fault, unable.Spec.Mode, unable.Why)
			f.unable = append(f.unable, unable.Spec.Fault+":"+unable.Spec.Mode)
			continue
		}
		if err != nil {
			return err
		}
		return f.print(stdout, measure(outcome.History), outcome.Run.Folder)
	}
}

// once runs every fault that is not known to be out of the cluster's reach.
func (f *benchFlags) once(ctx context.Context, show *progress, test harness.Test, specs []nemesis.Spec) (*harness.Outcome, *nemesis.UnableError, error) {
	cluster, err := f.makeCluster(ctx, show)
	if err != nil {
		return nil, nil, err
	}
	defer cluster.close()
	able, left, err := nemesis.Expand(ctx, specs, f.nodes, cluster.cluster, harness.Able(test.System, cluster.cluster))
	if err != nil {
		return nil, nil, badArgument("--faults %s: %w", f.faults, err)
	}
	if len(f.unable) == 0 {
		for _, what := range left {
			show.note("left out: %s", what)
		}
	}
	able = slices.DeleteFunc(able, func(s nemesis.Spec) bool { return slices.Contains(f.unable, s.Fault+":"+s.Mode) })
	schedule, err := nemesis.Rounds(able, nodeNames(f.nodes), f.seed, f.rounds, f.hold, f.calm)
	if err != nil {
		return nil, nil, badArgument("--faults %s: %w", f.faults, err)
	}
	test.Faults, test.Schedule, test.Duration, test.Progress = schedule.Specs(), &schedule, schedule.Duration, show
	outcome, err := harness.Run(ctx, test, cluster.cluster)
	show.end()
	if unable := new(nemesis.UnableError); errors.As(err, &unable) && !slices.Contains(f.unable, unable.Spec.Fault+":"+unable.Spec.Mode) {
		return nil, unable, nil
	}
	if err != nil || outcome.History == nil {
		return nil, nil, failure{exitFailed, fmt.Errorf("the run failed: %w", err)}
	}
	return outcome, nil, nil
}

// faultCost is what one mode of a fault took.
type faultCost struct {
	Fault    string          `json:"fault"` // "partition:bridge"
	Injected int             `json:"injected"`
	Took     int             `json:"took"`
	Apply    []time.Duration `json:"apply_ns"`
	Heal     []time.Duration `json:"heal_ns"`
	Evidence string          `json:"evidence"`
}

// measure reads the times of the faults that took hold, in the order of their first injection.
func measure(h *history.History) []*faultCost {
	var all []*faultCost
	for _, event := range h.Nemesis {
		var e nemesis.Event
		if json.Unmarshal(event.Detail, &e) != nil || e.ID < 1 {
			continue
		}
		name := e.Fault + ":" + e.Mode
		i := slices.IndexFunc(all, func(m *faultCost) bool { return m.Fault == name })
		if i < 0 {
			i = len(all)
			all = append(all, &faultCost{Fault: name})
		}
		m := all[i]
		switch {
		case e.Phase == nemesis.PhaseInject:
			m.Injected++
			if e.Took {
				m.Took++
				m.Apply = append(m.Apply, e.Done-e.Start)
				m.Evidence = e.Evidence[0]
			}
		case e.Phase == nemesis.PhaseHeal && e.Took:
			m.Heal = append(m.Heal, e.Done-e.Start)
		}
	}
	return all
}

func (f *benchFlags) print(w io.Writer, all []*faultCost, folder string) error {
	if f.json {
		return json.NewEncoder(w).Encode(map[string]any{"folder": folder, "cluster": f.cluster, "faults": all})
	}
	if _, err := fmt.Fprintf(w, "| %s | took hold | apply p50 | max | heal p50 | max | evidence |\n|---|---|---|---|---|---|---|\n", f.cluster); err != nil {
		return err
	}
	for _, m := range all {
		_, err := fmt.Fprintf(w, "| %s | %d of %d | %s | %s | %s | %s | %s |\n", m.Fault, m.Took, m.Injected,
			middle(m.Apply), most(m.Apply), middle(m.Heal), most(m.Heal), m.Evidence)
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\nof %s\n", folder)
	return err
}

func middle(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	return brief(slices.Sorted(slices.Values(all))[len(all)/2])
}

func most(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	return brief(slices.Max(all))
}

// brief is a duration with three digits.
func brief(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}
