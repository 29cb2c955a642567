package sim

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/ordeal-dev/ordeal/harness"
)

// coroutine is code that blocks, such as a client's or the nemesis's, run a stretch at a time in the world's one thread. It
// blocks in functions of this package alone.
type coroutine struct {
	world *world
	name  string
	index int32
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	waits uint64 // counts its waits: a wake-up for an earlier one is void
	done  bool
	after []*coroutine // wait for its end
}

// stopped unwinds a coroutine at the end of the run.
type stopped struct{}

// start has f run beside all else, from the next moment on.
func (w *world) start(name string, f func()) *coroutine {
	c := &coroutine{world: w, name: name, index: int32(len(w.coroutines))}
	w.coroutines = append(w.coroutines, c)
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		defer c.end()
		f()
	})
	w.queue.push(happening{at: w.now, kind: wake, node: c.index, life: c.waits})
	return c
}

// end notes that the coroutine is done, and keeps a panic of the code in it for the world.
func (c *coroutine) end() {
	c.done = true
	switch p := recover().(type) {
	case nil, stopped:
	default:
		c.world.fail(fmt.Errorf("%s panicked: %v", c.name, p))
	}
	for _, other := range c.after {
		c.world.wakeUp(other)
	}
}

// resume runs the coroutine until it blocks again.
func (w *world) resume(c *coroutine) {
	outer := w.current
	w.current = c
	c.next()
	w.current = outer
}

// park blocks the coroutine that runs until somebody wakes it.
func (w *world) park() {
	c := w.current
	if c == nil {
		panic("sim: something blocks that is not in a coroutine")
	}
	if !c.yield(struct{}{}) {
		panic(stopped{})
	}
	c.waits++
}

// wakeUp has a parked coroutine go on at this moment.
func (w *world) wakeUp(c *coroutine) {
	w.queue.push(happening{at: w.now, kind: wake, node: c.index, life: c.waits})
}

// parkUntil blocks until the time has come or somebody wakes the coroutine.
func (w *world) parkUntil(at time.Duration) {
	c := w.current
	w.queue.push(happening{at: max(at, w.now), kind: wake, node: c.index, life: c.waits})
	w.park()
}

// stopCoroutines ends all of them.
func (w *world) stopCoroutines() {
	for _, c := range w.coroutines {
		c.stop()
	}
}

// simulated is a context on simulated time. It has no channel: who waits in the world asks Err and Deadline, and to wait for it
// outside would be a mistake.
type simulated struct {
	context.Context
	world    *world
	deadline time.Duration
	canceled bool
}

// epoch is where simulated time begins, for Deadline.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// never is a time that does not come.
const never = time.Duration(1<<63 - 1)

func (s *simulated) Deadline() (time.Time, bool) { return epoch.Add(s.deadline), true }
func (s *simulated) Done() <-chan struct{}       { return nil }

func (s *simulated) Err() error {
	s.world.asksForTime()
	if err := s.Context.Err(); err != nil {
		return err
	}
	switch {
	case s.world.now >= s.deadline:
		return context.DeadlineExceeded
	case s.canceled:
		return context.Canceled
	}
	return nil
}

// clock is simulated time as code that blocks sees it.
type clock struct{ world *world }

// Now implements nemesis.Clock.
func (c clock) Now() time.Duration { return c.world.now }

// Sleep implements nemesis.Clock.
func (c clock) Sleep(ctx context.Context, d time.Duration) error {
	at := min(c.world.now+max(d, 0), deadlineOf(ctx))
	for c.world.now < at && c.world.over(ctx) == nil {
		c.world.parkUntil(at)
	}
	return c.world.over(ctx)
}

// mostAsks is how often code may ask for the time while none passes.
const mostAsks = 1 << 20

// asksForTime ends a coroutine that goes round and round without ever waiting: the run would hang.
func (w *world) asksForTime() {
	if w.asks++; w.asks > mostAsks {
		w.asks = 0
		panic("it goes on and on while no time passes")
	}
}

// over is why ctx has ended; nil: it has not. A context of the standard library's that was derived from a simulated one knows of
// the other's end only by its deadline.
func (w *world) over(ctx context.Context) error {
	w.asksForTime()
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.now >= deadlineOf(ctx) {
		return context.DeadlineExceeded
	}
	return nil
}

// Timeouts implements harness.Clock.
func (c clock) Timeouts(d time.Duration) harness.Timeouts { return &timeouts{clock: c, after: d} }

type timeouts struct {
	clock clock
	after time.Duration
	end   context.CancelFunc // of the operation under way
}

// Begin implements harness.Timeouts.
func (t *timeouts) Begin() context.Context {
	ctx, end := t.clock.WithTimeout(context.Background(), t.after)
	t.end = end
	return ctx
}

// End implements harness.Timeouts.
func (t *timeouts) End() { t.end() }

// WithTimeout implements client.World.
func (c clock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	s := &simulated{Context: ctx, world: c.world, deadline: min(c.world.now+d, deadlineOf(ctx))}
	return s, func() { s.canceled = true }
}

// deadlineOf is when ctx ends on simulated time.
func deadlineOf(ctx context.Context) time.Duration {
	if at, ok := ctx.Deadline(); ok {
		return at.Sub(epoch)
	}
	return never
}
