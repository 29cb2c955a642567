package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/workloads"
)

func benchHarnessCommand() *cobra.Command {
	o, asJSON := harness.BenchOptions{}, false
	cmd := &cobra.Command{
		Use:   "harness",
		Short: "How many operations a second the harness can ask for and record, where the system costs nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Clients < 1 {
				return badArgument("--clients %d: want 1 or more", o.Clients)
			}
			if o.Duration < time.Millisecond {
				return badArgument("--time %v: want 1ms or more", o.Duration)
			}
			if !slices.Contains(workloads.Names(), o.Workload) {
				return badArgument("--workload: no workload %q; there are %s", o.Workload, strings.Join(workloads.Names(), ", "))
			}
			r, err := harness.Bench(cmd.Context(), o)
			if err != nil {
				return failure{exitFailed, err}
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s, %d clients: %d operations in %.1f s, %.0f a second; recording takes %.0f ns and %.0f bytes an operation\n",
				r.Workload, r.Clients, r.Operations, r.Seconds, r.Rate, r.Recording, r.Bytes)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Workload, "workload", "register", "what clients do")
	f.IntVar(&o.Clients, "clients", 10, "concurrent clients")
	f.DurationVar(&o.Duration, "time", 3*time.Second, "how long")
	f.StringVar(&o.Dir, "dir", "", "folder in which the history is written, and removed again; empty: the system's for temporary files")
	f.BoolVar(&asJSON, "json", false, "the figures as JSON")
	return cmd
}
