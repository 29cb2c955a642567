package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

const (
	maxEvidenceKeys = 5  // drawn; the table of keys lists the others
	maxEvidence     = 60 // operations drawn for a key
	evidenceLane    = 46
	evidenceBar     = 16
	labelCharacter  = 6  // pixels
	labelRow        = 13 // pixels
	valueShown      = 60 // characters of a value in a drawing or a table
)

// evidence is the proof that one key's operations have no legal order.
type evidence struct {
	Anchor           string
	What             string // key or anomaly
	Key, Reason, By  string
	Model            string
	Labels, Body     template.HTML
	Height, MinWidth int // pixels
	About            string
	Operations       []evidenceRow
	Left             int // operations not shown
	Crashed          bool
	Meanwhile        []string
	Whose, Then      string // addresses in the page: the key's operations then, and the nodes' logs
	from, to         time.Duration
	drawn            []history.Operation
}

type evidenceRow struct {
	Process                         int
	Call, Result                    string
	Called, Returned, Took          string
	Node, LogIndex, Outcome, Detail string
	Led                             string // who was seen leading when another node answered
	Index                           int
}

// illegal is a key whose operations have no legal order, or an anomaly put as one.
type illegal struct {
	what  string // key or anomaly
	model string
	key   checker.KeyResult
}

// foundIllegal are the invalid keys and the anomalies with evidence: first the one that the verdict names, then those with
// the least to read.
func foundIllegal(v store.Verdict) []illegal {
	var all []illegal
	for _, r := range v.Results {
		for _, k := range r.Keys {
			if k.Verdict == checker.Invalid && len(k.Evidence) > 0 {
				all = append(all, illegal{"key", r.Model, k})
			}
		}
		for _, a := range r.Anomalies {
			if !a.Tolerated && len(a.Operations) > 0 {
				all = append(all, illegal{"anomaly", r.Model, checker.KeyResult{Key: a.Name, Reason: a.Text, Evidence: a.Operations, DecidedBy: r.Checker}})
			}
		}
	}
	rest := all[min(1, len(all)):] // the verdict's reason is that of the first
	slices.SortStableFunc(rest, func(a, b illegal) int { return cmp.Compare(len(a.key.Evidence), len(b.key.Evidence)) })
	return all
}

// leftOut is how much of what is illegal is not drawn.
type leftOut struct{ Keys, Anomalies int }

// countIllegal counts what is illegal, also the keys of which no evidence was kept.
func countIllegal(v store.Verdict) (n leftOut) {
	for _, r := range v.Results {
		for _, k := range r.Keys {
			if k.Verdict == checker.Invalid {
				n.Keys++
			}
		}
		for _, a := range r.Anomalies {
			if !a.Tolerated && len(a.Operations) > 0 {
				n.Anomalies++
			}
		}
	}
	return n
}

// gatherEvidence draws what is illegal, as much as there is room for.
func gatherEvidence(v store.Verdict, faults *faultView) (list []evidence, left leftOut) {
	left = countIllegal(v)
	all := foundIllegal(v)
	all = all[:min(len(all), maxEvidenceKeys)]
	for _, f := range all {
		if f.what == "anomaly" {
			left.Anomalies--
		} else {
			left.Keys--
		}
	}
	for i, f := range all {
		e := newEvidence(f.key, faults)
		e.Anchor = fmt.Sprintf("evidence-%d", i+1)
		e.What, e.Model = f.what, shown(f.model, 60)
		e.Whose, e.Then = e.addresses(f)
		e.Meanwhile = append(e.Meanwhile, ledDuring(v.Leaders, e.from, e.to)...)
		for i, op := range e.drawn {
			e.Operations[i].Led = ledElsewhere(v.Leaders, op)
		}
		list = append(list, e)
	}
	return list, left
}

func newEvidence(k checker.KeyResult, faults *faultView) evidence {
	ops := slices.Clone(k.Evidence)
	slices.SortStableFunc(ops, func(a, b history.Operation) int { return cmp.Compare(a.Call, b.Call) })
	e := evidence{Key: shown(k.Key, keyShown), Reason: shown(k.Reason, 600), By: shown(k.DecidedBy, 80)}
	if len(ops) > maxEvidence {
		ops, e.Left = ops[:maxEvidence], len(ops)-maxEvidence
	}
	e.drawn = ops
	scale := newOrderScale(ops)
	lanes := processLanes(ops)
	e.from, e.to = scale.from, scale.to
	e.MinWidth = 140 + 56*len(scale.times)
	rows, count := scale.labelRows(e.MinWidth)
	e.Height = len(lanes)*evidenceLane + 12 + labelRow*count
	e.About = fmt.Sprintf("%s of key %s that have no legal order, each as a bar from its call to its return", plural(len(ops), "operation"), e.Key)
	e.Body = drawEvidence(ops, lanes, scale, faults, rows)
	e.Labels = processLabels(lanes)
	e.Meanwhile = faults.during(e.from, e.to, 6)
	for i, name := range e.Meanwhile {
		e.Meanwhile[i] = "in force: " + name
	}
	for _, op := range ops {
		e.Operations = append(e.Operations, newEvidenceRow(op))
		e.Crashed = e.Crashed || op.Return == history.Forever
	}
	return e
}

// addresses lead to where the page shows what went on around the evidence.
func (e *evidence) addresses(f illegal) (whose, then string) {
	from, to := e.from.Seconds(), e.to.Seconds()
	margin := max((to-from)/2, 0.005)
	if f.what == "key" && f.key.Key != "" {
		q := url.Values{"view": {"clients"}, "key": {shown(f.key.Key, keyShown)}, "t": {number(max(from-margin, 0)) + "-" + number(to+margin)}}
		whose = "#" + q.Encode()
	}
	return whose, "#" + url.Values{"view": {"logs"}, "at": {strconv.FormatFloat(from, 'f', 6, 64)}}.Encode()
}

// ledDuring says who led in a stretch of time.
func ledDuring(leaders []store.Leadership, from, to time.Duration) []string {
	var list []string
	for _, l := range leaders {
		if l.End < from || l.Start > to {
			continue
		}
		if len(list) == 6 {
			return append(list, "…")
		}
		list = append(list, fmt.Sprintf("leader: %s in term %d", shown(l.Node, 40), l.Term))
	}
	return list
}

// ledElsewhere names who was seen leading while an operation was under way that was answered by a node which was not.
func ledElsewhere(leaders []store.Leadership, op history.Operation) string {
	if op.Node == "" || op.Return == history.Forever {
		return ""
	}
	var names []string
	for _, l := range leaders {
		if l.End < op.Call || l.Start > op.Return {
			continue
		}
		if l.Node == op.Node {
			return ""
		}
		if name := shown(l.Node, 40); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "while " + strings.Join(names[:min(len(names), 3)], ", ") + " led"
}

// FromSeconds is when the first operation was called.
func (e evidence) FromSeconds() string { return number6(e.from.Seconds()) }

func newEvidenceRow(op history.Operation) evidenceRow {
	row := evidenceRow{
		Process: op.Process, Call: call(op, valueShown), Result: result(op, valueShown), Outcome: op.Type.String(),
		Called: exactInstant(op.Call), Returned: "never", Took: "", Node: shown(op.Node, 40), Index: op.Index, Detail: shown(op.Error, 200),
	}
	if op.Return != history.Forever {
		row.Returned, row.Took = exactInstant(op.Return), duration(op.Return-op.Call)
	}
	if op.LogIndex > 0 {
		row.LogIndex = fmt.Sprint(op.LogIndex)
	}
	return row
}

// orderScale places the calls and returns of a few operations so that their order can be read: between two
// neighbouring moments there is always room, and a long wait takes little more of it than a short one.
type orderScale struct {
	times    []time.Duration // calls and returns, ascending, distinct
	at       []float64       // percent
	from, to time.Duration
}

const (
	orderLeft  = 1.0
	orderRight = 90.0 // the rest is for the label of the last operation, and for those that never returned
)

func newOrderScale(ops []history.Operation) orderScale {
	var s orderScale
	for _, op := range ops {
		s.times = append(s.times, op.Call)
		if op.Return != history.Forever {
			s.times = append(s.times, op.Return)
		}
	}
	slices.Sort(s.times)
	s.times = slices.Compact(s.times)
	if len(s.times) == 0 {
		return s
	}
	s.from, s.to = s.times[0], s.times[len(s.times)-1]
	smallest := s.to - s.from
	for i := 1; i < len(s.times); i++ {
		smallest = min(smallest, s.times[i]-s.times[i-1])
	}
	at := []float64{0}
	for i := 1; i < len(s.times); i++ {
		longer := float64(s.times[i]-s.times[i-1]) / float64(max(smallest, 1))
		at = append(at, at[i-1]+1+min(math.Log10(longer), 3)/3)
	}
	end := max(at[len(at)-1], 1)
	for _, a := range at {
		s.at = append(s.at, orderLeft+a/end*(orderRight-orderLeft))
	}
	return s
}

// x is a moment's place in percent; moments between two known ones lie between their places.
func (s orderScale) x(t time.Duration) float64 {
	if len(s.times) == 0 || t <= s.from {
		return orderLeft
	}
	if t > s.to {
		return 100
	}
	i, _ := slices.BinarySearch(s.times, t)
	share := float64(t-s.times[i-1]) / float64(s.times[i]-s.times[i-1])
	return s.at[i-1] + share*(s.at[i]-s.at[i-1])
}

// label is the time of a moment since the first, or since the one before where that would not tell the two apart.
func (s orderScale) label(i int) string {
	if i == 0 {
		return exactInstant(s.from)
	}
	label := "+" + duration(s.times[i]-s.from)
	if i > 1 && label == "+"+duration(s.times[i-1]-s.from) {
		return duration(s.times[i]-s.times[i-1]) + " later"
	}
	return label
}

// labelRows puts the labels of the moments into as few rows as they need to stand clear of one another in a drawing that is
// as narrow as it gets.
func (s orderScale) labelRows(width int) (rows []int, count int) {
	var ends []float64 // of the last label in each row, in pixels
	for i := range s.times {
		size := float64(labelCharacter * (utf8.RuneCountInString(s.label(i)) + 1))
		left := s.at[i]*float64(width)/100 - size/2
		if i == 0 {
			left = s.at[i] * float64(width) / 100
		}
		row := slices.IndexFunc(ends, func(end float64) bool { return end <= left })
		if row < 0 {
			row, ends = len(ends), append(ends, 0)
		}
		ends[row] = left + size
		rows = append(rows, row)
	}
	return rows, len(ends)
}

// processLanes are the processes in the order of their first call.
func processLanes(ops []history.Operation) []int {
	var lanes []int
	for _, op := range ops {
		if !slices.Contains(lanes, op.Process) {
			lanes = append(lanes, op.Process)
		}
	}
	return lanes
}

func processLabels(lanes []int) template.HTML {
	var d drawing
	for i, p := range lanes {
		d.text(fmt.Sprintf("process %d", p), "x", "100%", "y", number(float64(i*evidenceLane)+34), "text-anchor", "end", "class", "lane")
	}
	return d.html()
}

func drawEvidence(ops []history.Operation, lanes []int, scale orderScale, faults *faultView, rows []int) template.HTML {
	var d drawing
	bottom := len(lanes) * evidenceLane
	for _, f := range faults.faults {
		if f.Took && f.End >= scale.from && f.Start <= scale.to {
			x := scale.x(f.Start)
			d.element("rect", explainFault(f), "x", percent(x), "width", percent(max(scale.x(f.End)-x, 0.2)), "y", "0", "height", fmt.Sprint(bottom),
				"class", "shade", "fill", "url(#hatch-"+kindOf(f.Fault).class+")")
		}
	}
	for i := range scale.times {
		d.element("line", "", "x1", percent(scale.at[i]), "x2", percent(scale.at[i]), "y1", "0", "y2", fmt.Sprint(bottom+4), "class", "moment")
		d.text(scale.label(i), "x", percent(scale.at[i]), "y", fmt.Sprint(bottom+17+labelRow*rows[i]), "class", "tick", "text-anchor", anchorOf(i))
	}
	for _, op := range ops {
		next := nextCall(ops, op)
		drawOperation(&d, op, float64(slices.Index(lanes, op.Process)*evidenceLane), scale, next)
	}
	return d.html()
}

func anchorOf(i int) string {
	if i == 0 {
		return "start"
	}
	return "middle"
}

// nextCall is when the same process calls again: its label has room until then.
func nextCall(ops []history.Operation, op history.Operation) time.Duration {
	next := history.Forever
	for _, o := range ops {
		if o.Process == op.Process && o.Call > op.Call {
			next = min(next, o.Call)
		}
	}
	return next
}

func drawOperation(d *drawing, op history.Operation, y float64, scale orderScale, next time.Duration) {
	x, end := scale.x(op.Call), scale.x(op.Return)
	class := "operation " + op.Type.String()
	if reads(op) {
		class += " reads"
	}
	about := explainOperation(op)
	d.open("g", "tabindex", "-1", "role", "img", "aria-label", about)
	d.title(about)
	d.element("rect", "", "x", percent(x), "width", percent(max(end-x, 0.3)), "y", number(y+22), "height", fmt.Sprint(evidenceBar), "rx", "3", "class", class)
	room := 100 - x
	if next != history.Forever {
		room = scale.x(next) - x
	}
	d.open("svg", "x", percent(x), "y", number(y), "width", percent(room), "height", "22")
	d.open("text", "x", "1", "y", "16", "class", "said")
	d.b.WriteString(template.HTMLEscapeString(call(op, 24) + " "))
	d.open("tspan", "class", "result "+op.Type.String())
	d.b.WriteString(template.HTMLEscapeString(result(op, 24)))
	d.close("tspan")
	d.close("text")
	d.close("svg")
	d.close("g")
}

func explainOperation(op history.Operation) string {
	text := fmt.Sprintf("process %d: %s %s\ncalled %s", op.Process, call(op, 200), result(op, 200), exactInstant(op.Call))
	if op.Return == history.Forever {
		text += "\nnever returned: it may have taken effect at any time after the call, or never"
	} else {
		text += fmt.Sprintf("\nreturned %s (%s later)", exactInstant(op.Return), duration(op.Return-op.Call))
	}
	if op.Node != "" {
		text += "\nnode " + shown(op.Node, 40)
	}
	if op.LogIndex > 0 {
		text += fmt.Sprintf(", log index %d", op.LogIndex)
	}
	return text + fmt.Sprintf("\nevent %d of the history", op.Index)
}
