package shrink

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/raft"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/sim"
)

// Sequence is the run as the page draws it. File is where the case lies, for the command that repeats it.
func (t *Told) Sequence(file string) report.Sequence {
	c := t.Case
	s := report.Sequence{Title: c.title(), Kind: c.Violation.String(), Reason: c.Violation.Text, Steps: t.Steps(),
		Command: []string{"ordeal", "replay", file}, Facts: []report.SequenceFact{
			{Name: "Events", Value: fmt.Sprint(c.Events()), Note: "faults and operations that it takes"},
			{Name: "Nodes", Value: fmt.Sprint(c.Plan.Nodes)},
			{Name: "Simulated", Value: fmt.Sprintf("%.3f s", t.Result.Simulated.Seconds()), Note: fmt.Sprintf("%d happenings", t.Result.Events)},
			{Name: "Hash", Value: c.Hash, Note: "of all that happened"}}}
	for i := range c.Plan.Nodes {
		s.Nodes = append(s.Nodes, nodeName(raft.NodeID(i+1)))
	}
	d := &drawer{told: t, sent: map[messageID]int{}, open: map[int]int{}, evidence: evidence(&t.Result)}
	for i := range t.events {
		d.draw(i)
	}
	s.Events, s.Clients = d.events, d.clients
	return s
}

func (c *Case) title() string {
	nodes := "1 node"
	if c.Plan.Nodes != 1 {
		nodes = fmt.Sprintf("%d nodes", c.Plan.Nodes)
	}
	title := fmt.Sprintf("%s · seed %d · %s", c.Plan.Workload, c.Plan.Seed, nodes)
	if c.Mutant != "" {
		title = c.Mutant + " · " + title
	}
	return title
}

func nodeName(id raft.NodeID) string { return fmt.Sprintf("n%d", id) }

// evidence are the indexes of the operations that the checker holds against the history.
func evidence(r *sim.Result) map[int]bool {
	indexes := map[int]bool{}
	for _, result := range r.Judged.Results {
		for _, key := range result.Keys {
			if key.Verdict == checker.Invalid {
				for _, op := range key.Evidence {
					indexes[op.Index] = true
				}
			}
		}
	}
	return indexes
}

// messageID is a message's identity on its way.
type messageID struct {
	from, to raft.NodeID
	number   uint64
}

// drawer turns what happened into lines of the drawing.
type drawer struct {
	told     *Told
	events   []report.SequenceEvent
	clients  []string
	sent     map[messageID]int // where a message was sent that is under way
	open     map[int]int       // where a process's operation began
	minors   sim.Minors
	evidence map[int]bool
}

func (d *drawer) add(e *event, line report.SequenceEvent) {
	line.At = e.At
	if len(d.events) > 0 {
		line.At = max(line.At, d.events[len(d.events)-1].At)
	}
	d.events = append(d.events, line)
}

func (d *drawer) draw(i int) {
	e := &d.told.events[i]
	node := nodeName(e.Node)
	switch e.Kind {
	case sim.MessageSent:
		d.message(e)
	case sim.MessageDelivered, sim.MessageDropped:
		d.arrival(e)
	case sim.NodeStarted:
		d.add(e, report.SequenceEvent{Kind: report.SequenceStart, Lane: node, Label: "starts", Term: e.Term, Detail: fmt.Sprintf("term %d, log to %d", e.Term, e.Index)})
	case sim.NodeEnded:
		d.add(e, report.SequenceEvent{Kind: report.SequenceDown, Lane: node, Label: e.Text})
	case sim.RoleChanged:
		d.add(e, report.SequenceEvent{Kind: report.SequenceRole, Lane: node, Role: e.Text, Term: e.Term, Label: fmt.Sprintf("%s, term %d", e.Text, e.Term),
			Marked: d.atViolation(e)})
	case sim.Committed:
		d.note(e, fmt.Sprintf("commits to %d", e.Index))
	case sim.SnapshotSaved:
		d.note(e, fmt.Sprintf("saves a snapshot at %d", e.Index))
	case sim.SnapshotTaken:
		d.note(e, fmt.Sprintf("installs a snapshot at %d", e.Index))
	case sim.ClientInvoked:
		d.invoked(i, e)
	case sim.ClientCompleted:
		d.completed(e)
	case sim.FaultBegan:
		d.add(e, report.SequenceEvent{Kind: report.SequenceFault, Label: e.Text, Class: faultClass(e.Text)})
	case sim.FaultEnded:
		d.add(e, report.SequenceEvent{Kind: report.SequenceFault, Label: "over: " + e.Text, Class: faultClass(e.Text)})
	case sim.ViolationFound:
		d.add(e, report.SequenceEvent{Kind: report.SequenceViolation, Label: e.Text})
	}
}

func (d *drawer) note(e *event, text string) {
	d.add(e, report.SequenceEvent{Kind: report.SequenceNote, Lane: nodeName(e.Node), Label: text, Marked: d.atViolation(e)})
}

// atViolation tells whether an event is where and when an invariant broke.
func (d *drawer) atViolation(e *event) bool {
	v := d.told.Result.Violations
	return len(v) > 0 && v[0].At == e.At && v[0].Node == e.Node
}

func (d *drawer) message(e *event) {
	m := &e.message
	d.sent[messageID{e.Node, e.Peer, e.Number}] = len(d.events)
	d.add(e, report.SequenceEvent{Kind: report.SequenceLost, Lane: nodeName(e.Node), To: nodeName(e.Peer), Label: sim.Brief(m), Detail: sim.Describe(m),
		Class: sim.MessageClass(m.Kind), Minor: d.minors.Minor(m), Marked: d.atViolation(e)})
}

// arrival ends the arrow of a message, or lets it end in a cross. The second arrival of a repeated one has none.
func (d *drawer) arrival(e *event) {
	at := messageID{e.Node, e.Peer, e.Number}
	sent, ok := d.sent[at]
	if !ok {
		if e.Kind == sim.MessageDelivered {
			d.add(e, report.SequenceEvent{Kind: report.SequenceNote, Lane: nodeName(e.Peer), Label: sim.Brief(&e.message) + " again", Detail: sim.Describe(&e.message)})
		}
		return
	}
	delete(d.sent, at)
	if e.Kind == sim.MessageDropped {
		d.events[sent].Detail += ": " + e.Text
		d.events[sent].Minor = d.events[sent].Minor && d.events[sent].Class != "vote"
		return
	}
	d.events[sent].Kind, d.events[sent].Until = report.SequenceMessage, len(d.events)
	d.add(e, report.SequenceEvent{Kind: report.SequenceArrival, Lane: nodeName(e.Peer)})
}

func (d *drawer) invoked(i int, e *event) {
	lane := "last reads"
	if e.worker > 0 {
		lane = fmt.Sprintf("client %d", e.worker-1)
	}
	if !slices.Contains(d.clients, lane) {
		d.clients = append(d.clients, lane)
	}
	d.open[e.client.Process] = len(d.events)
	d.add(e, report.SequenceEvent{Kind: report.SequenceOperation, Lane: lane, Label: d.told.outcome(i), Class: "info", Marked: d.evidence[e.client.Index]})
}

func (d *drawer) completed(e *event) {
	began, ok := d.open[e.client.Process]
	if !ok {
		return
	}
	delete(d.open, e.client.Process)
	op := &d.events[began]
	switch e.client.Type {
	case history.OK:
		op.Class = "ok"
	case history.Fail:
		op.Class = "fail"
	}
	op.Detail = cmp.Or(e.client.Error, fmt.Sprintf("answered by %s at log index %d", e.client.Node, e.client.LogIndex))
	op.Until = len(d.events)
	d.add(e, report.SequenceEvent{Kind: report.SequenceArrival, Lane: op.Lane})
}

// faultClass is how the pages shade a fault of that name.
func faultClass(text string) string {
	for _, class := range []struct{ fault, class string }{{sim.FaultKill, "kill"}, {sim.FaultPower, "kill"}, {sim.FaultPartition, "partition"},
		{sim.FaultStorm, "partition"}, {sim.FaultOldLeader, "partition"}, {sim.FaultClients, "partition"}, {sim.FaultPause, "pause"}, {sim.FaultClock, "clock"}} {
		if len(text) >= len(class.fault) && text[:len(class.fault)] == class.fault {
			return class.class
		}
	}
	return "other"
}
