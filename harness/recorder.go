package harness

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// recorder writes the history and counts. Time is the harness's monotonic clock, from the start of the test.
type recorder struct {
	writer *history.Writer
	start  time.Time

	online *onlineCheck // nil: nothing is checked while the run goes on

	ok, fail, info atomic.Int64
}

func (r *recorder) now() time.Duration { return time.Since(r.start) }

// Invoke puts the invocation on record. Only after it returns may the request leave.
func (r *recorder) Invoke(e *history.Event) {
	e.Type, e.Time = history.Invoke, r.now()
	r.append(e)
}

// Complete puts a completion on record.
func (r *recorder) Complete(e *history.Event) {
	e.Time = r.now()
	if !r.append(e) {
		return
	}
	switch e.Type {
	case history.OK:
		r.ok.Add(1)
	case history.Fail:
		r.fail.Add(1)
	default:
		r.info.Add(1)
	}
}

// nemesis puts on record what the nemesis did.
func (r *recorder) nemesis(e history.Event) {
	e.Process, e.Type, e.Time = history.NemesisProcess, history.Info, r.now()
	r.append(&e)
}

// append reports whether the event is on record. What comes after close is not: a client that returns long after its
// timeout has an open operation in the history, which says all there is to say.
func (r *recorder) append(e *history.Event) bool {
	if !r.writer.Record(e) {
		return false
	}
	if r.online != nil {
		r.online.note(e)
	}
	return true
}

// diskEvery is how often the recorder looks whether the history can still be written.
const diskEvery = 100 * time.Millisecond

// watch returns the disk's error as soon as there is one: operations that are not on record prove nothing.
func (r *recorder) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.writer.Err(); err != nil {
			return fmt.Errorf("%w; is the disk full? --out names another folder", err)
		}
		pause(ctx, diskEvery)
	}
	return nil
}

// close ends the history and returns the first error it met.
func (r *recorder) close() error { return r.writer.Close() }
