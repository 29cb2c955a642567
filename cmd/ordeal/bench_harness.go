package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/workloads"
)

// benchHarnessFlags are those of `ordeal bench harness`.
type benchHarnessFlags struct {
	harness.BenchOptions
	clients     []int
	json, quiet bool
}

func benchHarnessCommand() *cobra.Command {
	f := &benchHarnessFlags{}
	cmd := &cobra.Command{
		Use:   "harness",
		Short: "How many operations a second the harness can ask for and record, where the system costs nothing",
		Long: `harness runs what a run is up to its verdict, on a system whose clients answer at once: generator, workers with their timeouts, the
history on disk, the watch over (imaginary) nodes, progress. With --rate it tells latencies, from when operations were due.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := f.bench(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()); err != nil {
				return failure{exitFailed, err}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Workload, "workload", "register", "what clients do")
	flags.IntSliceVar(&f.clients, "clients", []int{1, 16, 64, 256}, "concurrent clients, one run each")
	flags.Float64Var(&f.Rate, "rate", 0, "operations a second over all clients; 0: as fast as answers come")
	flags.DurationVar(&f.Duration, "time", 3*time.Second, "how long each")
	flags.StringVar(&f.Dir, "dir", "", "folder in which the history is written, and removed again; empty: the system's for temporary files")
	flags.BoolVar(&f.json, "json", false, "the figures as JSON, a line a run")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress")
	return cmd
}

func (f *benchHarnessFlags) check() error {
	for _, n := range f.clients {
		if n < 1 || n > 10_000 {
			return badArgument("--clients %d: want 1 to 10000", n)
		}
	}
	if f.Duration < time.Millisecond {
		return badArgument("--time %v: want 1ms or more", f.Duration)
	}
	if !(f.Rate >= 0) {
		return badArgument("--rate %v: want operations a second, or 0 for as fast as answers come", f.Rate)
	}
	if !slices.Contains(workloads.Names(), f.Workload) {
		return badArgument("--workload: no workload %q; there are %s", f.Workload, strings.Join(workloads.Names(), ", "))
	}
	return nil
}

// recordings is how many operations the recorder alone is timed with.
const recordings = 500_000

func (f *benchHarnessFlags) bench(ctx context.Context, stdout, stderr io.Writer) error {
	show := newProgress(stderr, f.quiet || f.json)
	f.Progress = show
	if !f.json {
		each, cpu, err := harness.BenchRecording(f.Dir, recordings)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "recording an operation takes one goroutine %d ns, and %d ns of processor time\n\n", each.Nanoseconds(), cpu.Nanoseconds())
		fmt.Fprint(stdout, "| workload | clients | operations | a second | CPU, ns/op | allocations/op | history, bytes/op | p50 | p99 |\n|---|---|---|---|---|---|---|---|---|\n")
	}
	for _, n := range f.clients {
		f.Clients = n
		r, err := harness.Bench(ctx, f.BenchOptions)
		show.end()
		if err != nil {
			return err
		}
		if f.json {
			if err := json.NewEncoder(stdout).Encode(r); err != nil {
				return err
			}
			continue
		}
		p50, p99 := "", ""
		if f.Rate > 0 {
			p50, p99 = r.P50.Round(time.Microsecond).String(), r.P99.Round(time.Microsecond).String()
		}
		fmt.Fprintf(stdout, "| %s | %d | %d | %.0f | %.0f | %.1f | %.0f | %s | %s |\n", r.Workload, r.Clients, r.Operations, r.Rate, r.CPU, r.Allocations, r.Bytes, p50, p99)
	}
	return nil
}
