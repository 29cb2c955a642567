package report

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

const (
	throughputHeight = 130
	latencyHeight    = 220
	quantilePoints   = 120
	scaled           = 1000.0 // width of the coordinates of drawings that are stretched to the plot's width
)

var outcomeClasses = [...]string{"ok", "fail", "info"}

// throughput draws completions a second, stacked by outcome.
func throughput(t *timeline, a axis, faults *faultView) plot {
	scale := newLinear(t.highestRate(), throughputHeight)
	var d drawing
	gridlines(&d, scale.ticks())
	faults.shade(&d, throughputHeight)
	paths := [len(outcomes)]strings.Builder{}
	for i, b := range t.buckets {
		t.stack(&paths, i, b, a, scale)
	}
	d.open("svg", stretched(throughputHeight)...)
	for o := range paths {
		if paths[o].Len() > 0 {
			d.element("path", "", "class", "area "+outcomeClasses[o], "d", paths[o].String())
		}
	}
	d.close("svg")
	t.hits(&d, a, faults, throughputHeight)
	return plot{
		Title: "Completed operations a second", Height: throughputHeight,
		About:  fmt.Sprintf("Operations completed a second over the test, by outcome; at most %s.", rate(int(t.highestRate()), time.Second)),
		Labels: labels(scale.ticks(), throughputHeight), Body: d.html(),
	}
}

func stretched(height int) []string {
	return []string{"width", "100%", "height", fmt.Sprint(height), "viewBox", fmt.Sprintf("0 0 %g %d", scaled, height), "preserveAspectRatio", "none"}
}

func (t *timeline) highestRate() float64 {
	highest := 0
	for _, b := range t.buckets {
		sum := 0
		for _, n := range b.counts {
			sum += n
		}
		highest = max(highest, sum)
	}
	return float64(highest) / t.width.Seconds()
}

// stack adds a bucket's columns to the outcomes' paths. What did not go well is at least two pixels high: it is what
// people look for.
func (t *timeline) stack(paths *[len(outcomes)]strings.Builder, i int, b *bucket, a axis, scale linear) {
	x, width := t.place(i, a)
	base := scale.height
	for o, n := range b.counts {
		if n == 0 {
			continue
		}
		height := scale.height - scale.y(float64(n)/t.width.Seconds())
		if o > 0 {
			height = max(height, 2)
		}
		top := max(base-height, 0)
		fmt.Fprintf(&paths[o], "M%s %sV%sH%sV%sz", number(x*scaled/100), number(base), number(top), number((x+width)*scaled/100), number(base))
		base = top
	}
}

// place is a bucket's place and width in percent.
func (t *timeline) place(i int, a axis) (x, width float64) {
	return a.span(time.Duration(i)*t.width, time.Duration(i+1)*t.width)
}

// hits lays an invisible column over every bucket that says what happened in it.
func (t *timeline) hits(d *drawing, a axis, faults *faultView, height int) {
	d.open("g", "class", "hits")
	for i, b := range t.buckets {
		x, width := t.place(i, a)
		if width <= 0 {
			continue
		}
		d.element("rect", t.explain(i, b, faults), "x", percent(x), "width", percent(width), "y", "0", "height", fmt.Sprint(height))
	}
	d.close("g")
}

func (t *timeline) explain(i int, b *bucket, faults *faultView) string {
	from, to := time.Duration(i)*t.width, time.Duration(i+1)*t.width
	text := fmt.Sprintf("%s to %s\nok %s, fail %s, info %s", trimmed(from), trimmed(to),
		rate(b.counts[0], t.width), rate(b.counts[1], t.width), rate(b.counts[2], t.width))
	if b.latency.total > 0 {
		text += fmt.Sprintf("\nlatency of ok: p50 %s, p99 %s", duration(b.latency.quantile(0.5)), duration(b.latency.quantile(0.99)))
	}
	for _, f := range faults.during(from, to, 3) {
		text += "\nduring " + f
	}
	return text
}

func trimmed(t time.Duration) string { return tickLabel(t.Round(time.Millisecond)) }

// latencies draws a point for the operations of every cell and the quantiles of every bucket.
func latencies(t *timeline, a axis, faults *faultView) plot {
	points := t.cells.points()
	lowest, highest := time.Duration(0), time.Duration(0)
	for i, p := range points {
		l := p.slowest.latency
		if i == 0 || l < lowest {
			lowest = l
		}
		highest = max(highest, l)
	}
	scale := newLogarithmic(lowest, highest, latencyHeight)
	var d drawing
	gridlines(&d, scale.ticks())
	faults.shade(&d, latencyHeight)
	t.hits(&d, a, faults, latencyHeight)
	d.open("g", "class", "points")
	for _, p := range points {
		drawPoint(&d, p, a, scale)
	}
	d.close("g")
	d.open("svg", stretched(latencyHeight)...)
	for _, q := range []struct {
		q     float64
		class string
	}{{0.5, "p50"}, {0.99, "p99"}} {
		d.element("path", "", "class", "quantile "+q.class, "d", t.quantileLine(q.q, a, scale))
	}
	d.close("svg")
	return plot{
		Title: "Latency, logarithmic", Height: latencyHeight,
		About:  fmt.Sprintf("Latency of operations over the test: median %s, 99th percentile %s, highest %s.", duration(t.total.quantile(0.5)), duration(t.total.quantile(0.99)), duration(highest)),
		Labels: labels(scale.ticks(), latencyHeight), Body: d.html(),
	}
}

func drawPoint(d *drawing, c cell, a axis, scale logarithmic) {
	s := c.slowest
	x, y := percent(a.x(s.call+s.latency)), number(scale.y(s.latency))
	size := 0 // of the mark: one operation, more than ten, more than a hundred
	switch {
	case c.count > 100:
		size = 2
	case c.count > 10:
		size = 1
	}
	switch s.outcome { // a <use> costs the browser more than a shape, and most are ok
	case history.OK:
		d.element("circle", explainPoint(c), "cx", x, "cy", y, "r", pointSizes[size])
	default:
		d.element("use", explainPoint(c), "href", fmt.Sprint("#", outcomeClasses[outcomeIndex(s.outcome)], size+1), "x", x, "y", y)
	}
}

// pointSizes are radii in pixels.
var pointSizes = [...]string{"1.7", "2.2", "2.8"}

func explainPoint(c cell) string {
	s := c.slowest
	text := fmt.Sprintf("%s %s: %s after %s\ncompleted at %s, process %d", shown(s.f, 30), shown(s.key, 40), s.outcome, duration(s.latency),
		instant(s.call+s.latency), s.process)
	if s.node != "" {
		text += ", " + shown(s.node, 30)
	}
	if s.err != "" {
		text += "\n" + shown(s.err, 120)
	}
	if c.count > 1 {
		text += fmt.Sprintf("\nthe slowest of %s operations this point stands for", thousands(c.count))
	}
	return text
}

// quantileLine joins neighbouring stretches of a few buckets; it breaks where nothing succeeded.
func (t *timeline) quantileLine(q float64, a axis, scale logarithmic) string {
	var path strings.Builder
	pen := "M"
	few := (len(t.buckets) + quantilePoints - 1) / quantilePoints
	for i := 0; i < len(t.buckets); i += few {
		var h histogram
		end := min(i+few, len(t.buckets))
		for _, b := range t.buckets[i:end] {
			h.merge(&b.latency)
		}
		if h.total == 0 {
			pen = "M"
			continue
		}
		x, width := a.span(time.Duration(i)*t.width, time.Duration(end)*t.width)
		fmt.Fprintf(&path, "%s%s %s", pen, number((x+width/2)*scaled/100), number(scale.y(h.quantile(q))))
		if pen == "M" {
			path.WriteString("h.01") // a stretch on its own is a dot
		}
		pen = "L"
	}
	return path.String()
}

// timeAxis is the row under the plots.
func timeAxis(a axis) plot {
	var d drawing
	for _, t := range a.ticks() {
		class, anchor := "tick", "middle"
		if t.minor {
			class += " minor"
		}
		if t.at == 0 {
			anchor = "start"
		}
		if t.at > 97 {
			anchor = "end"
		}
		d.element("line", "", "x1", percent(t.at), "x2", percent(t.at), "y1", "0", "y2", "5", "class", "mark")
		d.text(t.label, "x", percent(t.at), "y", "17", "text-anchor", anchor, "class", class)
	}
	var name drawing
	name.text("time", "x", "100%", "y", "17", "text-anchor", "end", "class", "tick")
	return plot{Title: "", Height: 22, Labels: name.html(), Body: d.html(), About: "Time since the start of the test."}
}

// definitions are the shapes and patterns that drawings refer to.
func definitions() template.HTML {
	var d drawing
	for i, r := range pointSizes {
		n := fmt.Sprint(i + 1)
		d.element("circle", "", "id", "ok"+n, "r", r, "class", "point ok")
		d.element("rect", "", "id", "fail"+n, "x", "-1", "y", "-1", "width", "2", "height", "2", "class", "point fail", "transform", "scale("+r+")")
		d.element("path", "", "id", "info"+n, "d", "M-3-3L3 3M-3 3L3-3", "class", "point info", "transform", "scale("+fmt.Sprint(0.8+0.3*float64(i))+")")
	}
	for _, k := range faultKinds {
		d.open("pattern", "id", "hatch-"+k.class, "width", "8", "height", "8", "patternUnits", "userSpaceOnUse", "patternTransform", k.transform)
		d.element("rect", "", "width", "8", "height", "8", "class", "wash "+k.class)
		d.element("path", "", "d", k.pattern, "class", "hatch "+k.class)
		d.close("pattern")
	}
	return d.html()
}
