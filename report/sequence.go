package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed sequence.html
var sequenceHTML string

//go:embed sequence.css
var sequenceCSS string

var sequenceTemplate = template.Must(template.New("sequence").Parse(sequenceHTML))

// Sequence is a run drawn event by event: nodes and clients are lanes, time goes down the page. It is for failures that
// were shrunk to little; of more than maxSequenceEvents the last are drawn.
type Sequence struct {
	Title  string   // what was run
	Kind   string   // of the violation: invariant, history, liveness
	Reason string   // what is wrong, in a sentence or a few lines
	Steps  []string // what it takes, in order: faults, operations, fates of messages
	// Command repeats it.
	Command []string
	Facts   []SequenceFact
	Nodes   []string
	Clients []string
	Events  []SequenceEvent // in order
}

// SequenceFact is a figure beside the drawing.
type SequenceFact struct{ Name, Value, Note string }

// SequenceKind says how an event is drawn.
type SequenceKind uint8

const (
	// SequenceMessage is a message from Lane to To, which arrives at the event Until.
	SequenceMessage SequenceKind = iota
	// SequenceLost is a message that never arrives.
	SequenceLost
	// SequenceArrival is where a message or an answer arrives; it is drawn by the event that sent it.
	SequenceArrival
	// SequenceStart and SequenceDown begin and end a node's life.
	SequenceStart
	SequenceDown
	// SequenceRole: from here on Lane is a Role in Term.
	SequenceRole
	// SequenceOperation is a client's operation, from here to the event Until.
	SequenceOperation
	// SequenceFault is something that happens to the whole cluster, SequenceNote something on one lane.
	SequenceFault
	SequenceNote
	// SequenceViolation is the moment at which it is wrong.
	SequenceViolation
)

// SequenceEvent is one line of the drawing.
type SequenceEvent struct {
	At     time.Duration
	Kind   SequenceKind
	Lane   string // a node or a client; empty: all
	To     string
	Until  int    // index into Events; 0: never
	Label  string // what stands beside it
	Detail string // what it says of itself when pointed at
	Class  string // messages: vote, append, snapshot, other; operations: ok, fail, info; faults: kill, partition, pause, clock, other
	Role   string // leader, candidate, follower
	Term   uint64
	// Minor events, such as heartbeats that change nothing, are left out at first.
	Minor bool
	// Marked events are part of what is wrong.
	Marked bool
}

// maxSequenceEvents bounds what one page draws.
const maxSequenceEvents = 3000

// sequencePage is what the template shows.
type sequencePage struct {
	CSS           template.CSS
	JS            template.JS
	Title, Kind   string
	Reason        string
	Steps         []string
	Facts         []SequenceFact
	Command       string
	Short, Whole  sequenceDrawing
	Left, Leftout int
}

// WriteSequence writes the page.
func WriteSequence(w io.Writer, s Sequence) error {
	p := sequencePage{CSS: template.CSS(pageCSS + sequenceCSS), JS: template.JS(script("base", "marks", "sequence")), Title: shown(s.Title, 300), Kind: shown(s.Kind, 100), Reason: shown(s.Reason, 2000),
		Command: shell(s.Command)}
	for _, step := range s.Steps {
		p.Steps = append(p.Steps, shown(step, 400))
	}
	for _, f := range s.Facts {
		p.Facts = append(p.Facts, SequenceFact{shown(f.Name, 100), shown(f.Value, 100), shown(f.Note, 200)})
	}
	p.Left = max(0, len(s.Events)-maxSequenceEvents)
	events := lastEvents(s.Events, maxSequenceEvents)
	short := withoutMinor(events)
	p.Leftout = len(events) - len(short)
	lanes := newSequenceLanes(s)
	p.Short = drawSequence(lanes, short)
	if p.Leftout > 0 {
		p.Whole = drawSequence(lanes, events)
	}
	if err := sequenceTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// lastEvents are the last n, whose Until is counted anew.
func lastEvents(events []SequenceEvent, n int) []SequenceEvent {
	from := max(0, len(events)-n)
	return chosenEvents(events, func(i int) bool { return i >= from })
}

// withoutMinor leaves out the minor events and their arrivals.
func withoutMinor(events []SequenceEvent) []SequenceEvent {
	minor := map[int]bool{}
	for i, e := range events {
		if e.Minor {
			minor[i] = true
			if e.Kind == SequenceMessage && e.Until > 0 {
				minor[e.Until] = true
			}
		}
	}
	return chosenEvents(events, func(i int) bool { return !minor[i] })
}

func chosenEvents(events []SequenceEvent, choose func(int) bool) []SequenceEvent {
	at := make([]int, len(events)) // new place by old; 0: gone
	var chosen []SequenceEvent
	for i, e := range events {
		if choose(i) {
			at[i] = len(chosen)
			chosen = append(chosen, e)
		}
	}
	for i := range chosen {
		if u := chosen[i].Until; u > 0 && u < len(at) {
			chosen[i].Until = at[u]
		} else {
			chosen[i].Until = 0
		}
	}
	return chosen
}
