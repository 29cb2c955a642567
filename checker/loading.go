package checker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Reading is the name of the result that says a history could not be read within the limits.
const Reading = "reading"

// Loading bounds the reading of a history by the limits of its check, for a history may be too long for them by itself:
//
//	l := checker.NewLoading(ctx, options)
//	defer l.Release()
//	h, err := history.LoadWithin(l.Limits(), path)
//	if r, ok := l.Unread(err); ok {
//		return r // unknown: the limits were reached
//	}
//	...
//	r := c.Check(ctx, h, l.Left())
type Loading struct {
	options Options
	end     time.Time
	ctx     context.Context
	cancel  context.CancelCauseFunc
	stop    context.CancelFunc
	heap    *heapLimit
	unwatch func()
}

// NewLoading begins to count. Release must be called.
func NewLoading(ctx context.Context, o Options) *Loading {
	l := &Loading{options: o}
	l.stop = func() {}
	if o.Timeout > 0 {
		l.end = time.Now().Add(o.Timeout)
		ctx, l.stop = context.WithDeadlineCause(ctx, l.end, limitReached{fmt.Sprintf("not read within the time of %v", o.Timeout)})
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.heap = limitHeap(o.Memory)
	l.unwatch = l.heap.whenFull(func() { l.cancel(l.full()) })
	return l
}

func (l *Loading) full() error {
	return limitReached{fmt.Sprintf("not read within %s of memory", size(l.heap.limit))}
}

// Limits are what the reader takes.
func (l *Loading) Limits() history.Limits {
	return history.Limits{Context: l.ctx, Room: func(bytes int64) error {
		if !l.heap.fits(bytes) {
			return l.full()
		}
		return nil
	}}
}

// Left is what the check of the history may take: the time that is left, and the memory, which holds the history too.
func (l *Loading) Left() Options {
	o := l.options
	if o.Timeout > 0 {
		o.asked, o.Timeout = o.Timeout, max(time.Until(l.end), time.Nanosecond)
	}
	return o
}

// Unread is the verdict on a history that could not be read within the limits; false: that is not why.
func (l *Loading) Unread(err error) (Result, bool) {
	r := Result{Checker: Reading, Verdict: Unknown}
	var limit limitReached
	switch {
	case errors.As(err, &limit):
		r.Reason = "the history was " + limit.text
	case errors.Is(err, context.Canceled):
		r.Reason = "the history was not read to its end: the check was interrupted"
	default:
		return r, false
	}
	return r, true
}

// Release ends the bounds.
func (l *Loading) Release() {
	l.unwatch()
	l.heap.release()
	l.cancel(nil)
	l.stop()
}
