package harness

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// realClock is the machine's.
type realClock struct {
	nemesis.Clock
	start time.Time
}

func newRealClock(start time.Time) realClock { return realClock{nemesis.NewClock(start), start} }

// Timeouts implements Clock.
func (c realClock) Timeouts(d time.Duration) Timeouts {
	t := &timeouts{clock: c, after: d}
	t.timer = time.AfterFunc(d, t.fire)
	t.timer.Stop()
	return t
}

// timeouts are the real ones of one worker. context.WithTimeout would start and stop a timer for each operation, which cost as much as
// all the rest of it. Deadlines of one worker only grow, so that one timer does: it is set for the deadline of the operation that
// finds it idle, and when it fires, for that of the one then under way. It never comes after a deadline.
type timeouts struct {
	clock realClock
	after time.Duration
	timer *time.Timer

	mu      sync.Mutex
	set     bool      // the timer is
	current *deadline // nil: no operation is under way
}

// Begin implements Timeouts. An operation's context is its own: a client may have left somebody behind who still looks at it.
func (t *timeouts) Begin() context.Context {
	d := &deadline{timeouts: t, at: t.clock.Now() + t.after}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = d
	if !t.set {
		t.set = true
		t.timer.Reset(t.after)
	}
	return d
}

// End implements Timeouts.
func (t *timeouts) End() {
	t.mu.Lock()
	d := t.current
	t.current = nil
	t.mu.Unlock()
	d.end(context.Canceled)
}

func (t *timeouts) fire() {
	t.mu.Lock()
	d := t.current
	if d == nil {
		t.set = false
		t.mu.Unlock()
		return
	}
	if left := d.at - t.clock.Now(); left > 0 {
		t.timer.Reset(left)
		t.mu.Unlock()
		return
	}
	t.set = false
	t.mu.Unlock()
	d.end(context.DeadlineExceeded)
}

// deadline is the context of one operation. Its channel is there only once somebody asks for it.
type deadline struct {
	timeouts *timeouts
	at       time.Duration

	mu    sync.Mutex
	err   error // nil: it has not ended
	done  chan struct{}
	funcs []*func()
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.timeouts.clock.start.Add(d.at), true }

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		d.done = make(chan struct{})
		if d.err != nil {
			close(d.done)
		}
	}
	return d.done
}

// Err implements context.Context.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Value implements context.Context.
func (d *deadline) Value(any) any { return nil }

// AfterFunc has f called in a goroutine of its own when the context ends. The standard library asks for it by this name when a
// context is derived from this one; else it would start a goroutine for each.
func (d *deadline) AfterFunc(f func()) (stop func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		go f()
		return func() bool { return false }
	}
	own := &f
	d.funcs = append(d.funcs, own)
	return func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		i := slices.Index(d.funcs, own)
		if i < 0 {
			return false
		}
		d.funcs = slices.Delete(d.funcs, i, i+1)
		return true
	}
}

func (d *deadline) end(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return
	}
	d.err = err
	if d.done != nil {
		close(d.done)
	}
	for _, f := range d.funcs {
		go (*f)()
	}
	d.funcs = nil
}
