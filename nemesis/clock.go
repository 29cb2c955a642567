package nemesis

import (
	"context"
	"time"
)

// Clock is the time a nemesis lives by.
type Clock interface {
	// Now is the time since a start that the clock's owner chose.
	Now() time.Duration
	// Sleep returns after d, or with ctx's error when that ends first.
	Sleep(ctx context.Context, d time.Duration) error
}

// NewClock is the machine's monotonic clock, counting from start.
func NewClock(start time.Time) Clock { return realClock{start} }

type realClock struct{ start time.Time }

func (c realClock) Now() time.Duration { return time.Since(c.start) }

func (c realClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
