package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/history"
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
	if err := f.check(); err != nil {
		return err
	}
	if f.expected != "" {
		return f.compare(ctx, w, paths)
	}
	worst := checker.Valid
	var errs []error
	for _, path := range paths {
		v, err := f.one(ctx, w, path)
		if err != nil {
			errs = append(errs, err) // the others are checked all the same
			continue
		}
		worst = worst.And(v)
	}
	if err := errors.Join(errs...); err != nil {
		return failure{exitArguments, err}
	}
	return verdictReached{worst}
}

var formats = []importer.Format{importer.Ordeal, importer.EDN, importer.EDNLines, importer.JepsenLog}

// check holds the flags against what there is.
func (f *checkFlags) check() error {
	if f.timeout <= 0 {
		return badArgument("--timeout %v: want a positive time", f.timeout)
	}
	if f.format != "" && !slices.Contains(formats, importer.Format(f.format)) {
		return badArgument("--format %s: there are %v", f.format, formats)
	}
	if _, err := f.model(importer.Ordeal, &history.History{}); err != nil {
		return badArgument("%w", err)
	}
	return nil
}

// one checks a run where path is one, else a history by itself. A model or a format that is named is for a history.
func (f *checkFlags) one(ctx context.Context, w io.Writer, path string) (checker.Verdict, error) {
	run, err := store.Open(path)
	if err != nil || ownHistory(path) {
		return f.history(ctx, w, path, err)
	}
	if f.workload != "" || f.format != "" || !isFile(run.Path(store.TestFile)) {
		history, err := run.History()
		if err != nil {
			return "", err
		}
		return f.history(ctx, w, history, nil)
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

// ownHistory tells a file that is none of a run's, though it may lie in a run's folder.
func ownHistory(path string) bool {
	switch filepath.Base(path) {
	case store.HistoryFile, store.SealedHistoryFile, store.TestFile, store.VerdictFile, store.ReportFile, store.ObservationsFile,
		store.HarnessLogFile, harness.ScheduleFile, store.Latest:
		return false
	}
	return isFile(path)
}

// history checks a history that is no run of ours, or is to be judged by another model.
func (f *checkFlags) history(ctx context.Context, w io.Writer, path string, notARun error) (checker.Verdict, error) {
	if !isFile(path) {
		if notARun == nil {
			notARun = fmt.Errorf("%s is not a file: name a history or a run's folder", path)
		}
		return "", notARun
	}
	h, format, err := f.load(path)
	if err != nil {
		return "", err
	}
	model, err := f.model(format, h)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	v := harness.JudgeHistory(h, checker.Linearizable(model).Check(ctx, h, checker.Options{Timeout: f.timeout}))
	if f.json {
		return v.Verdict, json.NewEncoder(w).Encode(map[string]any{"path": path, "verdict": v})
	}
	fmt.Fprintf(w, "%s (%s, %s)\n", path, format, model.Name)
	return v.Verdict, report.Text(w, v, report.TextOptions{Color: wantsColor(w)})
}

// load reads a history in the format that the flags name, else in the one it looks like.
func (f *checkFlags) load(path string) (*history.History, importer.Format, error) {
	if f.format == "" {
		return importer.Load(path)
	}
	format := importer.Format(f.format)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, format, fmt.Errorf("read a history: %w", err)
	}
	h, err := importer.Decode(format, data)
	if err != nil {
		return nil, format, fmt.Errorf("%s, read as %s: %w", path, format, err)
	}
	return h, format, nil
}

// model is the one that the flags name, else the one that fits the history.
func (f *checkFlags) model(format importer.Format, h *history.History) (checker.Model, error) {
	name := f.workload
	switch {
	case name == "" && format == importer.EDNLines && holdsText(h):
		name = "kv-append"
	case name == "" || name == "register":
		name = "cas-register"
	}
	if m, ok := checker.Models()[name]; ok {
		return m, nil
	}
	return checker.Model{}, fmt.Errorf("--workload %s: no such model; there are %s", name, strings.Join(slices.Sorted(maps.Keys(checker.Models())), ", "))
}

// holdsText tells porcupine's key-value logs, whose values are strings, from Jepsen's registers: both are maps of EDN.
func holdsText(h *history.History) bool {
	return slices.ContainsFunc(h.Operations, func(op history.Operation) bool {
		_, in := op.Input.AsString()
		_, out := op.Output.AsString()
		return in || out
	})
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
