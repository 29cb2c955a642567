package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/checker"
)

// tortureProgress shows how far a campaign is: one line that changes on a terminal, a line now and then elsewhere, and a line that
// stays for everything that is not valid.
type tortureProgress struct {
	*progress
	lastPlain time.Time
	bad       int // runs that are not valid, of which was told
	before    int // runs that were done before this session
}

func newTortureProgress(w io.Writer, quiet bool) *tortureProgress {
	return &tortureProgress{progress: newProgress(w, quiet)}
}

// began takes in what was done before.
func (t *tortureProgress) began(c *campaign.Campaign) {
	for _, r := range c.Runs {
		if r.Again > 0 {
			continue
		}
		t.before++
		if r.Verdict != checker.Valid {
			t.bad++
		}
	}
}

// campaignEvery is how often a line is printed where there is no terminal.
const campaignEvery = 10 * time.Second

// runs shows a campaign's progress.
func (t *tortureProgress) runs(p campaign.Progress) {
	if bad := p.Invalid + p.Unknown; bad > t.bad {
		t.bad = bad
		r := p.Last
		t.note("run %d, %s, %s, %s, seed %d: %s: %s", r.Number, r.Version, r.Workload, r.Faults, r.Seed, strings.ToUpper(string(r.Verdict)), r.Reason)
	}
	t.line(t.text(p))
}

func (t *tortureProgress) line(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.quiet:
	case t.terminal:
		t.rewrite(text)
	case time.Since(t.lastPlain) >= campaignEvery:
		t.lastPlain = time.Now()
		fmt.Fprintf(t.w, "%5.1fs  %s\n", time.Since(t.start).Seconds(), text)
	}
}

func (t *tortureProgress) text(p campaign.Progress) string {
	runs := fmt.Sprint(p.Runs)
	if p.Total > 0 {
		runs += fmt.Sprintf(" of %d", p.Total)
	}
	elapsed := time.Since(t.start)
	text := fmt.Sprintf("runs %s  invalid %d  unknown %d  operations %d  faults %d", runs, p.Invalid, p.Unknown, p.Operations, p.Faults)
	if p.Simulated > 0 {
		text += fmt.Sprintf("  simulated %v", p.Simulated.Round(time.Second))
	}
	if p.Repetitions > 0 {
		text += fmt.Sprintf("  repeated %d", p.Repetitions)
	}
	if done := p.Runs - t.before; done > 0 && elapsed > 0 {
		text += fmt.Sprintf("  %.1f runs/min", float64(done)/elapsed.Minutes())
		if left := p.Total - p.Runs; left > 0 {
			text += fmt.Sprintf("  %v to go", (elapsed / time.Duration(done) * time.Duration(left)).Round(time.Second))
		}
	}
	return text + coverageText(p.Coverage)
}

// rarest is how many coverage counters are shown: those that were raised least.
const rarest = 3

func coverageText(coverage map[string]uint64) string {
	if len(coverage) == 0 {
		return ""
	}
	names := slices.SortedFunc(maps.Keys(coverage), func(a, b string) int {
		if coverage[a] != coverage[b] {
			return int(min(coverage[a], 1<<30)) - int(min(coverage[b], 1<<30))
		}
		return strings.Compare(a, b)
	})
	var shown []string
	for _, name := range names[:min(len(names), rarest)] {
		shown = append(shown, fmt.Sprintf("%s %d", name, coverage[name]))
	}
	return "  rarest: " + strings.Join(shown, ", ")
}
