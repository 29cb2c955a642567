package report

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
)

// Measures of the drawing, in pixels.
const (
	sequenceRow    = 22
	sequenceMargin = 104 // for the times
	sequenceLane   = 168 // from node to node
	sequenceClient = 150 // from client to client
	sequenceHead   = 30
)

// sequenceDrawing is the body of a drawing and the names of its lanes, which stay in view.
type sequenceDrawing struct {
	Width, Height int
	Head, Body    template.HTML
}

// sequenceLanes are where nodes and clients stand.
type sequenceLanes struct {
	names []string
	nodes int
	x     map[string]float64
	width int
}

func newSequenceLanes(s Sequence) sequenceLanes {
	l := sequenceLanes{names: slices.Concat(s.Nodes, s.Clients), nodes: len(s.Nodes), x: map[string]float64{}}
	x := float64(sequenceMargin + 40)
	for i, name := range l.names {
		l.x[name] = x
		if i < l.nodes-1 {
			x += sequenceLane
		} else {
			x += sequenceClient
		}
	}
	l.width = int(x) + 40
	return l
}

// sequencePainter draws lines from top to bottom and remembers, of each lane, since when it is what it is.
type sequencePainter struct {
	drawing
	lanes  sequenceLanes
	events []SequenceEvent
	states map[string]laneState
}

type laneState struct {
	row  int
	up   bool
	role string
	term uint64
}

func drawSequence(lanes sequenceLanes, events []SequenceEvent) sequenceDrawing {
	p := &sequencePainter{lanes: lanes, events: events, states: map[string]laneState{}}
	height := (len(events) + 1) * sequenceRow
	p.spans()
	for i := range events {
		p.time(i)
		p.event(i)
	}
	return sequenceDrawing{Width: lanes.width, Height: height, Head: lanes.head(), Body: p.html()}
}

func (l sequenceLanes) head() template.HTML {
	var d drawing
	for i, name := range l.names {
		class := "lane-name"
		if i >= l.nodes {
			class = "lane-name client"
		}
		d.text(shown(name, 18), "x", number(l.x[name]), "y", "20", "text-anchor", "middle", "class", class)
	}
	return d.html()
}

func rowY(i int) float64 { return float64(i)*sequenceRow + sequenceRow/2 }

// spans draws the lanes themselves: thin for a follower, dashed for a candidate, wide for a leader, dotted while down.
func (p *sequencePainter) spans() {
	for i, e := range p.events {
		before, known := p.states[e.Lane]
		after := before
		switch e.Kind {
		case SequenceStart:
			after = laneState{up: true, role: "follower", term: e.Term}
		case SequenceDown:
			after = laneState{}
		case SequenceRole:
			after = laneState{up: true, role: e.Role, term: e.Term}
		default:
			continue
		}
		if known || i > 0 {
			p.span(e.Lane, before, rowY(i))
		}
		after.row = i
		p.states[e.Lane] = after
	}
	end := float64(len(p.events)) * sequenceRow
	for i, name := range p.lanes.names {
		if i < p.lanes.nodes {
			p.span(name, p.states[name], end)
		} else {
			p.element("line", "", "x1", number(p.lanes.x[name]), "x2", number(p.lanes.x[name]), "y1", "0", "y2", number(end), "class", "life client")
		}
	}
}

func (p *sequencePainter) span(lane string, s laneState, to float64) {
	x, from := p.lanes.x[lane], rowY(s.row)
	if s.row == 0 {
		from = 0
	}
	switch {
	case !s.up:
		p.element("line", "", "x1", number(x), "x2", number(x), "y1", number(from), "y2", number(to), "class", "life down")
	case s.role == "leader":
		class := "leader"
		if s.term%2 == 0 {
			class += " even"
		}
		p.element("rect", fmt.Sprintf("%s leads term %d", lane, s.term), "x", number(x-4), "y", number(from), "width", "8", "height", number(to-from), "class", class)
	default:
		p.element("line", fmt.Sprintf("%s: %s in term %d", lane, s.role, s.term), "x1", number(x), "x2", number(x), "y1", number(from), "y2", number(to), "class", "life "+s.role)
	}
}

// time writes the moment where it differs from that of the line before.
func (p *sequencePainter) time(i int) {
	if i > 0 && p.events[i-1].At == p.events[i].At {
		return
	}
	p.text(exactInstant(p.events[i].At), "x", number(sequenceMargin-12), "y", number(rowY(i)+4), "text-anchor", "end", "class", "tick")
}

func (p *sequencePainter) event(i int) {
	e := &p.events[i]
	switch e.Kind {
	case SequenceMessage, SequenceLost:
		p.message(i, e)
	case SequenceStart:
		p.sign(i, e, "", "start")
	case SequenceDown:
		p.sign(i, e, "✕ ", "crash")
	case SequenceRole:
		p.sign(i, e, "", "role "+e.Role)
	case SequenceNote:
		p.sign(i, e, "", "note")
	case SequenceOperation:
		p.operation(i, e)
	case SequenceFault, SequenceViolation:
		p.band(i, e)
	}
}

func markedClass(class string, e *SequenceEvent) string {
	if e.Marked {
		return class + " marked"
	}
	return class
}

// message draws an arrow from where it was sent to where it arrived, or a short one that ends in a cross.
func (p *sequencePainter) message(i int, e *SequenceEvent) {
	x1, y1, x2 := p.lanes.x[e.Lane], rowY(i), p.lanes.x[e.To]
	y2, class := y1+sequenceRow/2, markedClass("message "+e.Class, e)
	arrives := e.Kind == SequenceMessage && e.Until > i
	if arrives {
		y2 = rowY(e.Until)
	} else {
		x2, class = x1+(x2-x1)*.55, class+" lost"
	}
	p.open("g", "class", class)
	p.element("line", e.Detail, "x1", number(x1), "y1", number(y1), "x2", number(x2), "y2", number(y2), "class", "shaft")
	if arrives {
		p.arrowHead(x1, y1, x2, y2)
	} else {
		p.text("✕", "x", number(x2), "y", number(y2+4), "text-anchor", "middle", "class", "cross-mark")
	}
	at, anchor := x1+8, "start"
	if x2 < x1 {
		at, anchor = x1-8, "end"
	}
	p.text(shown(e.Label, 40), "x", number(at), "y", number(y1-2), "text-anchor", anchor, "class", "name")
	p.close("g")
}

// arrowHead is a small triangle that points along the line.
func (p *sequencePainter) arrowHead(x1, y1, x2, y2 float64) {
	back := 8.0
	if x2 < x1 {
		back = -8
	}
	slope := (y2 - y1) / (x2 - x1)
	x, y := x2-back, y2-back*slope
	p.element("path", "", "class", "tip", "d", "M"+number(x2)+" "+number(y2)+"L"+number(x)+" "+number(y-3.5)+"L"+number(x)+" "+number(y+3.5)+"Z")
}

// sign writes what happens on a lane beside it.
func (p *sequencePainter) sign(i int, e *SequenceEvent, glyph, class string) {
	x, y := p.lanes.x[e.Lane], rowY(i)
	p.open("g", "class", markedClass("sign "+class, e))
	p.element("circle", e.Detail, "cx", number(x), "cy", number(y), "r", "4")
	p.text(glyph+shown(e.Label, 60), "x", number(x+9), "y", number(y+4), "class", "name")
	p.close("g")
}

// operation draws a bar from the call to the return.
func (p *sequencePainter) operation(i int, e *SequenceEvent) {
	x, y, end := p.lanes.x[e.Lane], rowY(i), float64(len(p.events))*sequenceRow
	if e.Until > i {
		end = rowY(e.Until)
	}
	p.open("g", "class", markedClass("call", e))
	p.element("rect", e.Detail, "x", number(x-6), "y", number(y), "width", "12", "height", number(max(end-y, 4)), "rx", "3", "class", "operation "+e.Class)
	p.text(shown(e.Label, 40), "x", number(x+10), "y", number(y+9), "class", "name said")
	p.close("g")
}

// band goes across all nodes.
func (p *sequencePainter) band(i int, e *SequenceEvent) {
	y := rowY(i)
	right := float64(p.lanes.width) - 12
	class := "band " + e.Class
	if e.Kind == SequenceViolation {
		class = "band violation"
	}
	p.open("g", "class", class)
	p.element("rect", e.Detail, "x", strconv.Itoa(sequenceMargin), "y", number(y-sequenceRow/2+1), "width", number(right-sequenceMargin), "height", strconv.Itoa(sequenceRow-2), "rx", "4")
	p.text(shown(e.Label, 160), "x", strconv.Itoa(sequenceMargin+8), "y", number(y+4), "class", "name")
	p.close("g")
}
