package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/sim/shrink"
	"github.com/ordeal-dev/ordeal/store"
)

// replayFlags are the flags of `ordeal replay`.
type replayFlags struct {
	html   string
	mutant string
	json   bool
	quiet  bool
}

func replayCommand() *cobra.Command {
	f := &replayFlags{}
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Run a failure of the simulator again, from the file that shrink wrote",
		Long: `replay runs a simulated failure again: the same cluster, operations, faults and messages, event by event. It says whether the
violation shows again, and whether all happened as it did when the file was written.

Exit codes: 1 the violation shows again, 0 it does not (another version of the code, say, in which it is mended).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.mutant != "" {
				return asMutant(cmd.Context(), f.mutant, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return f.run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.html, "html", "", "draw the run in this page")
	cmd.Flags().StringVar(&f.mutant, "mutant", "", "replay on nodes with this bug seeded (ordeal mutants list; needs a checkout and Go)")
	cmd.Flags().BoolVar(&f.json, "json", false, "what came of it as JSON")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "only whether it shows again")
	return cmd
}

// replayed is what came of a replay.
type replayed struct {
	File      string           `json:"file"`
	Again     bool             `json:"again"`     // the violation shows
	Identical bool             `json:"identical"` // and all happened as it was recorded
	Recorded  shrink.Violation `json:"recorded"`
	Shown     shrink.Violation `json:"shown"`
	Hash      string           `json:"hash"`
	Version   string           `json:"version"`          // of this program
	By        string           `json:"recorded_version"` // that the file is of
	Steps     []string         `json:"steps,omitempty"`
}

func (f *replayFlags) run(ctx context.Context, path string, stdout, stderr io.Writer) error {
	c, err := readCase(path)
	if err != nil {
		return err
	}
	told, result, err := c.Tell(ctx)
	if err != nil {
		return failure{exitFailed, fmt.Errorf("%s: %w", path, err)}
	}
	shown := shrink.ViolationOf(&result)
	r := replayed{File: path, Again: !shown.None() && shown.Same(c.Violation), Recorded: c.Violation, Shown: shown,
		Hash: shrink.HashText(result.Hash), Version: version, By: c.Version, Steps: told.Steps()}
	r.Identical = r.Hash == c.Hash
	if f.html != "" {
		drawn := c
		drawn.Violation, drawn.Hash = shown, r.Hash
		told.Case = &drawn
		if err := writePage(f.html, told.Sequence(path)); err != nil {
			return badArgument("--html %s: %w; name a file in a folder that can be written", f.html, err)
		}
	}
	if err := f.print(stdout, r); err != nil {
		return failure{exitFailed, err}
	}
	return r.outcome(c, stderr)
}

func (f *replayFlags) print(w io.Writer, r replayed) error {
	if f.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	var b strings.Builder
	if !f.quiet {
		for i, step := range r.Steps {
			fmt.Fprintf(&b, "%3d  %s\n", i+1, printable(step))
		}
		b.WriteByte('\n')
	}
	switch {
	case r.Again && r.Identical:
		fmt.Fprintf(&b, "%s again, in a run with the same hash %s\n  %s\n", r.Shown, r.Hash, printable(r.Shown.Text))
	case r.Again:
		fmt.Fprintf(&b, "%s again, though not all happened as before (hash %s)\n  %s\n", r.Shown, r.Hash, printable(r.Shown.Text))
	case r.Shown.None():
		fmt.Fprintf(&b, "valid: %s does not show\n", r.Recorded)
	default:
		fmt.Fprintf(&b, "%s shows instead of %s\n  %s\n", r.Shown, r.Recorded, printable(r.Shown.Text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// outcome is the exit code, and what there is to say about a violation that is gone.
func (r replayed) outcome(c shrink.Case, stderr io.Writer) error {
	if !r.Again && !r.Recorded.None() {
		switch {
		case c.Mutant != "" && !strings.HasSuffix(r.Version, c.Mutant):
			fmt.Fprintf(stderr, "ordeal: %s was recorded with the bug %s seeded; to see it: ordeal replay --mutant %s %s\n", r.File, c.Mutant, c.Mutant, r.File)
		case r.Version != r.By:
			fmt.Fprintf(stderr, "ordeal: %s was recorded by version %q and this is version %q: the fault is mended, or the run takes another course; build that version to see it\n",
				r.File, r.By, r.Version)
		default:
			return failure{exitFailed, fmt.Errorf("%s was recorded by this version, %q, and does not repeat itself: the file was changed, or the code was and its version was not", r.File, r.By)}
		}
	}
	if !r.Shown.None() {
		return said{exitInvalid}
	}
	return nil
}

func readCase(path string) (shrink.Case, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return shrink.Case{}, badArgument("%w; `ordeal shrink` writes such files", err)
	}
	if err != nil {
		return shrink.Case{}, badArgument("%w: want a file that `ordeal shrink` wrote", err)
	}
	c, err := shrink.Decode(path, b)
	if err != nil {
		return shrink.Case{}, badArgument("%w", err)
	}
	return c, nil
}

// writePage draws a run.
func writePage(path string, s report.Sequence) error {
	var b strings.Builder
	if err := report.WriteSequence(&b, s); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return store.WriteAtomically(filepath.Clean(path), []byte(b.String()))
}
