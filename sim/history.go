package sim

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// readings are the operations that change nothing. Of a transaction only its parts tell: it is taken for one that does.
var readings = []string{"get", "read"}

// recorder keeps the history in memory.
type recorder struct {
	world  *world
	events []history.Event
	counts store.Counts
	begun  int  // operations
	wrote  bool // an operation succeeded that changes something
}

var _ harness.Recorder = (*recorder)(nil)

// Invoke implements harness.Recorder.
func (r *recorder) Invoke(e *history.Event) {
	e.Type = history.Invoke
	r.begun++
	r.append(*e)
}

// Complete implements harness.Recorder.
func (r *recorder) Complete(e *history.Event) {
	switch e.Type {
	case history.OK:
		r.counts.OK++
		r.wrote = r.wrote || !slices.Contains(readings, e.F)
	case history.Fail:
		r.counts.Fail++
	default:
		r.counts.Info++
	}
	r.append(*e)
}

// append puts an event on record. Time grows along the history, by a nanosecond where the world's stands still.
func (r *recorder) append(e history.Event) {
	e.Index, e.Time = len(r.events), r.world.now
	if e.Index > 0 {
		e.Time = max(e.Time, r.events[e.Index-1].Time+1)
	}
	r.events = append(r.events, e)
	if e.Process == history.NemesisProcess {
		return
	}
	kind := ClientCompleted
	if e.Type == history.Invoke {
		kind = ClientInvoked
	}
	r.world.tell(Event{At: r.world.now, Kind: kind, Number: uint64(e.Process), Client: &r.events[e.Index]})
}

// hash puts the whole history into h.
func (r *recorder) hash(h uint64) uint64 {
	var line []byte
	for i := range r.events {
		line = r.events[i].AppendJSON(line[:0])
		h = mixBytes(h, line)
	}
	return h
}
