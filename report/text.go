package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// TextOptions are what the terminal's summary shows beside the verdict.
type TextOptions struct {
	Color   bool               // ANSI colours: a terminal that wants them, and NO_COLOR is not set
	Report  string             // path of the page; empty: none
	Slowest *history.Operation // see Latency; nil: not shown
	P50     time.Duration      // of ok operations; 0: not shown
	P99     time.Duration
}

const (
	maxTextKeys   = 3
	maxTextFaults = 12
)

// Text writes the summary a person reads at the end of a run.
func Text(w io.Writer, v store.Verdict, o TextOptions) error {
	t := &text{color: o.Color}
	t.headline(v)
	for _, r := range v.Results {
		t.checker(r, v.Reason)
	}
	t.blank()
	t.operations(v, o)
	t.figures(v)
	t.leaders(v.Leaders)
	t.faults(v.Faults)
	if o.Report != "" {
		t.line("report", o.Report)
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

type text struct {
	b     strings.Builder
	color bool
}

const (
	red    = "31;1"
	green  = "32;1"
	yellow = "33;1"
	faint  = "2"
)

func (t *text) paint(code, s string) string {
	if !t.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *text) blank() { t.b.WriteByte('\n') }

// line writes a name and what there is to say about it, in two columns.
func (t *text) line(name, value string) {
	t.b.WriteString(t.paint(faint, fmt.Sprintf("  %-11s", name)) + " " + value + "\n")
}

func (t *text) headline(v store.Verdict) {
	word, code := "NO VERDICT", yellow
	switch v.Verdict {
	case checker.Valid:
		word, code = "VALID", green
	case checker.Invalid:
		word, code = "INVALID", red
	case checker.Unknown:
		word = "UNKNOWN"
	}
	t.b.WriteString(t.paint(code, word))
	if v.Reason != "" {
		t.b.WriteString("  " + shown(v.Reason, 500))
	}
	t.blank()
}

// checker tells of a checker that is not content, and of the keys behind it. What the headline said is not repeated.
func (t *text) checker(r checker.Result, said string) {
	for _, warning := range r.Warnings[:min(len(r.Warnings), 5)] {
		t.line("warning", shown(warning, 300))
	}
	if r.Verdict == checker.Valid {
		return
	}
	if r.Reason != "" && r.Reason != said {
		t.line(shown(r.Checker, 30), shown(r.Reason, 500))
	}
	keys := slices.DeleteFunc(slices.Clone(r.Keys), func(k checker.KeyResult) bool { return k.Verdict == checker.Valid })
	slices.SortStableFunc(keys, func(a, b checker.KeyResult) int {
		return cmp.Compare(severity(string(a.Verdict)), severity(string(b.Verdict)))
	})
	for i, k := range keys {
		if i == maxTextKeys {
			t.line("", fmt.Sprintf("… and %s more; the report lists them", plural(len(keys)-i, "key")))
			break
		}
		t.key(k)
	}
}

// figures are what was measured, a line a checker; what is nothing is left out.
func (t *text) figures(v store.Verdict) {
	for _, r := range v.Results {
		var words []string
		for _, f := range r.Figures {
			if f.Value != 0 {
				words = append(words, strings.TrimSpace(fmt.Sprintf("%s %s %s", shown(f.Name, 60), measured(f.Value), f.Unit)))
			}
		}
		if len(words) > 0 {
			t.line(shown(r.Checker, 30), strings.Join(words, ", "))
		}
	}
}

func (t *text) key(k checker.KeyResult) {
	t.line("key "+shown(k.Key, 40), string(k.Verdict)+": "+shown(k.Reason, 400))
	ops := slices.Clone(k.Evidence)
	slices.SortStableFunc(ops, func(a, b history.Operation) int { return cmp.Compare(a.Call, b.Call) })
	for i, op := range ops {
		if i == 10 {
			t.line("", fmt.Sprintf("… and %s more", plural(len(ops)-i, "operation")))
			break
		}
		returned := "never returned"
		if op.Return != history.Forever {
			returned = "to " + exactInstant(op.Return)
		}
		t.line("", fmt.Sprintf("%s %-24s process %-4d %s %s", pad(call(op, 20), 16), result(op, 20), op.Process, exactInstant(op.Call), returned))
	}
}

// pad counts characters, not bytes, as fmt does too; it is for strings that are joined before.
func pad(s string, width int) string { return fmt.Sprintf("%-*s", width, s) }

func (t *text) operations(v store.Verdict, o TextOptions) {
	c := v.Operations
	total := c.OK + c.Fail + c.Info
	t.line("operations", fmt.Sprintf("%s: %s ok, %s fail, %s info, in %s (%s ok)", thousands(total), thousands(c.OK), thousands(c.Fail),
		thousands(c.Info), duration(v.Length), rate(c.OK, v.Length)))
	if o.P50 > 0 {
		latency := fmt.Sprintf("p50 %s, p99 %s", duration(o.P50), duration(o.P99))
		if s := o.Slowest; s != nil {
			latency += fmt.Sprintf(", slowest %s: %s %s at %s", duration(s.Latency()), call(*s, 20), shown(s.Key, 30), instant(s.Call-s.Late)) // its latency counts from there
			if s.Node != "" {
				latency += " on " + shown(s.Node, 30)
			}
		}
		t.line("latency", latency)
	}
}

func (t *text) leaders(leaders []store.Leadership) {
	summary := leaderSummary(leaders)
	var list []string
	for i, l := range leaders {
		if i == 8 {
			list = append(list, "…")
			break
		}
		list = append(list, fmt.Sprintf("%s/%d", shown(l.Node, 20), l.Term))
	}
	if len(list) > 0 {
		summary += ": " + strings.Join(list, " ") + " (node/term)"
	}
	t.line("leaders", summary)
}

func (t *text) faults(faults []store.FaultInterval) {
	t.line("faults", faultSummary(faults))
	for i, f := range faults {
		if i == maxTextFaults {
			t.line("", fmt.Sprintf("… and %d more; the report lists them", len(faults)-i))
			return
		}
		t.line("", t.fault(f))
	}
}

func (t *text) fault(f store.FaultInterval) string {
	state := t.paint(green, "took hold")
	switch {
	case !f.Took:
		state = t.paint(red, "no effect")
	case f.Overlaps == 0:
		state = t.paint(yellow, "unnoticed")
	}
	what := shown(f.Fault, 20)
	if f.Mode != "" {
		what += " " + shown(f.Mode, 20)
	}
	line := fmt.Sprintf("%-20s %9s +%-8s %s  %5d ops  %s", what, instant(f.Start), duration(f.End-f.Start), state, f.Overlaps, short(whatOf(f), 60))
	if len(f.Evidence) > 0 {
		line += t.paint(faint, " · "+short(f.Evidence[0], 60))
	}
	if !f.Healed {
		line += t.paint(red, " · not healed")
	}
	return strings.TrimRight(line, " ")
}

// measured is a number to four digits, and in whole ones where it has more.
func measured(v float64) string {
	if math.Abs(v) >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}
