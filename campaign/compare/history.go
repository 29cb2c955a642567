package compare

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/stats"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

//go:embed history.html
var historyHTML string

var historyTemplate = template.Must(template.New("history").Parse(historyHTML))

// Campaigns are the folders of campaigns in a folder, the oldest first: they are named after the time they began at.
func Campaigns(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("%w; `ordeal torture --name NAME` makes campaigns in results/NAME", err)
	}
	var all []string
	for _, e := range entries { // sorted by name
		path := filepath.Join(folder, e.Name())
		if _, err := os.Stat(filepath.Join(path, campaign.PlanFile)); err == nil && e.Name() != store.Latest {
			all = append(all, path)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no campaign; `ordeal torture --name %s` makes one there", folder, filepath.Base(folder))
	}
	return all, nil
}

// Latest are the latest campaign in a folder and, before it, the latest earlier one that has any runs: one that ended before its first
// has nothing to be held against, and one that a violation stopped has rates that are too high. Where there is none it is the latest alone.
func Latest(folder string) ([]string, error) {
	all, err := Campaigns(folder)
	if err != nil {
		return nil, err
	}
	last := len(all) - 1
	for i := last - 1; i >= 0; i-- {
		if canBeBase(all[i]) {
			return []string{all[i], all[last]}, nil
		}
	}
	return all[last:], nil
}

// canBeBase tells whether other campaigns can be held against the one in the folder. One that cannot be read is for its reader to refuse.
func canBeBase(folder string) bool {
	info, err := os.Stat(filepath.Join(folder, campaign.RunsFile))
	if err != nil || info.Size() == 0 {
		return false
	}
	c, err := campaign.Open(folder)
	return err != nil || !c.Stopped()
}

// historyPage is what the template shows.
type historyPage struct {
	CSS      template.CSS
	Title    string
	Problems []string
	Cells    []*historyCell
}

type historyCell struct {
	Conditions
	Charts  []chart
	Columns []string
	Rows    []historyRow

	tallies []*Tally
}

type historyRow struct {
	Begun, Version, Commit string
	Runs, Invalid, Unknown int
	Rate                   string
	Felt                   []string
}

// chart is a value over the campaigns.
type chart struct {
	Title string
	Ticks []tick
	Bars  []bar
	Bad   bool // one of them is
}

// tick is a labelled height.
type tick struct {
	At    float64 // percent, down from the top
	Label string
}

// bar is a campaign's value; coordinates are percent, down from the top.
type bar struct {
	X, Left, Right, Low, At, High float64
	HitLeft, HitWidth             float64 // where it can be pointed at
	Text, Label                   string  // the label stands below; most bars of many have none
	Bad                           bool
}

// felt that a history shows.
var historyMetrics = []Metric{{Name: "throughput", Phase: "calm"}, {Name: "p50", Phase: "calm"}, {Name: "p99", Phase: "calm"}, {Name: "leaderless"}}

// History writes a page of all campaigns in a folder, over time and by version. One that cannot be read is named there, and does not
// hide the others.
func History(w io.Writer, folder string) error {
	folders, err := Campaigns(folder)
	if err != nil {
		return err
	}
	p := &historyPage{CSS: report.Style()}
	read := 0
	for _, folder := range folders {
		sides, err := Sides(folder)
		if err != nil {
			p.Problems = append(p.Problems, err.Error())
			continue
		}
		read++
		for _, s := range sides {
			p.add(s)
		}
	}
	p.Title = fmt.Sprintf("%s of %s", count(read, "campaign"), filepath.Base(filepath.Clean(folder)))
	for _, c := range p.Cells {
		c.draw()
	}
	if err := historyTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	return nil
}

func (p *historyPage) add(s Side) {
	for _, conditions := range s.cells() {
		t := tally(s, conditions, 1-Default.Alpha)
		if t == nil {
			continue
		}
		i := slices.IndexFunc(p.Cells, func(c *historyCell) bool { return c.Conditions == conditions })
		if i < 0 {
			i = len(p.Cells)
			p.Cells = append(p.Cells, &historyCell{Conditions: conditions})
			for _, m := range historyMetrics {
				p.Cells[i].Columns = append(p.Cells[i].Columns, m.Title())
			}
		}
		row := historyRow{Begun: s.Campaign.Plan.Started.UTC().Format("2006-01-02 15:04"), Version: s.Version.Name, Commit: s.Version.Commit[:min(12, len(s.Version.Commit))],
			Runs: t.Runs, Invalid: t.Invalid, Unknown: t.Unknown, Rate: t.rateText("%s (%s)")}
		for _, m := range historyMetrics {
			value := ""
			if found, ok := t.metric(m); ok {
				value = found.Value()
			}
			row.Felt = append(row.Felt, value)
		}
		p.Cells[i].Rows = append(p.Cells[i].Rows, row)
		p.Cells[i].tallies = append(p.Cells[i].tallies, t)
	}
}

func (t *Tally) metric(m Metric) (Metric, bool) {
	i := slices.IndexFunc(t.Felt, func(f Metric) bool { return f.Name == m.Name && f.Phase == m.Phase })
	if i < 0 {
		return Metric{}, false
	}
	return t.Felt[i], true
}

// draw makes the cell's charts: the failure rate and what clients felt.
func (c *historyCell) draw() {
	rates := make([]point, len(c.tallies))
	for i, t := range c.tallies {
		rates[i] = point{known: t.judged() > 0, at: t.Rate, interval: t.Interval, bad: t.Invalid > 0, text: c.Rows[i].Rate}
	}
	c.chart("failure rate", rates, percent)
	for n, m := range historyMetrics {
		points := make([]point, len(c.tallies))
		unit := ""
		for i, t := range c.tallies {
			if found, ok := t.metric(m); ok {
				points[i] = point{known: true, at: found.Median, interval: found.Interval, text: c.Rows[i].Felt[n]}
				unit = found.Unit
			}
		}
		c.chart(m.Title(), points, func(v float64) string { return quantity(v, unit) })
	}
}

const chartLabels = 8 // below a chart

// point is a campaign's value in a chart.
type point struct {
	known    bool
	at       float64
	interval stats.Interval
	bad      bool
	text     string
}

func (c *historyCell) chart(title string, points []point, words func(float64) string) {
	scale := 0.0
	for _, p := range points {
		scale = max(scale, p.interval.High, p.at)
	}
	if scale == 0 {
		return
	}
	out := chart{Title: title}
	step := 100 / float64(len(points))
	height := func(v float64) float64 { return 98 - 96*v/scale }
	for _, part := range []float64{0, 0.5, 1} {
		out.Ticks = append(out.Ticks, tick{height(part * scale), words(part * scale)})
	}
	every := (len(points) + chartLabels - 1) / chartLabels
	for i, p := range points {
		if !p.known {
			continue
		}
		x, label := (float64(i)+0.5)*step, ""
		if i%every == 0 {
			label = c.Rows[i].Begun[len("2006-"):]
		}
		out.Bad = out.Bad || p.bad
		out.Bars = append(out.Bars, bar{X: x, HitLeft: x - step/2, HitWidth: step, Left: x - min(1, step/3), Right: x + min(1, step/3), Low: height(p.interval.Low), At: height(p.at), High: height(p.interval.High),
			Bad: p.bad, Label: label, Text: c.Rows[i].Begun + ", " + c.Rows[i].Version + ": " + p.text})
	}
	c.Charts = append(c.Charts, out)
}
