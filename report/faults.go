package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/store"
)

const faultLane = 20

// faultKind is how a kind of fault looks: colour by class, and a pattern, for those who do not see the colour.
type faultKind struct {
	name, class, pattern, transform string
}

// faultKinds have looks of their own; every other kind takes the last.
var faultKinds = []faultKind{
	{"kill", "kill", "M0 0V8", "rotate(45)"},
	{"partition", "partition", "M0 0V8", "rotate(0)"},
	{"pause", "pause", "M0 0V8", "rotate(90)"},
	{"clock", "clock", "M0 0V8", "rotate(135)"},
	{"disk", "disk", "M0 0V8M0 4H8", "rotate(0)"},
	{"packet", "packet", "M0 2H4M4 6H8", "rotate(0)"},
	{"", "other", "M2 2h2v2h-2z", "rotate(0)"},
}

func kindOf(fault string) faultKind {
	for _, k := range faultKinds {
		if k.name == fault {
			return k
		}
	}
	return faultKinds[len(faultKinds)-1]
}

// faultView is the faults as the plots need them: in force within the test, by start.
type faultView struct {
	a      axis
	faults []store.FaultInterval
	drawn  []faultBlock
}

// faultBlock is what is drawn as one: a fault, or several of a kind so close together that they could not be told apart.
type faultBlock struct {
	store.FaultInterval
	count int
}

const maxBlocks = 300

func newFaultView(all []store.FaultInterval, a axis) *faultView {
	faults := slices.Clone(all)
	for i := range faults {
		if faults[i].End <= faults[i].Start {
			faults[i].End = a.length // in force until the end
		}
	}
	slices.SortStableFunc(faults, func(x, y store.FaultInterval) int { return cmp.Compare(x.Start, y.Start) })
	v := &faultView{a: a, faults: faults}
	for apart := time.Duration(0); ; apart = max(2*apart, a.length/2000, 1) {
		if v.drawn = blocks(faults, apart, len(faults) > maxBlocks); len(v.drawn) <= maxBlocks || apart > a.length {
			return v
		}
	}
}

// blocks joins faults of a kind that are not more than the given time apart.
func blocks(faults []store.FaultInterval, apart time.Duration, join bool) []faultBlock {
	var list []faultBlock
	last := map[string]int{} // the last block of a kind
	for _, f := range faults {
		kind := fmt.Sprint(kindOf(f.Fault).class, f.Took)
		if i, ok := last[kind]; join && ok && f.Start-list[i].End <= apart {
			list[i].End = max(list[i].End, f.End)
			list[i].Overlaps += f.Overlaps
			list[i].count++
			continue
		}
		last[kind] = len(list)
		list = append(list, faultBlock{f, 1})
	}
	return list
}

// shade draws the faults behind a plot. One that did not take hold is not shaded: nothing happened there.
func (v *faultView) shade(d *drawing, height int) {
	for _, f := range v.drawn {
		if !f.Took {
			continue
		}
		x, width := v.a.span(f.Start, f.End)
		d.element("rect", "", "x", percent(x), "width", percent(max(width, 0.1)), "y", "0", "height", fmt.Sprint(height),
			"class", "shade", "fill", "url(#hatch-"+kindOf(f.Fault).class+")")
	}
}

// during names the faults in force at any time between two moments, at most limit of them.
func (v *faultView) during(from, to time.Duration, limit int) []string {
	var names []string
	for _, f := range v.faults {
		if !f.Took || f.End < from || f.Start > to {
			continue
		}
		if len(names) == limit {
			return append(names, "…")
		}
		names = append(names, faultName(f))
	}
	return names
}

func faultName(f store.FaultInterval) string {
	name := shown(f.Fault, 30)
	if f.Mode != "" {
		name += " (" + shown(f.Mode, 30) + ")"
	}
	if what := whatOf(f); what != "" {
		name += " " + shown(what, 80)
	}
	return name
}

// whatOf is the fault's text without the fault's name before it, which stands there already.
func whatOf(f store.FaultInterval) string { return strings.TrimPrefix(f.Text, f.Fault+" ") }

// strip draws every fault as a named bar, in as many lanes as overlap.
func (v *faultView) strip() plot {
	lanes, of := v.pack()
	var d drawing
	for i, f := range v.drawn {
		x, width := v.a.span(f.Start, f.End)
		y := float64(of[i]*faultLane) + 1
		class := "fault"
		fill := "url(#hatch-" + kindOf(f.Fault).class + ")"
		if !f.Took {
			class, fill = "fault missed", "none"
		}
		d.open("g", "tabindex", "-1", "role", "img", "aria-label", f.explain())
		d.title(f.explain())
		d.element("rect", "", "x", percent(x), "width", percent(max(width, 0.25)), "y", number(y), "height", fmt.Sprint(faultLane-2),
			"class", class+" "+kindOf(f.Fault).class, "fill", fill)
		d.label(f.label(), x, width, y, faultLane-2, "name")
		d.close("g")
	}
	height := max(lanes, 1) * faultLane
	return plot{
		Title: "Faults", Height: height, About: plural(len(v.faults), "fault") + " in time; the table below lists them.",
		Labels: "", Body: d.html(),
	}
}

func (b faultBlock) label() string {
	label := shown(b.Fault, 30)
	switch {
	case b.count > 1:
		label = fmt.Sprintf("%s × %s", thousands(b.count), label)
	case b.Text != "":
		label += " " + shown(whatOf(b.FaultInterval), 60)
	}
	return label
}

func (b faultBlock) explain() string {
	if b.count == 1 {
		return explainFault(b.FaultInterval)
	}
	return fmt.Sprintf("%s faults like %s\n%s to %s; %s open meanwhile\nthey are too close together to be drawn apart",
		thousands(b.count), faultName(b.FaultInterval), instant(b.Start), instant(b.End), plural(b.Overlaps, "operation"))
}

// pack puts each fault in the first lane that is free when it starts.
func (v *faultView) pack() (lanes int, of []int) {
	var free []time.Duration // when each lane ends
	for _, f := range v.drawn {
		lane := slices.IndexFunc(free, func(end time.Duration) bool { return end <= f.Start })
		if lane < 0 {
			if len(free) < 6 {
				free = append(free, 0)
			}
			lane = len(free) - 1
		}
		free[lane] = max(free[lane], f.End)
		of = append(of, lane)
	}
	return len(free), of
}

func explainFault(f store.FaultInterval) string {
	text := fmt.Sprintf("#%d %s\n%s to %s (%s)", f.ID, faultName(f), instant(f.Start), instant(f.End), duration(f.End-f.Start))
	if f.Took {
		text += "\ntook hold; " + plural(f.Overlaps, "operation") + " open meanwhile"
	} else {
		text += "\ndid not take hold"
	}
	if !f.Healed {
		text += "\nnot healed"
	}
	for _, e := range f.Evidence[:min(len(f.Evidence), 4)] {
		text += "\n· " + shown(e, 120)
	}
	return text
}

// faultRow is a line of the faults' table.
type faultRow struct {
	ID                   int
	Class, Kind, Mode    string
	Text, From, Lasted   string
	Took, Healed, Seen   bool
	Overlaps             string
	Evidence             []string
	FromExact, ToInstant string
}

const maxFaultRows = 300

// table lists the faults, those that prove nothing first.
func (v *faultView) table() (list []faultRow, left int) {
	order := slices.Clone(v.faults)
	useless := func(f store.FaultInterval) int {
		if f.Took && f.Overlaps > 0 && f.Healed {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(order, func(x, y store.FaultInterval) int { return cmp.Compare(useless(x), useless(y)) })
	if len(order) > maxFaultRows {
		order, left = order[:maxFaultRows], len(order)-maxFaultRows
	}
	for _, f := range order {
		row := faultRow{
			ID: f.ID, Class: kindOf(f.Fault).class, Kind: shown(f.Fault, 30), Mode: shown(f.Mode, 30), Text: shown(whatOf(f), 200),
			From: instant(f.Start), Lasted: duration(f.End - f.Start), Took: f.Took, Healed: f.Healed, Seen: f.Overlaps > 0,
			Overlaps: thousands(f.Overlaps), ToInstant: instant(f.End),
		}
		for i, e := range f.Evidence {
			if i == 12 {
				row.Evidence = append(row.Evidence, fmt.Sprintf("… and %d more, in %s", len(f.Evidence)-i, store.VerdictFile))
				break
			}
			row.Evidence = append(row.Evidence, shown(e, 300))
		}
		list = append(list, row)
	}
	return list, left
}

// summary is the faults in a phrase: 5 of 6 took hold: 3 partition, 2 kill.
func faultSummary(faults []store.FaultInterval) string {
	if len(faults) == 0 {
		return "none"
	}
	took := map[string]int{}
	var kinds []string
	n := 0
	for _, f := range faults {
		if !f.Took {
			continue
		}
		n++
		kind := shown(f.Fault, 30)
		if took[kind] == 0 && len(kinds) < 8 {
			kinds = append(kinds, kind)
		}
		took[kind]++
	}
	slices.Sort(kinds)
	var parts []string
	for _, k := range kinds {
		parts = append(parts, thousands(took[k])+" "+k)
	}
	text := fmt.Sprintf("%s of %s took hold", thousands(n), thousands(len(faults)))
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text
}

// legend is the fault kinds that occur.
func (v *faultView) legend() []template.HTML {
	var seen []string
	var items []template.HTML
	for _, f := range v.faults {
		name := shown(f.Fault, 30)
		if slices.Contains(seen, name) || len(seen) == 8 {
			continue
		}
		seen = append(seen, name)
		var d drawing
		d.open("svg", "width", "22", "height", "12", "aria-hidden", "true")
		d.element("rect", "", "width", "22", "height", "12", "class", "fault "+kindOf(f.Fault).class, "fill", "url(#hatch-"+kindOf(f.Fault).class+")")
		d.close("svg")
		items = append(items, d.html()+" "+template.HTML(template.HTMLEscapeString(name)))
	}
	return items
}
