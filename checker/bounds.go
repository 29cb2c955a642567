package checker

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// bounds are the limits of one key's decision. Algorithms ask stopped often and charge what they allocate.
type bounds struct {
	ctx   context.Context
	limit int64 // bytes the algorithm may hold
	used  int64
	why   atomic.Pointer[string] // why the decision was given up; nil: it was not
	oom   atomic.Bool            // it was for memory
	off   func() bool

	parent *bounds // of an attempt
}

// newBounds watches the context; release must be called.
func newBounds(ctx context.Context, limit int64) *bounds {
	b := &bounds{ctx: ctx, limit: limit}
	b.off = context.AfterFunc(ctx, func() { b.give(b.reason(ctx)) })
	if ctx.Err() != nil {
		b.give(b.reason(ctx))
	}
	return b
}

func (b *bounds) reason(ctx context.Context) string {
	if cause := context.Cause(ctx); cause != nil {
		return cause.Error()
	}
	return "cancelled"
}

func (b *bounds) release() { b.off() }

// give gives the decision up; the first reason stays.
func (b *bounds) give(why string) { b.why.CompareAndSwap(nil, &why) }

func (b *bounds) stopped() bool { return b.why.Load() != nil || b.parent != nil && b.parent.stopped() }

// ended is stopped for the end of an algorithm: what a step returned after the context had ended must not count, and the
// word of that may still be on its way.
func (b *bounds) ended() bool {
	if b.ctx.Err() != nil {
		b.give(b.reason(b.ctx))
	}
	return b.stopped()
}

func (b *bounds) outOfMemory() {
	b.oom.Store(true)
	b.give(fmt.Sprintf("not decided with %s of memory", size(b.limit)))
}

// charge accounts for bytes (negative: freed) and tells whether the algorithm may go on.
func (b *bounds) charge(bytes int64) bool {
	b.used += bytes
	if b.used > b.limit {
		b.outOfMemory()
	}
	return !b.stopped()
}

// fits tells whether an algorithm that surely needs so many bytes may begin.
func (b *bounds) fits(bytes int64) bool {
	if bytes > b.limit-b.used {
		b.oom.Store(true)
		b.give(fmt.Sprintf("needs at least %s of memory, and may take %s", size(bytes), size(b.limit)))
	}
	return !b.stopped()
}

// fitsQuietly tells whether so many bytes may still be taken.
func (b *bounds) fitsQuietly(bytes int64) bool { return bytes <= b.limit-b.used }

// size is a number of bytes for people.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", max(bytes, 0)>>10)
}

type limitReached struct{ text string }

func (e limitReached) Error() string { return e.text }

// withTimeout is context.WithTimeout with a cause for people; 0 is no limit.
func withTimeout(ctx context.Context, d time.Duration, what string) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, notWithin(what, d))
}

func notWithin(what string, d time.Duration) error {
	return limitReached{fmt.Sprintf("not decided within %s of %v", what, d)}
}
