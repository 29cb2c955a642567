package sim

import (
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/raft"
)

// EventKind says what happened.
type EventKind uint8

// What happens in a run.
const (
	MessageSent EventKind = iota + 1
	MessageDelivered
	MessageDropped // Text says why
	NodeStarted    // Term and Index: of what its disk held
	NodeEnded      // Text says how
	RoleChanged    // Text is the role, Term its term
	Committed      // up to Index, in Term
	SnapshotSaved  // at Index
	SnapshotTaken  // one of another node's, up to Index, has taken the state's place
	ClientInvoked
	ClientCompleted
	FaultBegan
	FaultEnded
	ViolationFound
)

var eventNames = [...]string{MessageSent: "sent", MessageDelivered: "delivered", MessageDropped: "dropped", NodeStarted: "started", NodeEnded: "ended",
	RoleChanged: "role", Committed: "committed", SnapshotSaved: "snapshot-saved", SnapshotTaken: "snapshot-installed", ClientInvoked: "invoked",
	ClientCompleted: "completed", FaultBegan: "fault-began", FaultEnded: "fault-ended", ViolationFound: "violation"}

func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return fmt.Sprintf("event-%d", uint8(k))
}

// Event is one thing that happened, as Options.Trace is told it.
type Event struct {
	At   time.Duration
	Kind EventKind
	Node raft.NodeID // whom it happened to; of messages the sender
	Peer raft.NodeID // of messages the receiver
	// Number is that of the message on its link, of the fault, or of the worker.
	Number  uint64
	Message *raft.Message  // of messages; not to be kept or changed
	Client  *history.Event // of ClientInvoked and ClientCompleted; likewise
	Term    uint64
	Index   uint64
	Text    string // for people
}

// tell puts an event into the run's hash, and tells whoever traces.
func (w *world) tell(e Event) {
	w.hash = mix(w.hash, uint64(e.At)<<5|uint64(e.Kind))
	w.hash = mix(w.hash, uint64(e.Node)<<56^uint64(e.Peer)<<48^e.Number)
	w.hash = mix(w.hash, e.Term<<32^e.Index)
	if e.Text != "" {
		w.hash = mixBytes(w.hash, []byte(e.Text))
	}
	if w.options.Trace != nil {
		e.At = w.now
		w.options.Trace(e)
	}
}

// tellMessage is tell of a message. The message is copied only where somebody traces.
func (w *world) tellMessage(kind EventKind, m *raft.Message, number uint64, why string) {
	w.hash = mix(w.hash, uint64(w.now)<<5|uint64(kind))
	w.hash = mix(w.hash, uint64(m.From)<<56^uint64(m.To)<<48^number)
	if kind == MessageSent {
		w.hash = mixMessage(w.hash, m)
	}
	if w.options.Trace != nil {
		kept := *m
		w.options.Trace(Event{At: w.now, Kind: kind, Node: m.From, Peer: m.To, Number: number, Message: &kept, Term: m.Term, Text: why})
	}
}

func mixMessage(h uint64, m *raft.Message) uint64 {
	h = mix(h, uint64(m.Kind)<<56^m.Term<<32^m.PrevLogIndex<<16^m.Commit)
	h = mix(h, m.MatchIndex<<32^m.Round<<16^m.HintIndex)
	h = mix(h, m.LastLogIndex<<32^m.Offset<<8^uint64(len(m.Entries)))
	if m.Reject {
		h++
	}
	for i := range m.Entries {
		h = mix(h, entryHash(&m.Entries[i]))
	}
	return h
}

func entryHash(e *raft.Entry) uint64 {
	return mixBytes(mix(e.Term<<8|uint64(e.Kind), e.Index), e.Data)
}
