package history

import (
	"fmt"
	"io"
	"time"
	"unsafe"
)

// History is a run as checkers see it: the operations of the clients, and what the nemesis did.
type History struct {
	Operations []Operation   // by invocation
	Nemesis    []Event       // in order
	Length     time.Duration // time of the last event
	Warnings   []string      // about the file
}

// joiner joins invocations with completions.
type joiner struct {
	h    History
	room Limits
	open map[int]int // process to its open operation
}

func (j *joiner) add(e *Event) (err error) {
	j.h.Length = e.Time
	if e.Process == NemesisProcess {
		j.h.Nemesis = append(j.h.Nemesis, *e)
		return nil
	}
	if e.Type == Invoke {
		if j.open == nil {
			j.open = make(map[int]int)
		}
		if j.h.Operations, err = Grown(j.room, j.h.Operations); err != nil {
			return err
		}
		j.open[e.Process] = len(j.h.Operations)
		j.h.Operations = append(j.h.Operations, Invoked(e))
		return nil
	}
	op := &j.h.Operations[j.open[e.Process]]
	delete(j.open, e.Process)
	op.Complete(e)
	return nil
}

// Invoked is the operation of an invocation, open.
func Invoked(e *Event) Operation {
	return Operation{Process: e.Process, F: e.F, Key: e.Key, Input: e.Input, Call: e.Time, Late: e.Late, Return: Forever, Type: Info, Node: e.Node, Index: e.Index}
}

// Complete takes the completion of the operation.
func (op *Operation) Complete(e *Event) {
	op.Type, op.Output, op.LogIndex, op.Error = e.Type, e.Output, e.LogIndex, e.Error
	if e.Node != "" {
		op.Node = e.Node
	}
	if e.Type != Info {
		op.Return = e.Time
	}
}

// Join checks the events and joins invocations with completions. Errors name the event.
func Join(events []Event) (*History, error) { return JoinWithin(Limits{}, events) }

// JoinWithin is Join within limits.
func JoinWithin(l Limits, events []Event) (*History, error) {
	var c Check
	j := joiner{room: l}
	for i := range events {
		if i%1024 == 0 {
			if err := l.Take(0); err != nil {
				return nil, err
			}
		}
		if err := c.Add(&events[i]); err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		if err := j.add(&events[i]); err != nil {
			return nil, err
		}
	}
	return &j.h, nil
}

// Operations is Join for those who only want the operations, by invocation. An operation without a completion is Info.
func Operations(events []Event) ([]Operation, error) {
	h, err := Join(events)
	if err != nil {
		return nil, err
	}
	return h.Operations, nil
}

// Load reads and joins the history at path without keeping its events: the way to read a long one.
func Load(path string) (*History, error) { return LoadWithin(Limits{}, path) }

// LoadWithin is Load within limits.
func LoadWithin(l Limits, path string) (*History, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	r.Limit(l)
	return r.Join()
}

// Join reads the rest of the history and joins invocations with completions. Lines are parsed in a goroutine of their
// own while earlier ones are joined.
func (r *Reader) Join() (*History, error) {
	batches, free := make(chan []Event, joinBatches), make(chan []Event, joinBatches+1)
	for range joinBatches + 1 {
		free <- make([]Event, 0, joinBatch)
	}
	var last error // of reading; valid once batches is closed
	go func() {
		defer close(batches)
		for batch := range free {
			last = r.limits.Take(0)
			for len(batch) < joinBatch && last == nil {
				var e Event
				if e, last = r.Next(); last == nil {
					batch = append(batch, e)
				}
			}
			batches <- batch
			if last != nil {
				return
			}
		}
	}()
	j := joiner{room: r.limits}
	var full error
	for batch := range batches {
		if j.h.Operations == nil && full == nil {
			j.h.Operations = make([]Operation, 0, r.guess(len(batch)))
		}
		for i := range batch {
			if full == nil {
				full = j.add(&batch[i])
			}
		}
		clear(batch)
		if full != nil {
			close(free) // the reader ends, and closes batches
			for range batches {
			}
			return nil, full
		}
		free <- batch[:0]
	}
	if last != io.EOF {
		return nil, last
	}
	j.h.Warnings = r.Warnings()
	return &j.h, nil
}

const (
	joinBatch   = 1024 // events
	joinBatches = 4
)

// guess is about how many operations the file holds, from its size; it only saves copying. It
// sets aside about as much memory as the file is long.
func (r *Reader) guess(events int) int {
	if r.file == nil || r.zstd != nil || events < joinBatch {
		return events
	}
	info, err := r.file.Stat()
	if err != nil {
		return events
	}
	const line = 90 // bytes, about
	n := int(info.Size()/line/2) + events
	if r.limits.Take(int64(n)*int64(unsafe.Sizeof(Operation{}))) != nil {
		return events
	}
	return n
}
