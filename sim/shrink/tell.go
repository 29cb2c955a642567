package shrink

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/raft"
	"github.com/ordeal-dev/ordeal/sim"
)

// Told is a run of a case with all that happened in it, in order.
type Told struct {
	Case   *Case
	Result sim.Result
	events []event
	next   int // worker whose operation begins next, from 1; 0: none does
}

// event is something that happened, or a decision by which something goes wrong.
type event struct {
	sim.Event
	message  raft.Message // of messages
	client   history.Event
	worker   int          // of ClientInvoked: whose operation it is, from 1; 0: it is a last read
	decision sim.Decision // Kind is 0: it is none
}

// Tell runs the case and notes everything.
func (c *Case) Tell(ctx context.Context) (*Told, sim.Result, error) {
	t := &Told{Case: c}
	r, err := c.run(ctx, telling{c.decider(), t}, t.note)
	t.Result = r
	return t, r, err
}

func (t *Told) note(e sim.Event) {
	noted := event{Event: e}
	if e.Message != nil {
		noted.message = *e.Message
	}
	if e.Client != nil {
		noted.client = *e.Client
	}
	if e.Kind == sim.ClientInvoked {
		noted.worker, t.next = t.next, 0
	}
	t.events = append(t.events, noted)
}

// telling notes decisions among what happens.
type telling struct {
	sim.Decider
	told *Told
}

// Fault implements sim.Decider.
func (d telling) Fault(c sim.Choice, odds uint32, outcomes uint64) uint64 {
	outcome := d.Decider.Fault(c, odds, outcomes)
	switch {
	case c.Kind == sim.SkipOperation && outcome == 0:
		d.told.next = int(c.From) + 1
	case c.Kind != sim.SkipOperation && outcome > 0:
		d.told.events = append(d.told.events, event{decision: sim.Decision{Choice: c, Outcome: outcome}})
	}
	return outcome
}

// Steps are the faults and the operations of the run as a person reads them, in order.
func (t *Told) Steps() []string {
	var steps []string
	now := time.Duration(0)
	for i := range t.events {
		e := &t.events[i]
		now = max(now, e.At)
		if text := t.step(i); text != "" {
			steps = append(steps, fmt.Sprintf("%.6f s  %s", now.Seconds(), text))
		}
	}
	return steps
}

// step is what event i is as a step; "" if it is none.
func (t *Told) step(i int) string {
	e := &t.events[i]
	d := e.decision
	switch {
	case d.Kind == sim.Inject:
		return "" // see FaultBegan
	case d.Kind != 0:
		return t.fault(i)
	case e.Kind == sim.FaultBegan:
		return e.Text
	case e.Kind == sim.ClientInvoked && e.worker > 0:
		return fmt.Sprintf("client %d: %s", e.worker-1, t.outcome(i))
	}
	return ""
}

// fault says what goes wrong by decision i.
func (t *Told) fault(i int) string {
	d := t.events[i].decision
	node := fmt.Sprintf("n%d", d.From)
	switch d.Kind {
	case sim.LoseMessage:
		return t.messageOf(i) + " is lost"
	case sim.DelayMessage:
		return t.messageOf(i) + " is late"
	case sim.RepeatMessage:
		return t.messageOf(i) + " arrives twice"
	case sim.OvertakeMessage:
		return t.messageOf(i) + " does not wait for those before it"
	case sim.LosePower:
		return node + " loses power amid the work of its disk"
	case sim.FailSync:
		return node + "'s disk fails"
	case sim.SlowSync:
		return node + "'s disk is slow"
	case sim.BreakConnection:
		when := "before the request arrives"
		if d.Outcome > 1 {
			when = "when the request has arrived"
		}
		return fmt.Sprintf("client %d: its connection to n%d breaks %s", d.From, d.To, when)
	}
	return d.Choice.String()
}

// messageOf is the message that decision i is about, which was sent before it.
func (t *Told) messageOf(i int) string {
	c := t.events[i].decision.Choice
	for ; i >= 0; i-- {
		if e := &t.events[i]; e.Kind == sim.MessageSent && int32(e.Node) == c.From && int32(e.Peer) == c.To && e.Number == c.Seq {
			return fmt.Sprintf("n%d→n%d %s", c.From, c.To, sim.Describe(&e.message))
		}
	}
	return fmt.Sprintf("n%d→n%d message %d", c.From, c.To, c.Seq)
}

// outcome is the operation that event i begins, with what came of it.
func (t *Told) outcome(i int) string {
	call := &t.events[i].client
	text := call.F
	if call.Key != "" {
		text += " " + call.Key
	}
	if !call.Input.IsNil() {
		text += " " + call.Input.String()
	}
	if end := t.completion(i); end > 0 {
		done := &t.events[end].client
		switch {
		case done.Type == history.OK && done.Output.IsNil() && call.Input.IsNil():
			return text + " → nothing"
		case done.Type == history.OK && done.Output.IsNil():
			return text + " → ok"
		case done.Type == history.OK:
			return text + " → " + done.Output.String()
		case done.Type == history.Fail:
			return text + " ✗ " + cmp.Or(done.Error, "failed")
		}
	}
	return text + " → ?"
}

// completion is the event that ends the operation of event i; 0: it has no end.
func (t *Told) completion(i int) int {
	for j := i + 1; j < len(t.events); j++ {
		if e := &t.events[j]; e.Kind == sim.ClientCompleted && e.client.Process == t.events[i].client.Process {
			return j
		}
	}
	return 0
}
