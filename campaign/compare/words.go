package compare

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/campaign/felt"
	"github.com/ordeal-dev/ordeal/campaign/stats"
)

// word writes the sentences of a difference.
func (c *Comparison) word(cell *Cell, d *Difference) {
	a, b := cell.Tallies[0], cell.Tallies[d.Side]
	base := c.Sides[0].Label
	d.Violations.Text = c.sentence(&d.Violations, base, "fails", rate{a.Invalid, a.judged()}, rate{b.Invalid, b.judged()})
	d.Unknowns.Text = c.sentence(&d.Unknowns, base, "comes to no verdict", rate{a.Unknown, a.counted()}, rate{b.Unknown, b.counted()})
}

func (c *Comparison) sentence(t *Test, base, fails string, a, b rate) string {
	if t.Word != NoEvidence {
		i := stats.Wilson(b.k, b.n, 1-c.Alpha)
		return fmt.Sprintf("%s than %s: %s in %s of runs (%s), instead of %s; by chance alone p %s, corrected for %s", t.Word, base, fails,
			percent(b.value()), percents(i), percent(a.value()), pValue(t.Adjusted), count(c.Tests, "test"))
	}
	text := "no evidence of a difference"
	switch {
	case t.P == 1 && t.Detectable == 0 || a.n == 0 || b.n == 0:
		text += "; there are too few runs to find any"
	case t.More > 0:
		text += fmt.Sprintf("; if the rates are as they look (%s and %s), about %s of each would settle it", percent(a.value()), percent(b.value()), count(t.More, "more run"))
	case t.Detectable > 0:
		text += fmt.Sprintf("; a rate of %s would have been found with a chance of %s", percent(t.Detectable), percent(c.Chance))
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// confidence is that of all intervals.
func (c *Comparison) confidence() string { return fmt.Sprintf("%.8g %%", 100*(1-c.Alpha)) }

// percent has two digits that count.
func percent(p float64) string {
	switch p *= 100; {
	case p == 0 || p >= 99.95:
		return fmt.Sprintf("%.0f %%", p)
	case p < 10:
		return fmt.Sprintf("%.*f %%", max(0, 1-int(math.Floor(math.Log10(p)))), p)
	}
	return fmt.Sprintf("%.0f %%", p)
}

// rateText is the rate of the invalid runs with its interval. Where none came to a verdict there is no rate: "0 %" would say that they passed.
func (t *Tally) rateText(format string) string {
	if t.judged() == 0 {
		return "no verdict"
	}
	return fmt.Sprintf(format, percent(t.Rate), percents(t.Interval))
}

func percents(i stats.Interval) string { return percent(i.Low) + " to " + percent(i.High) }

func pValue(p float64) string {
	if p < 0.0001 {
		return "< 0.0001"
	}
	return fmt.Sprintf("= %.2g", p)
}

// Title names a metric for people.
func (m Metric) Title() string { return metricTitle(m.Name, m.Phase) }

// Title names what was tested for people.
func (t FeltTest) Title() string { return metricTitle(t.Name, t.Phase) }

func metricTitle(name, phase string) string {
	if phase != "" && phase != felt.Calm {
		phase = "under " + phase
	} else if phase == felt.Calm {
		phase = "in calm"
	}
	switch name {
	case "p50":
		name = "median latency"
	case "p99":
		name = "99 % latency"
	case "leaderless":
		return "time without a leader"
	case "recovery":
		return "recovery after " + strings.TrimPrefix(phase, "under ")
	}
	return name + " " + phase
}

// Value is a metric's value for people. Square brackets are around a whole range, where the runs are too few for an interval.
func (m Metric) Value() string {
	value := quantity(m.Median, m.Unit)
	switch {
	case m.Runs < 2:
		return value
	case m.Sure:
		return fmt.Sprintf("%s (%s to %s)", value, bare(m.Interval.Low, m.Unit), bare(m.Interval.High, m.Unit))
	}
	return fmt.Sprintf("%s [%s to %s]", value, bare(m.Interval.Low, m.Unit), bare(m.Interval.High, m.Unit))
}

func quantity(v float64, unit string) string {
	if unit == "ms" && v >= 1000 {
		return fmt.Sprintf("%.2f s", v/1000)
	}
	return bare(v, unit) + " " + unit
}

func bare(v float64, unit string) string {
	if unit == "ms" && v >= 1000 {
		return (time.Duration(v) * time.Millisecond).Round(10 * time.Millisecond).String()
	}
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%.*f", min(3, max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))), v)
}

// Change is a felt difference for people.
func (t FeltTest) Change() string {
	return fmt.Sprintf("x%.2f to x%.2f", t.Ratio.Low, t.Ratio.High)
}
