package sim

import (
	"time"

	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// link is what one node sends to another.
type link struct {
	cut     int           // how many faults cut it
	dataCut int           // how many stop all but answers
	sent    uint64        // messages
	last    time.Duration // arrival of the latest
	busy    time.Duration // until when it carries what it was given, where it has a rate
	stopped uint64        // messages dropped since the link was cut
	worse   NetworkPlan   // what a fault adds
	lag     time.Duration // by how much longer everything takes
	counts  counts        // of what came of that
}

// counts are messages of a link.
type counts struct{ delayed, lost, repeated, overtaken, limited uint64 }

// answers reports whether a message is an answer, which begins nothing.
func answers(k raft.MessageKind) bool {
	switch k {
	case raft.RequestVoteReply, raft.PreVoteReply, raft.AppendEntriesReply, raft.InstallSnapshotReply:
		return true
	}
	return false
}

// stops reports whether a cut stops the message.
func (l *link) stops(m *raft.Message) bool { return l.cut > 0 || l.dataCut > 0 && !answers(m.Kind) }

// bytes is about how long a message is.
func bytes(m *raft.Message) int {
	n := 64 + len(m.Chunk)
	for i := range m.Entries {
		n += 16 + len(m.Entries[i].Data)
	}
	return n
}

// send takes a message of a node. What becomes of it depends on the link and on the number of the message there.
func (w *world) send(m raft.Message) {
	if m.To == 0 || int(m.To) > len(w.nodes) {
		return // nobody there
	}
	l := &w.links[m.From-1][m.To-1]
	l.sent++
	w.tellMessage(MessageSent, &m, l.sent, "")
	p := &w.plan.Network
	c := Choice{From: int32(m.From), To: int32(m.To), Seq: l.sent}
	switch {
	case l.stops(&m):
		l.stopped++
		w.tellMessage(MessageDropped, &m, l.sent, "the link is cut")
		return
	case w.fault(LoseMessage, c, p.Loss+l.worse.Loss, 1) > 0:
		w.coverage.Count(MessagesLost)
		l.counts.lost++
		w.tellMessage(MessageDropped, &m, l.sent, "lost")
		return
	}
	at := w.now + p.Delay + w.jitter(c, p.Jitter) + l.worse.Delay + w.jitter(c, l.worse.Jitter) + l.lag
	if l.worse.Delay+l.worse.Jitter > 0 {
		l.counts.delayed++
	}
	if l.worse.PerByte > 0 { // the link carries one message after the other
		l.busy = max(l.busy, w.now) + l.worse.PerByte*time.Duration(bytes(&m))
		at = max(at, l.busy+p.Delay)
		l.counts.limited++
	}
	slowness := max(p.Slowness, l.worse.Slowness)
	if by := w.fault(DelayMessage, c, p.Slow+l.worse.Slow, 1000); by > 0 {
		at += slowness / 1000 * time.Duration(by)
	}
	overtakes := w.fault(OvertakeMessage, c, p.Overtake+l.worse.Overtake, 1) > 0
	if overtakes {
		l.counts.overtaken++
	}
	if !overtakes && !((p.Unordered || l.worse.Unordered) && !w.calm) {
		at = max(at, l.last)
		l.last = at
	}
	w.fly(m, l.sent, at)
	if by := w.fault(RepeatMessage, c, p.Repeat+l.worse.Repeat, 1000); by > 0 {
		w.coverage.Count(MessagesRepeated)
		l.counts.repeated++
		w.fly(m, l.sent, at+slowness/1000*time.Duration(by))
	}
}

// fault decides about a fault; in the calm there is none.
func (w *world) fault(k ChoiceKind, c Choice, odds uint32, outcomes uint64) uint64 {
	if w.calm {
		return 0
	}
	c.Kind = k
	return w.decider.Fault(c, odds, outcomes)
}

// jitter draws a time below most.
func (w *world) jitter(c Choice, most time.Duration) time.Duration {
	c.Kind = Jitter
	return time.Duration(w.decider.Draw(c, uint64(most)))
}

func (w *world) fly(m raft.Message, number uint64, at time.Duration) {
	w.queue.push(happening{at: at, kind: delivery, node: int32(m.To - 1), ref: w.messages.put(m), life: number})
}

// deliver gives a message to the process there, if there is one.
func (w *world) deliver(m raft.Message, number uint64) {
	n, l := w.nodes[m.To-1], &w.links[m.From-1][m.To-1]
	switch {
	case l.stops(&m):
		l.stopped++
		w.tellMessage(MessageDropped, &m, number, "the link is cut")
		return
	case n.process == nil:
		w.tellMessage(MessageDropped, &m, number, "nobody there")
		return
	}
	w.tellMessage(MessageDelivered, &m, number, "")
	switch m.Kind {
	case raft.InstallSnapshot:
		w.moment(MomentReceives, n)
	case raft.TimeoutNow:
		w.moment(MomentIsTold, n)
	}
	w.judge.answered(&m)
	if w.plan.Network.Encoded {
		w.encode(n, m)
	} else {
		n.process.Receive(m)
	}
	n.turnSoon()
}

// encode has a message go through the transport's encoding.
func (w *world) encode(to *simNode, m raft.Message) {
	err := wire.DecodeMessages(wire.AppendMessage(nil, m), func(m raft.Message) { to.process.Receive(m) })
	if err != nil {
		w.judge.violate("transport", m.From, "%v: its own encoding cannot be read: %v", m.Kind, err)
	}
}
