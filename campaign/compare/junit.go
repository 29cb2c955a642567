package compare

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The part of JUnit's format that build servers read.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes a test case for every cell of every side but the first, which fails where a run was invalid, and one for its comparison with the
// first side, which fails where it is worse. Where there is one side only it is of that one.
func (c *Comparison) JUnit(w io.Writer) error {
	last := len(c.Sides) - 1
	suite := junitSuite{Name: "ordeal " + c.Sides[last].Label, Time: c.Sides[last].Started.UTC().Format("2006-01-02T15:04:05")}
	for side := min(1, last); side <= last; side++ {
		for i := range c.Cells {
			cell := &c.Cells[i]
			if t := cell.Tallies[side]; t != nil {
				suite.add(runsCase(cell, t), c.whose(side))
			}
			if d := cell.difference(side); d != nil {
				suite.add(comparedCase(cell, d, c.Sides[0].Label), c.whose(side))
			}
		}
	}
	text, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	return err
}

// whose tells test cases of several sides apart.
func (c *Comparison) whose(side int) string {
	if len(c.Sides) <= 2 {
		return ""
	}
	return c.Sides[side].Label + ": "
}

func (s *junitSuite) add(c junitCase, whose string) {
	s.Tests++
	c.Name = whose + c.Name
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func runsCase(cell *Cell, t *Tally) junitCase {
	c := junitCase{Class: "campaign." + cell.Cluster, Name: cell.Name(), Out: fmt.Sprintf("%s; %s, %d invalid, %d unknown", cell.Setting(), count(t.Runs, "run"), t.Invalid, t.Unknown)}
	switch {
	case t.Invalid > 0:
		var text strings.Builder
		textViolations(&text, "violation", t)
		c.Failure = &junitMessage{Message: fmt.Sprintf("%d of %s invalid", t.Invalid, count(t.judged(), "run")), Text: text.String()}
	case t.judged() == 0:
		c.Skipped = &junitMessage{Message: "no run came to a verdict"}
	}
	return c
}

func comparedCase(cell *Cell, d *Difference, base string) junitCase {
	c := junitCase{Class: "compared." + cell.Cluster, Name: cell.Name() + " with " + base, Out: "violations: " + d.Violations.Text + "\nno verdict: " + d.Unknowns.Text}
	var worse []string
	for _, t := range []Test{d.Violations, d.Unknowns} {
		if t.Word == Worse {
			worse = append(worse, t.Text)
		}
	}
	for _, t := range d.Felt {
		if t.Regression {
			worse = append(worse, fmt.Sprintf("%s: worse: %s", t.Title(), t.Change()))
		}
	}
	if len(worse) > 0 {
		c.Failure = &junitMessage{Message: strings.Join(worse, "; ")}
	}
	return c
}
