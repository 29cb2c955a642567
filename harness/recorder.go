package harness

import (
	"sync/atomic"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// recorder writes the history and counts. Time is the harness's monotonic clock, from the start of the test.
type recorder struct {
	writer *history.Writer
	start  time.Time

	ok, fail, info atomic.Int64
}

func (r *recorder) now() time.Duration { return time.Since(r.start) }

// invoke puts the invocation on record. Only after it returns may the request leave.
func (r *recorder) invoke(e history.Event) {
	e.Type, e.Time = history.Invoke, r.now()
	r.writer.Append(e)
}

// complete puts a completion on record.
func (r *recorder) complete(e history.Event) {
	e.Time = r.now()
	r.writer.Append(e)
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
	r.writer.Append(e)
}
