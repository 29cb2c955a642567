package compare

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/campaign/stats"
)

// Options are how sure a comparison has to be.
type Options struct {
	Alpha     float64 // chance that any difference is called where there is none
	Chance    float64 // with which a difference is to be found, for the number of runs that it takes
	Tolerance float64 // by what share a median may get worse before that counts, with Strict
	Strict    bool    // what clients felt counts as a regression too
}

// Default are the usual ones.
var Default = Options{Alpha: 0.05, Chance: 0.8, Tolerance: 0.1}

// surest is the smallest chance of an error that can be asked for: below it the arithmetic of the tails has no digits left once it is shared
// among many tests, and no campaign has the runs.
const surest = 1e-6

// Check says what is wrong with options.
func (o Options) Check() error {
	switch {
	case !(o.Alpha >= surest && o.Alpha < 0.5):
		return fmt.Errorf("--alpha %v: want a level of %v to below 0.5", o.Alpha, surest)
	case !(o.Chance >= 0.5 && o.Chance <= 1-surest):
		return fmt.Errorf("--power %v: want a chance of 0.5 to %v", o.Chance, 1-surest)
	case !(o.Tolerance >= 0):
		return fmt.Errorf("--tolerance %v: want a share of 0 or more", o.Tolerance)
	}
	return nil
}

// Comparison is the outcome.
type Comparison struct {
	Alpha      float64  `json:"alpha"`
	Chance     float64  `json:"chance"`
	Tests      int      `json:"tests"` // that the correction is for
	Sides      []About  `json:"sides"`
	Cells      []Cell   `json:"cells"`
	Notes      []string `json:"notes,omitempty"`
	Regression bool     `json:"regression"`
	// Unjudged is in how many cells a side has runs of which none came to a verdict: nothing is known of it there.
	Unjudged int `json:"unjudged,omitempty"`
}

// About is a side as it is shown.
type About struct {
	Label   string    `json:"label"`
	Folder  string    `json:"folder"`
	Version string    `json:"version"`
	Commit  string    `json:"commit,omitempty"`
	Digest  string    `json:"digest"`
	Started time.Time `json:"started"`
	Runs    int       `json:"runs"`
	// Stopped at its first violation: its rates are too high to be held against others'.
	Stopped bool `json:"stopped_at_first,omitempty"`
}

// Cell is what came of one cell on every side.
type Cell struct {
	Conditions
	Tallies     []*Tally     `json:"tallies"` // by side; null: it has no runs there
	Differences []Difference `json:"differences,omitempty"`
}

// Difference is a side held against the first.
type Difference struct {
	Side       int        `json:"side"`
	Violations Test       `json:"violations"`
	Unknowns   Test       `json:"unknowns"`
	Felt       []FeltTest `json:"felt,omitempty"`
}

// Word is what a test comes to.
type Word string

// Words.
const (
	Worse      Word = "worse"
	Better     Word = "better"
	NoEvidence Word = "no evidence"
)

// Test is whether a rate differs.
type Test struct {
	P        float64 `json:"p"`        // Fisher's, two-sided
	Adjusted float64 `json:"adjusted"` // Holm's
	Word     Word    `json:"word"`
	// More is how many more runs of each side would settle a difference as large as the one seen; 0: none was seen, or too many.
	More int `json:"more_runs,omitempty"`
	// Detectable is the rate that would have been told from the first side's, with this many runs; 0: none.
	Detectable float64 `json:"detectable,omitempty"`
	Text       string  `json:"text"`
}

// FeltTest is whether clients felt a difference.
type FeltTest struct {
	Name  string         `json:"name"`
	Phase string         `json:"phase,omitempty"`
	Ratio stats.Interval `json:"ratio"` // of the medians, this side's to the first's
	Word  Word           `json:"word"`
	// Regression: it is worse by more than is tolerated, and that counts (Options.Strict).
	Regression bool `json:"regression,omitempty"`
}

// Compare holds every side against the first. With one side only it counts.
func Compare(sides []Side, o Options) (*Comparison, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if len(sides) == 0 {
		return nil, errors.New("there is nothing to compare")
	}
	c := &Comparison{Alpha: o.Alpha, Chance: o.Chance}
	for _, s := range sides {
		c.Sides = append(c.Sides, About{Label: s.Label, Folder: s.Campaign.Folder, Version: s.Version.Name, Commit: s.Version.Commit,
			Digest: s.Version.Digest, Started: s.Campaign.Plan.Started, Stopped: s.Campaign.Stopped()})
	}
	c.count(sides, 1-o.Alpha)
	c.testRates(o)
	c.testFelt(o)
	c.conclude(o)
	return c, nil
}

// count fills in the tallies of every cell that any side has.
func (c *Comparison) count(sides []Side, confidence float64) {
	for _, s := range sides {
		for _, conditions := range s.cells() {
			if slices.ContainsFunc(c.Cells, func(cell Cell) bool { return cell.Conditions == conditions }) {
				continue
			}
			cell := Cell{Conditions: conditions}
			for i, s := range sides {
				t := tally(s, conditions, confidence)
				cell.Tallies = append(cell.Tallies, t)
				if t != nil {
					c.Sides[i].Runs += t.Runs
				}
			}
			c.Cells = append(c.Cells, cell)
		}
	}
	c.note()
}

// note says where a table does not mean what it seems to.
func (c *Comparison) note() {
	for _, s := range c.Sides {
		if s.Stopped {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: its campaign was stopped at a violation, so its rates are too high, and it is not compared; go on with it: ordeal torture --resume %s", s.Label, harmless(s.Folder)))
		}
	}
	for _, cell := range c.Cells {
		for i, t := range cell.Tallies {
			switch {
			case t == nil:
				c.Notes = append(c.Notes, fmt.Sprintf("%s (%s): no runs of %s, so nothing is compared there", cell.Name(), cell.Setting(), c.Sides[i].Label))
			case t.judged() == 0:
				c.Unjudged++
				c.Notes = append(c.Notes, fmt.Sprintf("%s (%s): no run of %s came to a verdict", cell.Name(), cell.Setting(), c.Sides[i].Label))
			}
		}
	}
}

// testRates makes all tests of rates, as one family.
func (c *Comparison) testRates(o Options) {
	var family []*Test
	var p []float64
	for i := range c.Cells {
		cell := &c.Cells[i]
		for side := 1; side < len(cell.Tallies); side++ {
			a, b := cell.Tallies[0], cell.Tallies[side]
			if a == nil || b == nil || c.Sides[0].Stopped || c.Sides[side].Stopped {
				continue
			}
			cell.Differences = append(cell.Differences, Difference{Side: side,
				Violations: Test{P: stats.Fisher(a.Invalid, a.judged(), b.Invalid, b.judged())},
				Unknowns:   Test{P: stats.Fisher(a.Unknown, a.counted(), b.Unknown, b.counted())}})
		}
		for d := range cell.Differences {
			for _, t := range []*Test{&cell.Differences[d].Violations, &cell.Differences[d].Unknowns} {
				family, p = append(family, t), append(p, t.P)
			}
		}
	}
	c.Tests = len(family)
	for i, adjusted := range stats.Holm(p) {
		family[i].Adjusted = adjusted
	}
	for i := range c.Cells {
		cell := &c.Cells[i]
		for d := range cell.Differences {
			a, b := cell.Tallies[0], cell.Tallies[cell.Differences[d].Side]
			settle(&cell.Differences[d].Violations, rate{a.Invalid, a.judged()}, rate{b.Invalid, b.judged()}, c.Tests, o)
			settle(&cell.Differences[d].Unknowns, rate{a.Unknown, a.counted()}, rate{b.Unknown, b.counted()}, c.Tests, o)
		}
	}
}

// rate is k of n.
type rate struct{ k, n int }

func (r rate) value() float64 {
	if r.n == 0 {
		return 0
	}
	return float64(r.k) / float64(r.n)
}

// settle finds the word, and what it would take where there is none.
func settle(t *Test, a, b rate, tests int, o Options) {
	switch {
	case t.Adjusted <= o.Alpha && b.value() > a.value():
		t.Word = Worse
	case t.Adjusted <= o.Alpha && b.value() < a.value():
		t.Word = Better
	default:
		t.Word = NoEvidence
		level := o.Alpha / float64(tests)
		if n, ok := stats.RunsNeeded(min(a.value(), b.value()), max(a.value(), b.value()), level, o.Chance); ok {
			t.More = max(1, n-min(a.n, b.n)) // with luck, fewer
		}
		if rate, ok := stats.Detectable(a.value(), min(a.n, b.n), level, o.Chance); ok {
			t.Detectable = rate
		}
	}
}

// testFelt makes all tests of what clients felt, as another family.
func (c *Comparison) testFelt(o Options) {
	tests := 0
	c.eachFelt(func(*Difference, Metric, Metric) { tests++ })
	c.eachFelt(func(d *Difference, a, b Metric) {
		ratio, ok := stats.MedianRatio(a.values, b.values, 1-o.Alpha/float64(tests))
		if !ok {
			return
		}
		t := FeltTest{Name: a.Name, Phase: a.Phase, Ratio: ratio, Word: NoEvidence}
		if ratio.Low > 1 || ratio.High < 1 {
			t.Word = Worse
			if (ratio.Low > 1) == a.higherIsBetter() {
				t.Word = Better
			}
		}
		d.Felt = append(d.Felt, t)
	})
}

func (c *Comparison) eachFelt(do func(d *Difference, a, b Metric)) {
	for i := range c.Cells {
		cell := &c.Cells[i]
		for d := range cell.Differences {
			for _, a := range cell.Tallies[0].Felt {
				for _, b := range cell.Tallies[cell.Differences[d].Side].Felt {
					if a.Name == b.Name && a.Phase == b.Phase {
						do(&cell.Differences[d], a, b)
					}
				}
			}
		}
	}
}

// conclude puts words to it all.
func (c *Comparison) conclude(o Options) {
	for i := range c.Cells {
		cell := &c.Cells[i]
		for d := range cell.Differences {
			difference := &cell.Differences[d]
			c.word(cell, difference)
			c.Regression = c.Regression || difference.Violations.Word == Worse || difference.Unknowns.Word == Worse
			for f := range difference.Felt {
				t := &difference.Felt[f]
				t.Regression = o.Strict && t.Word == Worse && beyond(t.Ratio, o.Tolerance)
				c.Regression = c.Regression || t.Regression
			}
		}
	}
}

// beyond tells whether the whole interval lies beyond the tolerance.
func beyond(ratio stats.Interval, tolerance float64) bool {
	return ratio.Low > 1+tolerance || ratio.High < 1/(1+tolerance)
}
