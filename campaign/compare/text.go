package compare

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ordeal-dev/ordeal/report"
)

// Listed bounds what a terminal and a page list of each cell.
const listed = 10

// Text writes the comparison for a terminal; what clients felt on request.
func (c *Comparison) Text(w io.Writer, felt bool) error {
	var b strings.Builder
	for i := range c.Cells {
		c.textCell(&b, &c.Cells[i])
		if felt {
			c.textFelt(&b, &c.Cells[i])
		}
		c.textViolations(&b, &c.Cells[i])
		b.WriteByte('\n')
	}
	for _, note := range c.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	if len(c.Sides) > 1 {
		fmt.Fprintln(&b, c.Headline())
	}
	_, err := io.WriteString(w, harmlessLines(b.String()))
	return err
}

// Headline says it in a sentence.
func (c *Comparison) Headline() string {
	if len(c.Sides) < 2 {
		return fmt.Sprintf("%s: %s", c.Sides[0].Label, count(c.Sides[0].Runs, "run"))
	}
	worse, better, felt := c.words()
	others := c.Sides[1].Label
	if len(c.Sides) > 2 {
		others = count(len(c.Sides)-1, "other version")
	}
	text := fmt.Sprintf("No evidence of a difference between %s and %s", c.Sides[0].Label, others)
	switch {
	case c.Tests == 0:
		return fmt.Sprintf("Nothing could be compared between %s and %s", c.Sides[0].Label, others)
	case worse > 0:
		text = fmt.Sprintf("REGRESSION: worse than %s in %s", c.Sides[0].Label, count(worse, "respect"))
	case c.Regression:
		text = fmt.Sprintf("REGRESSION: clients felt it slower than %s", c.Sides[0].Label)
	case better > 0:
		text = fmt.Sprintf("Better than %s in %s", c.Sides[0].Label, count(better, "respect"))
	}
	if c.Unjudged > 0 {
		text += "; not all could be compared, since runs came to no verdict"
	}
	if felt > 0 {
		text += fmt.Sprintf("; clients felt a change for the worse in %s", count(felt, "respect"))
	}
	return text
}

// words counts what came out.
func (c *Comparison) words() (worse, better, felt int) {
	for _, cell := range c.Cells {
		for _, d := range cell.Differences {
			for _, t := range []Test{d.Violations, d.Unknowns} {
				switch t.Word {
				case Worse:
					worse++
				case Better:
					better++
				}
			}
			for _, t := range d.Felt {
				if t.Word == Worse {
					felt++
				}
			}
		}
	}
	return worse, better, felt
}

func (c *Comparison) textCell(b *strings.Builder, cell *Cell) {
	fmt.Fprintf(b, "%s  (%s)\n", cell.Name(), cell.Setting())
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  \tRUNS\tINVALID\tUNKNOWN\tFAILURE RATE (%s)\t\n", c.confidence())
	for i, t := range cell.Tallies {
		if t == nil {
			continue
		}
		unknown := fmt.Sprint(t.Unknown)
		if t.Failed > 0 {
			unknown += fmt.Sprintf(" + %d not brought to an end", t.Failed)
		}
		fmt.Fprintf(table, "  %s\t%d\t%d\t%s\t%s\t\n", c.Sides[i].Label, t.Runs, t.Invalid, unknown, t.rateText("%s  %s"))
	}
	_ = table.Flush() // into memory
	for i, t := range cell.Tallies {
		if t != nil && t.Why != "" {
			fmt.Fprintf(b, "  %s: came to no verdict most often because: %s\n", c.Sides[i].Label, short(t.Why))
		}
	}
	for _, d := range cell.Differences {
		label := c.Sides[d.Side].Label
		fmt.Fprintf(b, "  %s: violations: %s\n", label, d.Violations.Text)
		if t := d.Unknowns; t.Word != NoEvidence || t.P < 1 {
			fmt.Fprintf(b, "  %s: no verdict: %s\n", label, t.Text)
		}
	}
}

func (c *Comparison) textViolations(b *strings.Builder, cell *Cell) {
	for i, t := range cell.Tallies {
		if t != nil {
			textViolations(b, c.Sides[i].Label, t)
		}
	}
}

func (c *Comparison) textFelt(b *strings.Builder, cell *Cell) {
	rows := feltRows(cell)
	if len(rows) == 0 {
		return
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "  what clients felt (median of the runs; [range] where there are few)")
	for i, t := range cell.Tallies {
		if t != nil {
			fmt.Fprintf(table, "\t%s", c.Sides[i].Label)
		}
	}
	fmt.Fprintln(table, "\t")
	for _, row := range rows {
		fmt.Fprintf(table, "  %s", row.Title)
		for i, t := range cell.Tallies {
			if t != nil {
				fmt.Fprintf(table, "\t%s", row.Values[i])
			}
		}
		fmt.Fprintf(table, "\t%s\n", row.Verdict)
	}
	_ = table.Flush()
}

// feltRow is one metric over all sides.
type feltRow struct {
	Title   string
	Values  []string // by side; empty: it has none
	Verdict string
	Word    Word
}

func feltRows(cell *Cell) []feltRow {
	var rows []feltRow
	at := map[string]int{}
	for i, t := range cell.Tallies {
		if t == nil {
			continue
		}
		for _, m := range t.Felt {
			row, known := at[m.Title()]
			if !known {
				row = len(rows)
				at[m.Title()] = row
				rows = append(rows, feltRow{Title: m.Title(), Values: make([]string, len(cell.Tallies))})
			}
			rows[row].Values[i] = m.Value()
		}
	}
	for _, d := range cell.Differences {
		for _, t := range d.Felt {
			if row, known := at[t.Title()]; known && t.Word != NoEvidence {
				rows[row].Word = t.Word
				rows[row].Verdict = strings.TrimSpace(fmt.Sprintf("%s %s: %s", rows[row].Verdict, t.Word, t.Change()))
			}
		}
	}
	return rows
}

func textViolations(b *strings.Builder, label string, t *Tally) {
	for i, v := range t.Violations {
		if i == listed {
			fmt.Fprintf(b, "  ... and %d more\n", len(t.Violations)-i)
			return
		}
		fmt.Fprintf(b, "  %s, run %d, seed %d: %s%s\n    %s\n", label, v.Run, v.Seed, short(v.Reason), v.Repeated(), harmless(report.Shell(v.Replay)))
	}
}

// short is the first 160 characters, in a line.
func short(text string) string {
	text = harmless(text)
	if r := []rune(text); len(r) > 160 {
		return string(r[:160]) + "…"
	}
	return text
}

// Repeated says how often the violation came again; nothing where it was not tried.
func (v Violation) Repeated() string {
	if v.Of == 0 {
		return ""
	}
	return fmt.Sprintf("; came again %d of %d times with the same seed and schedule (%s)", v.Again, v.Of, percents(v.Interval))
}
