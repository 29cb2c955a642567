package compare

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"path/filepath"

	"github.com/ordeal-dev/ordeal/report"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("compare").Parse(pageHTML))

// page is what the template shows.
type page struct {
	CSS              template.CSS
	Banner, Headline string
	Notes            []string
	Sides            []About
	Confidence       string
	Level            string
	Tests            int
	Cells            []pageCell
}

type pageCell struct {
	Name, Setting, Scale string
	Rows                 []pageRow
	Sentences            []string
	Labels               []string
	Felt                 []feltRow
	Violations           []pageViolation
}

type pageRow struct {
	Label                  string
	Runs, Invalid, Unknown int
	Failed                 int
	Rate                   string
	Low, At, High          float64 // percent of the scale
	Word                   Word
}

type pageViolation struct {
	Label, Command string
	Address        string // of the run's page; empty: none
	Violation
}

// HTML writes the comparison as a page of its own: it refers to nothing outside.
func (c *Comparison) HTML(w io.Writer) error { return c.HTMLWith(w, func(string) string { return "" }) }

// HTMLWith is HTML for a place where runs have addresses: address gives the one of the run in a folder, or nothing.
func (c *Comparison) HTMLWith(w io.Writer, address func(folder string) string) error {
	p := page{CSS: report.Style(), Headline: c.Headline(), Notes: c.Notes, Sides: c.Sides, Confidence: c.confidence(),
		Level: fmt.Sprint(c.Alpha), Tests: c.Tests, Banner: "valid"}
	worse, _, _ := c.words()
	switch {
	case c.Regression || len(c.Sides) == 1 && c.anyInvalid():
		p.Banner = "invalid"
	case len(c.Sides) > 1 && c.Tests == 0 || worse > 0:
		p.Banner = "unknown"
	}
	for i := range c.Cells {
		p.Cells = append(p.Cells, c.pageCell(&c.Cells[i], address))
	}
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

func (c *Comparison) anyInvalid() bool {
	for _, cell := range c.Cells {
		for _, t := range cell.Tallies {
			if t != nil && t.Invalid > 0 {
				return true
			}
		}
	}
	return false
}

func (c *Comparison) pageCell(cell *Cell, address func(string) string) pageCell {
	p := pageCell{Name: cell.Name(), Setting: cell.Setting()}
	scale := 0.01
	for _, t := range cell.Tallies {
		if t != nil && t.judged() > 0 {
			scale = max(scale, t.Interval.High)
		}
	}
	p.Scale = percent(scale)
	for i, t := range cell.Tallies {
		p.Labels = append(p.Labels, c.Sides[i].Label)
		if t == nil {
			continue
		}
		of := func(v float64) float64 { return 100 * min(1, v/scale) }
		p.Rows = append(p.Rows, pageRow{Label: c.Sides[i].Label, Runs: t.Runs, Invalid: t.Invalid, Unknown: t.Unknown, Failed: t.Failed,
			Rate: t.rateText("%s (%s)"), Low: of(t.Interval.Low), At: of(t.Rate), High: of(t.Interval.High), Word: cell.word(i)})
		for n, v := range t.Violations {
			if n == listed {
				break
			}
			v.Reason = short(v.Reason)
			at := ""
			if v.Folder != "" {
				at = address(filepath.Join(c.Sides[i].Folder, filepath.FromSlash(v.Folder)))
			}
			p.Violations = append(p.Violations, pageViolation{c.Sides[i].Label, report.Shell(v.Replay), at, v})
		}
	}
	for _, d := range cell.Differences {
		p.Sentences = append(p.Sentences, c.Sides[d.Side].Label+": violations: "+d.Violations.Text)
		if d.Unknowns.P < 1 {
			p.Sentences = append(p.Sentences, c.Sides[d.Side].Label+": no verdict: "+d.Unknowns.Text)
		}
	}
	p.Felt = feltRows(cell)
	return p
}
