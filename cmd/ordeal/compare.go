package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/compare"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

func mergeCommand() *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use:   "merge DIR..",
		Short: "Put the shards of a campaign together",
		Long: `merge makes one campaign, in a new folder, of the shards that several machines or processes did (ordeal torture --shard).
The shards have to be of one plan: the same versions to the bit, definition and seed. A run that is in two of them is refused.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return badArgument("--out: name a folder for the merged campaign")
			}
			var parts []*campaign.Campaign
			for _, folder := range args {
				c, err := campaign.Open(folder)
				if err != nil {
					return badArgument("%w", err)
				}
				parts = append(parts, c)
			}
			merged, err := campaign.Merge(out, parts...)
			if err != nil {
				return badArgument("%w", err)
			}
			n, repeated := merged.Counts(), ""
			if n.Repetitions > 0 {
				repeated = fmt.Sprintf(" and %d repetitions", n.Repetitions)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  %d runs%s of %d campaigns\n", printable(merged.Folder), n.Runs, repeated, len(parts))
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder of the merged campaign; it must not have one yet")
	return cmd
}

// compareFlags are the flags of `ordeal compare`.
type compareFlags struct {
	tortureFlags
	options compare.Options
	latest  string
	csv     bool
	html    string
	junit   string
	history string
}

func compareCommand() *cobra.Command {
	f := &compareFlags{options: compare.Default}
	cmd := &cobra.Command{
		Use:   "compare A [B ...]",
		Short: "Say whether a version is worse than another, and how sure that is",
		Long: `compare holds versions against the first one: how often they failed, with intervals and exact tests corrected for their
number, and what clients felt. A and B are folders of campaigns (ordeal torture), which stand for all their versions, or FOLDER@VERSION
for one. Arguments that are no folders are versions; they are run first, on the same seeds, with the flags of ordeal torture.

The exit code is 1 where a version is worse than the first: in violations, in runs without a verdict, or, with --strict, in what clients
felt; 2 where nothing could be compared, or none of a cell's runs came to a verdict; else 0.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			sides, err := f.sides(cmd, args)
			if err != nil {
				return err
			}
			return f.compare(cmd.OutOrStdout(), sides)
		},
	}
	f.tortureFlags.register(cmd.Flags())
	for _, name := range []string{"versions", "shard", "resume"} {
		if err := cmd.Flags().MarkHidden(name); err != nil {
			panic(err) // the flag was just registered
		}
	}
	flags := cmd.Flags()
	flags.Float64Var(&f.options.Alpha, "alpha", f.options.Alpha, "the chance, over all tests, of calling a difference where there is none")
	flags.Float64Var(&f.options.Chance, "power", f.options.Chance, "the chance of finding a difference, for the number of runs that it would take")
	flags.BoolVar(&f.options.Strict, "strict", false, "what clients felt counts as a regression too")
	flags.Float64Var(&f.options.Tolerance, "tolerance", f.options.Tolerance, "by what share clients may feel it worse before that counts, with --strict")
	flags.StringVar(&f.latest, "latest", "", "compare the two latest campaigns in this folder")
	flags.BoolVar(&f.csv, "csv", false, "the comparison as CSV on standard output")
	flags.StringVar(&f.html, "html", "", "write the comparison as a page into this file")
	flags.StringVar(&f.junit, "junit", "", "write JUnit XML into this file")
	flags.StringVar(&f.history, "history", "", "write a page of all campaigns in --latest's folder, over time and by version, into this file")
	return cmd
}

// sides are what is compared. Versions are run first.
func (f *compareFlags) sides(cmd *cobra.Command, args []string) ([]compare.Side, error) {
	switch {
	case f.latest != "" && len(args) > 0:
		return nil, badArgument("--latest says what is compared: leave %s out", strings.Join(args, " "))
	case f.latest == "" && len(args) == 0:
		return nil, badArgument("name two campaigns or versions, or --latest FOLDER")
	case f.history != "" && f.latest == "":
		return nil, badArgument("--history needs --latest FOLDER: the history is of the campaigns in there")
	case f.latest != "":
		var err error
		if args, err = compare.Latest(f.latest); err != nil {
			return nil, badArgument("--latest: %w", err)
		}
	case !slices.ContainsFunc(args, isCampaign):
		return f.runFirst(cmd, args)
	}
	sides, err := compare.Sides(args...)
	if err != nil {
		return nil, badArgument("%w", err)
	}
	return sides, nil
}

// isCampaign tells a campaign's folder, or one with a version behind it, from a version; a folder that is none is taken for one, to be refused.
func isCampaign(argument string) bool {
	info, err := os.Stat(argument)
	if err == nil && info.IsDir() {
		return true
	}
	for i, c := range argument {
		if c == '@' && isFile(filepath.Join(argument[:i], campaign.PlanFile)) {
			return true
		}
	}
	return false
}

// runFirst makes a campaign of versions.
func (f *compareFlags) runFirst(cmd *cobra.Command, args []string) ([]compare.Side, error) {
	if f.runs == 0 && f.total == 0 {
		return nil, badArgument("%s: neither a campaign's folder nor, without --runs N or --for D, a version to be run first", args[0])
	}
	if f.stopAtFirst {
		return nil, badArgument("--stop-at-first: the rates of a campaign that its first violation stops are too high to be compared")
	}
	f.tortureFlags.versions = args
	c, err := f.torture(cmd.Context(), cmd.Flags(), cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	if cmd.Context().Err() != nil {
		return nil, failure{exitUnknown, fmt.Errorf("interrupted; go on with: ordeal torture --resume %s, and compare that folder", c.Folder)}
	}
	return compare.Of(c, "")
}

func (f *compareFlags) compare(stdout io.Writer, sides []compare.Side) error {
	c, err := compare.Compare(sides, f.options)
	if err != nil {
		return badArgument("%w", err)
	}
	switch {
	case f.json:
		err = json.NewEncoder(stdout).Encode(c)
	case f.csv:
		err = c.CSV(stdout)
	default:
		err = c.Text(stdout, true)
	}
	if err != nil {
		return failure{exitFailed, fmt.Errorf("printing the comparison: %w", err)}
	}
	if err := f.files(c); err != nil {
		return failure{exitFailed, err}
	}
	return compared(c)
}

// files writes what the flags ask for.
func (f *compareFlags) files(c *compare.Comparison) error {
	writers := []struct {
		path  string
		write func(io.Writer) error
	}{{f.html, c.HTML}, {f.junit, c.JUnit}, {f.history, func(w io.Writer) error { return compare.History(w, f.latest) }}}
	for _, o := range writers {
		if o.path == "" {
			continue
		}
		var content bytes.Buffer
		if err := o.write(&content); err != nil {
			return err
		}
		if err := store.WriteAtomically(o.path, content.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// compared is the exit code of a comparison.
func compared(c *compare.Comparison) error {
	switch {
	case c.Regression:
		return verdictReached{checker.Invalid}
	case c.Tests == 0 && len(c.Sides) > 1, c.Unjudged > 0:
		return verdictReached{checker.Unknown}
	}
	return nil
}
