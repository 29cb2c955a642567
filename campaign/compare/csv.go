package compare

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
)

// CSV writes a line for every side of every cell, and for everything that clients felt there.
func (c *Comparison) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"version", "cluster", "workload", "faults", "nodes", "clients", "rate", "seconds", "measure", "runs", "value", "low", "high", "unit", "word"}}
	for _, cell := range c.Cells {
		for side, t := range cell.Tallies {
			if t == nil {
				continue
			}
			where := []string{c.Sides[side].Label, cell.Cluster, cell.Workload, cell.Faults, strconv.Itoa(cell.Nodes), strconv.Itoa(cell.Clients),
				number(cell.Rate), number(cell.Duration.Seconds())}
			row := func(measure string, runs int, value, low, high, unit, word string) {
				rows = append(rows, append(append([]string(nil), where...), measure, strconv.Itoa(runs), value, low, high, unit, word))
			}
			row("invalid", t.judged(), t.rateNumber(), number(t.Interval.Low), number(t.Interval.High), "share", string(cell.word(side)))
			row("unknown", t.counted(), number(rate{t.Unknown, t.counted()}.value()), "", "", "share", string(cell.unknownWord(side)))
			for _, m := range t.Felt {
				row(m.Title(), m.Runs, number(m.Median), number(m.Interval.Low), number(m.Interval.High), m.Unit, string(cell.feltWord(side, m)))
			}
		}
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}

// rateNumber is empty where no run came to a verdict.
func (t *Tally) rateNumber() string {
	if t.judged() == 0 {
		return ""
	}
	return number(t.Rate)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// difference is a side's; nil for the first and where it has no runs.
func (c *Cell) difference(side int) *Difference {
	for i := range c.Differences {
		if c.Differences[i].Side == side {
			return &c.Differences[i]
		}
	}
	return nil
}

func (c *Cell) word(side int) Word {
	if d := c.difference(side); d != nil {
		return d.Violations.Word
	}
	return ""
}

func (c *Cell) unknownWord(side int) Word {
	if d := c.difference(side); d != nil {
		return d.Unknowns.Word
	}
	return ""
}

func (c *Cell) feltWord(side int, m Metric) Word {
	if d := c.difference(side); d != nil {
		for _, t := range d.Felt {
			if t.Name == m.Name && t.Phase == m.Phase {
				return t.Word
			}
		}
	}
	return ""
}
