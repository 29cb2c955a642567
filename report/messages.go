package report

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// maxMessageEvents bounds what the page of messages holds: all of a short run, of a long one the stretches worth seeing.
const maxMessageEvents = 250_000

var messagesTemplate = template.Must(template.New("messages").Parse(pageFile("messages.html")))

// messagesPage is what the template shows.
type messagesPage struct {
	CSS            template.CSS
	JS             template.JS
	Title, Verdict string
	Reason         string
	Report         string // the run's page, beside this one
	Figures        []figure
	Proof          []proofLink
	Nodes          int
	Data           string // packed messageColumns
	Left           int
	Problems       []string
}

// proofLink leads to where a piece of evidence begins.
type proofLink struct{ Key, At string }

// Kinds of events as the page's script knows them.
const (
	eventSent = iota
	eventLost
	eventArrival
	eventStart
	eventDown
	eventRole
	eventNote
	eventOperation
	eventCompletion
	eventFault
	eventViolation
)

// messageColumns are a trace's events as the page's script reads them: a column an attribute, strings by their number in Texts,
// lanes by theirs in Lanes, from 1.
type messageColumns struct {
	Texts     []string     `json:"texts"`
	Lanes     []string     `json:"lanes"` // nodes, then clients
	Nodes     int          `json:"nodes"`
	At        []int64      `json:"at"` // microseconds since the event before
	Kind      []int        `json:"kind"`
	Lane      []int        `json:"lane"`
	Peer      []int        `json:"peer"`  // of messages
	Pair      []int        `json:"pair"`  // how many events later a message arrives, or an operation ends; 0: it does not
	Label     []int        `json:"label"` //
	Class     []int        `json:"class"` // of messages, operations, roles, faults
	Term      []uint64     `json:"term"`
	Minor     []int        `json:"minor"`
	Marked    []int        `json:"marked"` // events that are part of what is wrong
	Number    []int        `json:"number"` // of operations: the event of the history
	Stretches [][2]float64 `json:"stretches"`
	Length    float64      `json:"length"` // seconds
	Total     int          `json:"total"`
}

// Messages writes the page of a simulated run's messages: nodes and clients as lanes, time goes down. The error is fs.ErrNotExist
// where the run has no trace.
func Messages(w io.Writer, run *store.Run) error {
	p := &messagesPage{CSS: template.CSS(pageCSS + sequenceCSS + pageFile("messages.css")), JS: template.JS(script("base", "marks", "messages")), Report: store.ReportFile}
	test, err := run.Test()
	p.problem(err)
	verdict, err := run.Verdict()
	if !errors.Is(err, fs.ErrNotExist) {
		p.problem(err)
	}
	m := &messages{run: run, verdict: verdict, nodes: test.Nodes, clients: test.Clients, most: maxMessageEvents, texts: newTexts(), lanes: map[string]int{}}
	m.operations, err = m.readOperations()
	p.problem(err)
	if err := m.read(); errors.Is(err, fs.ErrNotExist) {
		return err
	} else if err != nil {
		p.problem(err) // what stood before it is shown
	}
	p.Title, p.Verdict, p.Reason = title(test), string(verdict.Verdict), shown(verdict.Reason, 600)
	if p.Verdict == "" {
		p.Verdict = "none"
	}
	p.Figures = m.figures()
	for _, f := range foundIllegal(verdict) {
		if len(p.Proof) < maxEvidenceKeys {
			p.Proof = append(p.Proof, proofLink{shown(f.key.Key, keyShown), number6(firstCall(f.key.Evidence).Seconds())})
		}
	}
	p.Left = m.total - len(m.columns.At)
	p.Data = packed(m.done())
	if err := messagesTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("writing the page of messages: %w", err)
	}
	return nil
}

func (p *messagesPage) problem(err error) {
	if err != nil {
		p.Problems = append(p.Problems, shown(err.Error(), 600))
	}
}

// firstCall is when the first of the operations was called.
func firstCall(ops []history.Operation) time.Duration {
	first := history.Forever
	for _, op := range ops {
		first = min(first, op.Call)
	}
	return first
}

// messages turns a trace into columns.
type messages struct {
	run        *store.Run
	verdict    store.Verdict
	clients    int // 0: not known
	most       int // events
	operations map[uint64]*joined
	texts      texts
	lanes      map[string]int // from 1
	columns    messageColumns
	nodes      []string
	total      int
	last       time.Duration
	before     time.Duration     // of the last event taken
	sent       map[messageID]int // messages under way, by their place in the columns
	open       map[uint64]int    // operations under way, by their process
	faults     []edge            // of the nemesis, by time, not yet among the events
	counts     map[string]int    // by kind
}

type messageID struct {
	from, to string
	number   uint64
}

// edge is the beginning or the end of a fault.
type edge struct {
	at    time.Duration
	label string
	class string
}

// readOperations are the run's operations by the line of their invocation.
func (m *messages) readOperations() (map[uint64]*joined, error) {
	found := map[uint64]*joined{}
	path, err := m.run.History()
	if err != nil {
		return found, fmt.Errorf("the operations are not named: %w", err)
	}
	in := Input{Events: events(path)}
	_, problem := in.follow(func(j *joined) {
		kept := *j
		found[uint64(j.Index)] = &kept
	})
	if problem != "" {
		return found, errors.New(problem)
	}
	return found, nil
}

// read looks through the trace for how much there is when, and takes what is worth showing of it.
func (m *messages) read() error {
	const buckets = 1000
	m.counts = map[string]int{}
	var perBucket []int
	width := max(m.verdict.Length, time.Second) / (buckets - 50)
	look := m.run.TraceOf(func(at time.Duration, kind string) bool {
		m.total++
		if len(m.counts) < 100 {
			m.counts[kind]++
		}
		m.last = max(m.last, at)
		i := min(max(int(at/width), 0), 10*buckets)
		for len(perBucket) <= i {
			perBucket = append(perBucket, 0)
		}
		perBucket[i]++
		return false
	}, nil)
	if m.total == 0 {
		return look
	}
	m.begin()
	choose := func(time.Duration, string) bool { return true }
	if m.total > m.most {
		choose = m.chosen(perBucket, width)
	}
	taken := m.run.TraceOf(choose, func(e store.TraceEvent) bool {
		m.take(&e)
		return true
	})
	m.edges(math.MaxInt64)
	return errors.Join(look, taken)
}

// begin sets the lanes up, and the nemesis's faults, which a trace does not hold.
func (m *messages) begin() {
	m.nodes = m.nodes[:min(len(m.nodes), maxNodeLanes)]
	m.columns.Nodes = len(m.nodes)
	for _, name := range m.nodes {
		m.lane(name)
	}
	for client := range min(m.clients, maxClientLanes) {
		m.lane(clientLane(client))
	}
	m.sent, m.open = map[messageID]int{}, map[uint64]int{}
	for _, f := range m.verdict.Faults[:min(len(m.verdict.Faults), maxFaultRows)] {
		class := kindOf(f.Fault).class
		m.faults = append(m.faults, edge{f.Start, faultName(f), class})
		if f.Healed && f.End > f.Start {
			m.faults = append(m.faults, edge{f.End, "over: " + faultName(f), class})
		}
	}
	slices.SortStableFunc(m.faults, func(a, b edge) int { return int(min(max(a.at-b.at, -1), 1)) })
}

// chosen leaves out what is far from faults, elections and evidence.
func (m *messages) chosen(perBucket []int, width time.Duration) func(time.Duration, string) bool {
	at := moments(m.verdict, sample{})
	for _, l := range m.verdict.Leaders {
		at = append(at, l.Start)
	}
	stretches := chooseStretches(at, perBucket, width, m.most)
	for _, s := range stretches {
		m.columns.Stretches = append(m.columns.Stretches, [2]float64{s.from.Seconds(), s.to.Seconds()})
	}
	return func(at time.Duration, kind string) bool {
		switch kind {
		case store.TraceStarted, store.TraceEnded, store.TraceRole, store.TraceViolation, store.TraceFaultBegan, store.TraceFaultEnded:
			return true
		}
		i, _ := slices.BinarySearchFunc(stretches, at, func(s stretch, at time.Duration) int {
			if s.to <= at {
				return -1
			}
			return 1
		})
		return i < len(stretches) && stretches[i].from <= at
	}
}

// lane is the number of a lane, made where there is none yet. Those beyond what is drawn share the last.
func (m *messages) lane(name string) int {
	if n, ok := m.lanes[name]; ok {
		return n
	}
	if len(m.columns.Lanes) >= maxNodeLanes+maxClientLanes {
		return len(m.columns.Lanes)
	}
	m.columns.Lanes = append(m.columns.Lanes, shown(name, 40))
	m.lanes[name] = len(m.columns.Lanes)
	return len(m.columns.Lanes)
}

const maxClientLanes = 200

func clientLane(client int) string { return fmt.Sprintf("client %d", client) }

func (m *messages) node(name string) int {
	if n, ok := m.lanes[name]; ok || name == "" {
		return n
	}
	return 0
}

// edges puts in the nemesis's faults up to a moment.
func (m *messages) edges(until time.Duration) {
	for len(m.faults) > 0 && m.faults[0].at <= until {
		f := m.faults[0]
		m.faults = m.faults[1:]
		m.add(f.at, eventFault, 0, f.label, f.class)
	}
}

// add appends an event and returns its place.
func (m *messages) add(at time.Duration, kind, lane int, label, class string) int {
	c := &m.columns
	at = max(at, m.before)
	c.At = append(c.At, at.Microseconds()-m.before.Microseconds())
	m.before = at
	c.Kind, c.Lane, c.Peer, c.Pair = append(c.Kind, kind), append(c.Lane, lane), append(c.Peer, 0), append(c.Pair, 0)
	c.Label, c.Class = append(c.Label, m.texts.number(label)), append(c.Class, m.texts.number(class))
	c.Term, c.Minor, c.Number = append(c.Term, 0), append(c.Minor, 0), append(c.Number, 0)
	return len(c.At) - 1
}

func (m *messages) take(e *store.TraceEvent) {
	m.edges(e.At)
	c := &m.columns
	lane, at := m.node(e.Node), -1
	switch e.Kind {
	case store.TraceSent:
		at = m.add(e.At, eventLost, lane, shown(e.Label, 60), shown(e.Class, 20))
		c.Peer[at] = m.node(e.Peer)
		m.sent[messageID{e.Node, e.Peer, e.Number}] = at
	case store.TraceDelivered:
		m.arrive(e)
		return
	case store.TraceDropped:
		if sent, ok := m.sent[messageID{e.Node, e.Peer, e.Number}]; ok {
			delete(m.sent, messageID{e.Node, e.Peer, e.Number})
			c.Label[sent] = m.texts.number(m.texts.list[c.Label[sent]] + "\n" + shown(e.Text, 100))
		}
		return
	case store.TraceStarted:
		at = m.add(e.At, eventStart, lane, fmt.Sprintf("starts in term %d, log to %d", e.Term, e.Index), "start")
	case store.TraceEnded:
		at = m.add(e.At, eventDown, lane, shown(e.Text, 100), "crash")
	case store.TraceRole:
		at = m.add(e.At, eventRole, lane, fmt.Sprintf("%s, term %d", shown(e.Text, 30), e.Term), shown(e.Text, 30))
	case store.TraceCommitted:
		at = m.add(e.At, eventNote, lane, fmt.Sprintf("commits to %d", e.Index), "note")
		c.Minor[at] = 1
	case store.TraceSnapshotSaved:
		at = m.add(e.At, eventNote, lane, fmt.Sprintf("saves a snapshot at %d", e.Index), "note")
	case store.TraceSnapshotInstalled:
		at = m.add(e.At, eventNote, lane, fmt.Sprintf("installs a snapshot at %d", e.Index), "note")
	case store.TraceInvoked:
		m.invoked(e)
		return
	case store.TraceCompleted:
		m.completed(e)
		return
	case store.TraceFaultBegan:
		at = m.add(e.At, eventFault, 0, shown(e.Text, 160), faultClassOf(e.Text))
	case store.TraceFaultEnded:
		at = m.add(e.At, eventFault, 0, "over: "+shown(e.Text, 160), faultClassOf(e.Text))
	case store.TraceViolation:
		at = m.add(e.At, eventViolation, lane, shown(e.Text, 300), "violation")
	default:
		return // of a later version
	}
	c.Term[at] = e.Term
	if e.Minor {
		c.Minor[at] = 1
	}
}

// arrive ends the arrow of a message; the second arrival of a repeated one has none.
func (m *messages) arrive(e *store.TraceEvent) {
	c, id := &m.columns, messageID{e.Node, e.Peer, e.Number}
	sent, ok := m.sent[id]
	if !ok {
		m.columns.Minor[m.add(e.At, eventNote, m.node(e.Peer), "a message from "+shown(e.Node, 40)+" again", "note")] = 1
		return
	}
	delete(m.sent, id)
	at := m.add(e.At, eventArrival, m.node(e.Peer), "", "")
	c.Kind[sent], c.Pair[sent], c.Minor[at] = eventSent, at-sent, c.Minor[sent]
}

func (m *messages) invoked(e *store.TraceEvent) {
	client := int(min(e.Number, math.MaxInt32))
	if m.clients > 0 {
		client %= m.clients
	}
	label, class := fmt.Sprintf("an operation of process %d", e.Number), "info"
	if j := m.operations[e.Index]; j != nil {
		label, class = strings.TrimSpace(shown(j.Key, 20)+" "+call(j.Operation, 40)+" "+result(j.Operation, 40)), j.Type.String()
		if j.Type == history.Info && j.Error != "" {
			label += "\n" + shown(j.Error, 100)
		} else if j.Node != "" {
			label += fmt.Sprintf("\nanswered by %s at log index %d", shown(j.Node, 40), j.LogIndex)
		}
	}
	at := m.add(e.At, eventOperation, m.lane(clientLane(client)), label, class)
	m.columns.Number[at] = int(min(e.Index, math.MaxInt32))
	m.open[e.Number] = at
}

func (m *messages) completed(e *store.TraceEvent) {
	began, ok := m.open[e.Number]
	if !ok {
		return
	}
	delete(m.open, e.Number)
	at := m.add(e.At, eventCompletion, m.columns.Lane[began], "", "")
	m.columns.Pair[began] = at - began
}

// done is the columns, whole.
func (m *messages) done() messageColumns {
	c := &m.columns
	c.Texts, c.Total, c.Length = m.texts.list, m.total, max(m.last, time.Millisecond).Seconds()
	proof := map[int]bool{}
	for _, event := range evidenceEvents(m.verdict) {
		proof[event] = true
	}
	c.Marked = []int{}
	for i, kind := range c.Kind {
		if kind == eventViolation || kind == eventOperation && proof[c.Number[i]] {
			c.Marked = append(c.Marked, i)
		}
	}
	if c.Stretches == nil {
		c.Stretches = [][2]float64{}
	}
	if c.Lanes == nil {
		c.Lanes = []string{}
	}
	return *c
}

func (m *messages) figures() []figure {
	count := func(kind string) string { return thousands(m.counts[kind]) }
	return []figure{
		{"messages", count(store.TraceSent), count(store.TraceDropped) + " lost"}, {"operations", count(store.TraceInvoked), ""},
		{"changes of role", count(store.TraceRole), ""}, {"nodes started", count(store.TraceStarted), ""},
		{"happenings", thousands(m.total), "all that " + store.TraceFile + " holds"}, {"length", duration(m.last), "simulated"},
	}
}

// faultClassOf is how a fault of the simulator is shaded, by its name.
func faultClassOf(text string) string {
	for _, k := range faultKinds {
		if k.name != "" && strings.HasPrefix(text, k.name) {
			return k.class
		}
	}
	return "other"
}

func number6(seconds float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.6f", seconds), "0"), ".")
}

// buildMessages writes the page of messages into the run's folder, where the run has a trace.
func buildMessages(run *store.Run) error {
	if !isRegular(run.Path(store.TraceFile)) {
		return nil
	}
	return replace(run.Path(store.MessagesFile), func(f *os.File) error { return Messages(f, run) })
}
