package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/history/importer"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

type checkFlags struct {
	workload string
	format   string
	expected string
	timeout  time.Duration
	json     bool
}

func checkCommand() *cobra.Command {
	f := &checkFlags{}
	models := strings.Join(slices.Sorted(maps.Keys(checker.Models())), ", ")
	cmd := &cobra.Command{
		Use:   "check PATH...",
		Short: "Check saved histories again",
		Long: `check judges runs and histories that are on disk: a run's folder (results/latest), its history.jsonl, a Jepsen history
(EDN), lines of a Jepsen log, or porcupine's key-value lines. With --expected it compares a folder of histories with a
table of known verdicts: file, format, model, verdict, separated by tabs.

The exit code is that of the worst verdict: 0 valid, 1 invalid, 2 unknown.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.workload, "workload", "", "model for a history that does not say it: "+models)
	flags.StringVar(&f.format, "format", "", "format of the history: ordeal, edn, edn-lines, jepsen-log; found out if not given")
	flags.StringVar(&f.expected, "expected", "", "table of known verdicts; PATH is then the folder of the histories")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Minute, "for each history; what is not decided by then is unknown")
	flags.BoolVar(&f.json, "json", false, "results as JSON, one a line")
	return cmd
}

func (f *checkFlags) run(ctx context.Context, w io.Writer, paths []string) error {
	if f.timeout <= 0 {
		return badArgument("--timeout %v: want a positive time", f.timeout)
	}
	if f.expected != "" {
		return f.compare(ctx, w, paths)
	}
	worst := checker.Valid
	for _, path := range paths {
		v, err := f.one(ctx, w, path)
		if err != nil {
			return failure{exitArguments, err}
		}
		worst = worst.And(v)
	}
	return verdictReached{worst}
}

// one checks a run where path is one, else a history by itself.
func (f *checkFlags) one(ctx context.Context, w io.Writer, path string) (checker.Verdict, error) {
	run, err := store.Open(path)
	if err != nil || f.workload != "" {
		return f.history(ctx, w, path, err)
	}
	o, err := harness.Recheck(ctx, run, checker.Options{Timeout: f.timeout})
	if err != nil {
		return "", err
	}
	if f.json {
		return o.Verdict.Verdict, json.NewEncoder(w).Encode(map[string]any{"path": path, "verdict": o.Verdict})
	}
	return o.Verdict.Verdict, printOutcome(w, o)
}

// history checks a history that is no run of ours, or is to be judged by another model.
func (f *checkFlags) history(ctx context.Context, w io.Writer, path string, notARun error) (checker.Verdict, error) {
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		if notARun == nil {
			notARun = fmt.Errorf("%s is a folder: name the history in it", path)
		}
		return "", notARun
	}
	h, format, err := importer.Load(path)
	if err != nil {
		return "", err
	}
	if f.format != "" && string(format) != f.format {
		return "", fmt.Errorf("%s is %s, not %s", path, format, f.format)
	}
	model, err := f.model(format)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	r := checker.Linearizable(model).Check(ctx, h, checker.Options{Timeout: f.timeout})
	v := harness.Judge(h, harness.Findings{}, r)
	v.Results, v.Verdict, v.Reason = v.Results[:1], r.Verdict, r.Reason
	if f.json {
		return v.Verdict, json.NewEncoder(w).Encode(map[string]any{"path": path, "verdict": v})
	}
	fmt.Fprintf(w, "%s (%s, %s)\n", path, format, model.Name)
	return v.Verdict, report.Text(w, v, report.TextOptions{Color: wantsColor(w)})
}

func (f *checkFlags) model(format importer.Format) (checker.Model, error) {
	name := f.workload
	switch {
	case name == "" && format == importer.EDNLines:
		name = "kv-append"
	case name == "" || name == "register":
		name = "cas-register"
	}
	if m, ok := checker.Models()[name]; ok {
		return m, nil
	}
	return checker.Model{}, fmt.Errorf("--workload %s: no such model; there are %s", name, strings.Join(slices.Sorted(maps.Keys(checker.Models())), ", "))
}

// compare checks a folder against known verdicts; exit code 1 where one differs.
func (f *checkFlags) compare(ctx context.Context, w io.Writer, paths []string) error {
	if len(paths) != 1 {
		return badArgument("--expected wants one PATH, the folder of the histories")
	}
	rows, err := checker.Expected(ctx, f.expected, paths[0], checker.Options{Timeout: f.timeout})
	if err != nil {
		return badArgument("%w", err)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	wrong := 0
	for _, row := range rows {
		if !row.OK() {
			wrong++
			fmt.Fprintf(table, "%s\twant %s\tgot %s\t%s%s\n", row.File, row.Want, row.Got, row.Reason, row.Err)
		}
	}
	if err := table.Flush(); err != nil {
		return failure{exitFailed, err}
	}
	fmt.Fprintf(w, "%d of %d histories have the expected verdict\n", len(rows)-wrong, len(rows))
	if wrong > 0 {
		return verdictReached{checker.Invalid}
	}
	return nil
}
