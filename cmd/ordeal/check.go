package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	workload   string
	format     string
	expected   string
	isolation  string
	total      int64 // of a bank; noTotal: what the first read adds up to
	timeout    time.Duration
	keyTimeout time.Duration
	memory     byteCount
	json       bool
}

func checkCommand() *cobra.Command {
	f := &checkFlags{}
	f.total = noTotal
	cmd := &cobra.Command{
		Use:   "check PATH...",
		Short: "Check saved histories again",
		Long: `check judges runs and histories that are on disk: a run's folder (results/latest), its history.jsonl, a Jepsen history
(EDN), lines of a Jepsen log, or porcupine's key-value lines; - is the standard input. What the history is of its operations
tell, or --workload. With --expected it compares a folder of histories with a table of known verdicts: file, format, model,
verdict, separated by tabs.

The exit code is that of the worst verdict: 0 valid, 1 invalid, 2 unknown.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.workload, "workload", "", "what a history is of, where its operations are not to tell: "+strings.Join(checkWorkloads(), ", "))
	flags.StringVar(&f.format, "format", "", "format of the history: "+formatNames()+"; found out if not given")
	flags.StringVar(&f.expected, "expected", "", "table of known verdicts; PATH is then the folder of the histories")
	flags.StringVar(&f.isolation, "isolation", checker.StrictSerializable, "isolation level for list-append and rw-register")
	flags.Int64Var(&f.total, "bank-total", noTotal, "what all accounts of a bank add up to; without it, what they do in the first read")
	flags.DurationVar(&f.keyTimeout, "key-timeout", 0, "for each key; one not decided by then is unknown, the others stand (default: none but --timeout)")
	flags.Var(&f.memory, "memory", "heap a check may hold, such as 1GiB; what needs more is unknown (default: three quarters of what is free)")
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

func formatNames() string {
	var names []string
	for _, f := range importer.Formats {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// check holds the flags against what there is.
func (f *checkFlags) check() error {
	if f.timeout <= 0 {
		return badArgument("--timeout %v: want a positive time", f.timeout)
	}
	if f.keyTimeout < 0 {
		return badArgument("--key-timeout %v: want a positive time", f.keyTimeout)
	}
	if f.format != "" && !slices.Contains(importer.Formats, importer.Format(f.format)) {
		return badArgument("--format %s: there are %s", f.format, formatNames())
	}
	if _, err := f.judge(importer.Ordeal, &history.History{}); err != nil {
		return badArgument("%w", err)
	}
	return nil
}

// one checks a run where path is one, else a history by itself. A model or a format that is named is for a history.
func (f *checkFlags) one(ctx context.Context, w io.Writer, path string) (checker.Verdict, error) {
	if isStream(path) {
		return f.history(ctx, w, path, nil)
	}
	run, err := store.Open(path)
	if err != nil || ownHistory(path) {
		return f.history(ctx, w, path, err)
	}
	bare := !isFile(run.Path(store.TestFile))
	if bare && f.workload == "" && (isFile(run.Path(store.VerdictFile)) || isFile(run.Path(store.HarnessLogFile))) {
		return "", fmt.Errorf("%s: %s is missing, so that nobody can tell what the run was to do and whether it did; to judge its history alone name the --workload", run.Folder, store.TestFile)
	}
	if f.workload != "" || f.format != "" || bare {
		history, err := run.History()
		if err != nil {
			return "", err
		}
		return f.history(ctx, w, history, nil)
	}
	o, err := harness.Recheck(ctx, run, f.options())
	if err != nil {
		return "", err
	}
	if f.json {
		return o.Verdict.Verdict, json.NewEncoder(w).Encode(map[string]any{"path": path, "verdict": o.Verdict})
	}
	if err := printOutcome(w, o); err != nil {
		return o.Verdict.Verdict, err
	}
	return o.Verdict.Verdict, printDiagrams(w, o.Verdict)
}

func (f *checkFlags) options() checker.Options {
	return checker.Options{Timeout: f.timeout, KeyTimeout: f.keyTimeout, Memory: int64(f.memory)}
}

// ownHistory tells a file that is none of a run's, though it may lie in a run's folder.
func ownHistory(path string) bool {
	switch filepath.Base(path) {
	case store.HistoryFile, store.SealedHistoryFile, store.TestFile, store.VerdictFile, store.ReportFile, store.ObservationsFile,
		store.HarnessLogFile, store.ScheduleFile, store.Latest:
		return false
	}
	return isFile(path)
}

// history checks a history that is no run of ours, or is to be judged by another model.
func (f *checkFlags) history(ctx context.Context, w io.Writer, path string, notARun error) (checker.Verdict, error) {
	if !isFile(path) && !isStream(path) {
		if notARun == nil {
			notARun = fmt.Errorf("%s is not a file: name a history or a run's folder", path)
		}
		return "", notARun
	}
	loading := checker.NewLoading(ctx, f.options())
	defer loading.Release()
	h, format, err := f.load(loading.Limits(), path)
	var v store.Verdict
	if unread, ok := loading.Unread(err); ok {
		v = harness.JudgeUnread(unread)
	} else if err != nil {
		return "", err
	} else {
		judge, err := f.judgeFile(path, format, h)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		checking, cancel := loading.Left().Within(ctx)
		defer cancel()
		v = judge(checking, h, loading.Left())
	}
	if f.json {
		return v.Verdict, json.NewEncoder(w).Encode(map[string]any{"path": path, "verdict": v})
	}
	fmt.Fprintf(w, "%s (%s)\n", path, strings.Trim(string(format)+", "+v.Results[0].Model, ", "))
	if err := report.Text(w, v, report.TextOptions{Color: wantsColor(w)}); err != nil {
		return v.Verdict, err
	}
	for _, more := range remedies(v) {
		fmt.Fprintln(w, more)
	}
	return v.Verdict, printDiagrams(w, v)
}

// judgeFile is the judge of a file: of the workload that the flags name, else of the run in whose folder it lies, as its
// evidence does, else of one that fits it.
func (f *checkFlags) judgeFile(path string, format importer.Format, h *history.History) (judge, error) {
	if f.workload == "" && filepath.Base(path) == store.EvidenceFile {
		if run, err := store.Open(filepath.Dir(path)); err == nil {
			if test, err := run.Test(); err == nil {
				return judgeWorkload(test.Workload)
			}
		}
	}
	return f.judge(format, h)
}

// load reads a history in the format that the flags name, else in the one it looks like.
func (f *checkFlags) load(l history.Limits, path string) (*history.History, importer.Format, error) {
	if isStream(path) {
		in, err := openStream(l.Context, path)
		if err != nil {
			return nil, "", err
		}
		defer in.Close()
		return importer.Read(l, path, in, importer.Format(f.format))
	}
	if f.format == "" {
		return importer.LoadWithin(l, path)
	}
	format := importer.Format(f.format)
	h, err := importer.LoadFormat(l, format, path)
	return h, format, err
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
	rows, err := checker.Expected(ctx, f.expected, paths[0], f.options())
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
