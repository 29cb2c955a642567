package report

import (
	"bufio"
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

//go:embed page
var pageFiles embed.FS

// pageScript is that of the run's page.
func pageScript() string {
	return script("base", "state", "marks", "walk", "plots", "operations", "logs", "pictures", "keys", "start")
}

// script is parts of scripts in the order in which they need one another, in a scope of their own.
func script(parts ...string) string {
	var all strings.Builder
	all.WriteString("'use strict';\n(() => {\n")
	for _, part := range parts {
		all.WriteString(pageFile(part + ".js"))
	}
	all.WriteString("})();\n")
	return all.String()
}

// pageCSS is the look of this page and of others beside it.
var pageCSS = pageFile("page.css")

func pageFile(name string) string {
	b, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic("report: " + err.Error()) // it is built in
	}
	return string(b)
}

var pageTemplate = template.Must(template.New("page").Parse(pageFile("page.html")))

// page is what the template shows. Strings in it are safe to look at (see shown) and not yet escaped: the template
// does that.
type page struct {
	CSS   template.CSS
	JS    template.JS
	Title string

	Verdict, Headline, Reason string
	Figures                   []figure
	Results                   []resultRow
	Problems                  []string

	Evidence     []evidence
	EvidenceLeft leftOut

	Definitions template.HTML
	Plots       []plot
	Legend      []template.HTML
	Window      *window // where the evidence lies
	Seconds     float64 // length of the test
	Kinds       []kindRow

	Faults     []faultRow
	FaultsLeft int

	KeysLeft int

	KeysData, OperationsData, LogsData string // packed
	PicturesData                       []pictureData
	Operations, LogLines               int
	HasKeys, HasPictures               bool
	Rough                              bool // see logData
	Messages, Shrunk                   string

	Command  string
	Settings []figure
	Versions []figure
	Machine  []figure
	Links    []Link
	Logs     []Link
}

// figure is a name and what there is to say about it.
type figure struct{ Name, Value, Note string }

type resultRow struct {
	Checker, Verdict, Reason, Model, Elapsed string
	Warnings                                 []string
}

type kindRow struct {
	F, OK, Fail, Info, P50, P99, Highest string
}

// window is the stretch of the test that the evidence covers, in percent.
type window struct {
	X, Width float64
	From, To float64 // seconds
}

// Write writes the page.
func Write(w io.Writer, in Input) error {
	p, err := newPage(in)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	if err := pageTemplate.Execute(out, p); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return out.Flush()
}

func newPage(in Input) (*page, error) {
	t, c := newTimeline(), &collect{}
	last, problem := in.follow(func(j *joined) { t.add(j); c.add(j) })
	t.last = last
	if problem != "" {
		in.Problems = append(slices.Clone(in.Problems), problem)
	}
	v := in.Verdict
	a := axis{length: max(t.last, v.Length, time.Millisecond)}
	faults := newFaultView(v.Faults, a)

	p := &page{CSS: template.CSS(pageCSS), JS: template.JS(pageScript()), Title: title(in.Test), Definitions: definitions(), Messages: in.Messages, Shrunk: in.Shrunk}
	p.verdict(in)
	p.Figures = figures(in, t, a)
	p.Evidence, p.EvidenceLeft = gatherEvidence(v, faults)
	p.plots(in, t, a, faults)
	p.Kinds = t.kinds()
	p.Faults, p.FaultsLeft = faults.table()
	p.keys(v)
	p.pictures(in.Pictures)
	ops := gatherOperations(in, c, t)
	p.Operations, p.OperationsData = ops.total, packed(ops.columns(in, a.length))
	in.Problems = append(slices.Clone(in.Problems), p.logs(in)...)
	for _, problem := range in.Problems {
		p.Problems = append(p.Problems, shown(problem, 600))
	}
	p.ground(in)
	return p, nil
}

func (p *page) keys(v store.Verdict) {
	rows, left := keyTable(v)
	p.HasKeys, p.KeysLeft = len(rows) > 0, left
	p.KeysData = packed(rows)
}

func (p *page) logs(in Input) (problems []string) {
	data, problems := gatherLogs(in.Logs, in.Test, in.Verdict, p.Evidence)
	p.LogLines, p.Rough = len(data.Text), data.Rough
	p.LogsData = packed(data)
	return problems
}

func title(t store.Test) string {
	name := t.Name
	if name == "" {
		name = "ordeal"
	}
	if t.Started.IsZero() {
		return shown(name, 80)
	}
	return shown(name, 80) + " · " + t.Started.UTC().Format("2006-01-02 15:04:05 UTC")
}

func (p *page) verdict(in Input) {
	v := in.Verdict
	p.Verdict = string(v.Verdict)
	p.Reason = shown(v.Reason, 2000)
	switch v.Verdict {
	case checker.Valid:
		p.Headline = "Valid: what the clients saw is linearizable"
		if !linearizable(v) {
			p.Headline = "Valid"
		}
	case checker.Invalid:
		p.Headline = "Invalid: the system broke its promise"
	case checker.Unknown:
		p.Headline = "Unknown: nothing can be said"
	default:
		p.Verdict, p.Headline = "none", "No verdict"
		if p.Reason == "" {
			p.Reason = "The run goes on still, or was ended before its verdict. `ordeal check` on this folder checks what there is."
		}
	}
	for _, r := range v.Results {
		row := resultRow{Checker: shown(r.Checker, 60), Verdict: string(r.Verdict), Reason: shown(r.Reason, 600), Model: shown(r.Model, 60)}
		if r.Elapsed > 0 {
			row.Elapsed = duration(r.Elapsed)
		}
		for i, warning := range r.Warnings {
			if i == 20 {
				row.Warnings = append(row.Warnings, fmt.Sprintf("… and %d more, in %s", len(r.Warnings)-i, store.VerdictFile))
				break
			}
			row.Warnings = append(row.Warnings, shown(warning, 400))
		}
		p.Results = append(p.Results, row)
	}
}

func linearizable(v store.Verdict) bool {
	return slices.ContainsFunc(v.Results, func(r checker.Result) bool {
		return strings.HasPrefix(r.Checker, "linearizab") && r.Verdict == checker.Valid
	})
}

// figures are the numbers under the verdict.
func figures(in Input, t *timeline, a axis) []figure {
	c := in.Verdict.Operations
	if c == (store.Counts{}) {
		c = store.Counts{OK: t.counts[0], Fail: t.counts[1], Info: t.counts[2]}
	}
	list := []figure{
		{"operations", thousands(c.OK + c.Fail + c.Info), rate(c.OK, a.length) + " ok on average"},
		{"ok", thousands(c.OK), "took effect"},
		{"fail", thousands(c.Fail), "surely had no effect"},
		{"info", thousands(c.Info), "nobody knows"},
		{"faults", thousands(tookHold(in.Verdict.Faults)), faultSummary(in.Verdict.Faults)},
		{"leaders", thousands(len(in.Verdict.Leaders)), leaderSummary(in.Verdict.Leaders)},
	}
	if t.total.total > 0 {
		list = append(list,
			figure{"latency", duration(t.total.quantile(0.5)), "p99 " + duration(t.total.quantile(0.99))},
			figure{"slowest", duration(t.slowest.latency), fmt.Sprintf("%s %s at %s", shown(t.slowest.f, 20), shown(t.slowest.key, 20), instant(t.slowest.call))})
	}
	return append(list, figure{"length", duration(a.length), fmt.Sprintf("%s, %s", plural(in.Test.Clients, "client"), plural(len(in.Test.Nodes), "node"))})
}

func tookHold(faults []store.FaultInterval) int {
	n := 0
	for _, f := range faults {
		if f.Took {
			n++
		}
	}
	return n
}

func (p *page) plots(in Input, t *timeline, a axis, faults *faultView) {
	byNode := segments(in.Observations, a.length)
	if len(byNode) == 0 {
		byNode = fromLeaderships(in.Verdict.Leaders)
	}
	if len(faults.faults) > 0 {
		p.Plots = append(p.Plots, faults.strip())
	}
	p.Plots = append(p.Plots, throughput(t, a, faults), latencies(t, a, faults))
	if len(byNode) > 0 {
		p.Plots = append(p.Plots, whoLed(in.Test.Nodes, byNode, a, faults))
	}
	if plot, ok := commits(in.Observations, a, faults); ok {
		p.Plots = append(p.Plots, plot)
	}
	p.Plots = append(p.Plots, timeAxis(a))
	p.Seconds = a.length.Seconds()
	p.Legend = faults.legend()
	if len(p.Evidence) > 0 {
		x, width := a.span(p.Evidence[0].from, p.Evidence[0].to)
		p.Window = &window{x, max(width, 0.2), p.Evidence[0].from.Seconds(), p.Evidence[0].to.Seconds()}
	}
}

// kinds are the operations by name.
func (t *timeline) kinds() []kindRow {
	var list []kindRow
	for _, f := range slices.Sorted(maps.Keys(t.byF)) {
		k := t.byF[f]
		row := kindRow{F: shown(f, 40), OK: thousands(k.counts[0]), Fail: thousands(k.counts[1]), Info: thousands(k.counts[2])}
		if k.latency.total > 0 {
			row.P50, row.P99, row.Highest = duration(k.latency.quantile(0.5)), duration(k.latency.quantile(0.99)), duration(k.highest)
		}
		list = append(list, row)
	}
	return list
}

// pictureData is a picture as the page's script reads it.
type pictureData struct {
	Key    string `json:"key"`
	Note   string `json:"note"`
	Height int    `json:"height"` // pixels
	HTML   string `json:"html"`   // packed: most are never looked at
}

func (p *page) pictures(list []Picture) {
	p.HasPictures, p.PicturesData = len(list) > 0, []pictureData{}
	for _, pic := range list {
		p.PicturesData = append(p.PicturesData, pictureData{
			Key: shown(pic.Key, keyShown), Note: shown(pic.Note, 400), HTML: packed(string(pic.HTML)),
			Height: min(160+40*pic.Lanes, 640), // its own text below the last lane included
		})
	}
}

// ground is what the run stood on and how to repeat it.
func (p *page) ground(in Input) {
	t := in.Test
	p.Command = shown(shell(t.Command), 4000)
	perSecond := "as fast as answers come"
	if t.Rate > 0 {
		perSecond = number(t.Rate) + " operations a second"
	}
	p.Settings = []figure{
		{Name: "name", Value: shown(t.Name, 120)}, {Name: "system", Value: shown(t.System, 120)}, {Name: "cluster", Value: shown(t.Cluster, 40)},
		{Name: "nodes", Value: shown(strings.Join(t.Nodes, " "), 400)}, {Name: "workload", Value: shown(t.Workload, 80)},
		{Name: "faults", Value: shown(strings.Join(t.Faults, ", "), 200)}, {Name: "clients", Value: thousands(t.Clients)},
		{Name: "rate", Value: perSecond}, {Name: "duration", Value: duration(t.Duration)}, {Name: "seed", Value: fmt.Sprint(t.Seed)},
	}
	if t.Mutant != "" {
		p.Settings = append(p.Settings, figure{Name: "seeded bug", Value: shown(t.Mutant, 120)})
	}
	p.Versions, p.Machine = facts(t.Versions), facts(t.Machine)
	for _, l := range in.Links {
		if strings.HasPrefix(l.Href, store.NodesFolder+"/") {
			p.Logs = append(p.Logs, l)
		} else {
			p.Links = append(p.Links, l)
		}
	}
}

func facts(m map[string]string) []figure {
	var list []figure
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if len(list) == 60 {
			break
		}
		list = append(list, figure{Name: shown(name, 60), Value: shown(m[name], 300)})
	}
	return list
}

// Latency measures the operations that came back ok: median, 99th percentile (both to 3%) and the slowest; nil when
// there are none.
func Latency(ops []history.Operation) (p50, p99 time.Duration, slowest *history.Operation) {
	var h histogram
	for i := range ops {
		op := &ops[i]
		if op.Type != history.OK {
			continue
		}
		h.add(op.Latency())
		if slowest == nil || op.Latency() > slowest.Latency() {
			slowest = op
		}
	}
	return h.quantile(0.5), h.quantile(0.99), slowest
}
