package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

type reportFlags struct {
	format string
	out    string
}

var reportFormats = []string{"html", "json", "junit", "text"}

func reportCommand() *cobra.Command {
	f := &reportFlags{}
	cmd := &cobra.Command{
		Use:   "report [RUN...]",
		Short: "Rebuild the page of saved runs, or put them as JSON, JUnit or text",
		Long: `report writes report.html anew into the folder of each run (results/latest if none is named), from what is there, and of a simulated
run messages.html.
The other formats go to standard output, or to --out:
  json   the runs' definitions, verdicts and figures, one object a line
  junit  a JUnit file for CI: a suite a run, a case for its verdict and one a checker
  text   the summary that a run ends with

It judges nothing and exits with 0 whatever the verdicts are; ordeal check judges.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
	cmd.Flags().StringVar(&f.format, "format", "html", strings.Join(reportFormats, ", "))
	cmd.Flags().StringVar(&f.out, "out", "", "file to write to; standard output, and for html the run's own report.html, if not given")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(reportFormats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *reportFlags) run(ctx context.Context, w io.Writer, paths []string) error {
	if !slices.Contains(reportFormats, f.format) {
		return badArgument("--format %q: want one of %s", f.format, strings.Join(reportFormats, ", "))
	}
	if len(paths) == 0 {
		paths = []string{store.Latest}
	}
	if f.format == "html" && f.out != "" && len(paths) > 1 {
		return badArgument("--out with --format html takes one run: a page is of one")
	}
	var runs []*store.Run
	for _, path := range paths {
		run, err := store.Open(path)
		if err != nil {
			return badArgument("%w", err)
		}
		runs = append(runs, run)
	}
	if f.format == "html" {
		return f.html(ctx, w, runs)
	}
	var out bytes.Buffer
	if err := f.summaries(ctx, &out, runs, f.out == "" && wantsColor(w)); err != nil {
		return err
	}
	if f.out != "" {
		return writeOut(f.out, out.Bytes())
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (f *reportFlags) html(ctx context.Context, w io.Writer, runs []*store.Run) error {
	for _, run := range runs {
		if err := ctx.Err(); err != nil {
			return failure{exitFailed, err}
		}
		path := run.Path(store.ReportFile)
		err := error(nil)
		if f.out == "" {
			err = report.Build(run.Folder)
		} else {
			path = f.out
			var page bytes.Buffer
			if err = report.Page(&page, run); err == nil {
				err = writeOut(path, page.Bytes())
			}
		}
		if err != nil {
			return failure{exitFailed, err}
		}
		fmt.Fprintln(w, path)
	}
	return nil
}

func writeOut(path string, content []byte) error {
	if err := store.WriteAtomically(path, content); err != nil {
		return badArgument("--out: %w; name a file in a folder that can be written", err)
	}
	return nil
}

// summaries writes the runs in a format for machines, or as text.
func (f *reportFlags) summaries(ctx context.Context, w io.Writer, runs []*store.Run, color bool) error {
	var all []report.Summary
	for _, run := range runs {
		if err := ctx.Err(); err != nil {
			return failure{exitFailed, err}
		}
		s, err := report.Summarize(run)
		if err != nil {
			return badArgument("%w", err)
		}
		all = append(all, s)
	}
	switch f.format {
	case "json":
		return report.JSON(w, all)
	case "junit":
		return report.JUnit(w, all)
	}
	for i, s := range all {
		if len(all) > 1 {
			fmt.Fprintf(w, "%s%s\n", strings.Repeat("\n", min(i, 1)), s.Folder)
		}
		options := report.TextOptions{Color: color, P50: s.P50, P99: s.P99, Slowest: s.Slowest}
		if path := filepath.Join(s.Folder, store.ReportFile); isFile(path) {
			options.Report = path
		}
		if err := report.Text(w, s.Verdict, options); err != nil {
			return err
		}
		if err := printDiagrams(w, s.Verdict); err != nil {
			return err
		}
	}
	return nil
}
