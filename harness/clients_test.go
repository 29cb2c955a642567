package harness

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// workOnRecord lets workers do operations by hand and gives the history they leave.
func workOnRecord(t *testing.T, clients int, s *memoryStore, use func(workers []*Worker)) []history.Event {
	var file syncBuilder
	r := &run{test: memoryTest(t, s, ""), cluster: newMemoryCluster(t, 3), recorder: &recorder{writer: history.NewWriter(&file), start: time.Now()}}
	r.test.Clients = clients
	var err error
	r.generator, err = workloads.NewGenerator("register", workloads.Options{Workers: clients})
	require.NoError(t, err)
	workers, err := r.startWorkers()
	require.NoError(t, err)
	use(workers)
	require.NoError(t, r.recorder.close())
	events, _, err := history.Decode(strings.NewReader(file.String()))
	require.NoError(t, err, "a history that keeps the rules")
	return events
}

// syncBuilder is a string that a writer's background may fill.
type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuilder) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// The invocation is on record before the request leaves, the completion only after the answer came.
func TestInvocationsAreOnRecordBeforeTheyAreSent(t *testing.T) {
	var w *Worker
	lens := []int{}
	s := &memoryStore{script: func(context.Context, workloads.Operation) (systems.Completion, bool) {
		lens = append(lens, w.crew.Recorder.(*recorder).writer.Len())
		return systems.Completion{}, false
	}}
	events := workOnRecord(t, 1, s, func(workers []*Worker) {
		w = workers[0]
		for range 3 {
			require.True(t, w.Do(workloads.Operation{F: "get", Key: "k"}))
		}
	})
	require.Equal(t, []int{1, 3, 5}, lens, "events on record while the request is under way")
	require.Len(t, events, 6)
	for i, e := range events {
		require.Equal(t, []history.Type{history.Invoke, history.OK}[i%2], e.Type)
		require.Zero(t, e.Process)
	}
}

// An operation of unknown outcome retires its process, one that failed or succeeded does not; no two workers ever share a
// number.
func TestInfoRetiresTheProcess(t *testing.T) {
	outcomes := []history.Type{history.OK, history.Info, history.Fail, 0, history.OK}
	next := map[string]int{}
	s := &memoryStore{}
	s.script = func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
		next[op.Key]++
		return systems.Completion{Type: outcomes[next[op.Key]-1]}, true
	}
	events := workOnRecord(t, 3, s, func(workers []*Worker) {
		for range outcomes {
			for i, w := range workers {
				w.Do(workloads.Operation{F: "get", Key: string(rune('a' + i))})
			}
		}
	})
	processes := map[string][]int{}
	for _, e := range events {
		if e.Type == history.Invoke {
			processes[e.Key] = append(processes[e.Key], e.Process)
		}
	}
	require.Equal(t, map[string][]int{"a": {0, 0, 3, 3, 6}, "b": {1, 1, 4, 4, 7}, "c": {2, 2, 5, 5, 8}}, processes)
}

// What arrives after the end of the record is dropped, and must not break anything.
func TestRecorderAfterItsEnd(t *testing.T) {
	r := &recorder{writer: history.NewWriter(&syncBuilder{}), start: time.Now()}
	r.Invoke(&history.Event{F: "get"})
	require.NoError(t, r.close())
	r.Complete(&history.Event{F: "get", Type: history.OK})
	r.Invoke(&history.Event{F: "get"})
	require.Equal(t, 1, r.writer.Len())
	require.Zero(t, r.ok.Load())
}

func TestRecorderNoticesAFullDisk(t *testing.T) {
	r := &recorder{writer: history.NewWriter(&fullDisk{}), start: time.Now()}
	require.ErrorContains(t, r.watch(t.Context()), "no space left")
	require.ErrorContains(t, r.close(), "no space left")
}

// stepClock passes only when somebody sleeps.
type stepClock struct{ at time.Duration }

func (c *stepClock) Now() time.Duration { return c.at }

func (c *stepClock) Sleep(ctx context.Context, d time.Duration) error {
	c.at += max(d, 0)
	return ctx.Err()
}

func newPacer(interval time.Duration) (*pacer, *stepClock) {
	clock := &stepClock{at: time.Hour}
	return &pacer{interval: interval, rng: rand.New(rand.NewPCG(1, 2)), clock: clock}, clock
}

func TestPacerKeepsTheRate(t *testing.T) {
	p, clock := newPacer(10 * time.Millisecond)
	for range 10_000 {
		require.True(t, p.wait(t.Context()))
		clock.at += 3 * time.Millisecond // the operation itself is part of the interval
	}
	require.InDelta(t, 100, (clock.at - time.Hour).Seconds(), 5)
}

// What was due during a long operation is made up for, and counts from when it was due: nothing is left out.
func TestPacerLeavesNothingOut(t *testing.T) {
	p, clock := newPacer(10 * time.Millisecond)
	require.True(t, p.wait(t.Context()))
	require.Zero(t, p.late)
	began := clock.at
	clock.at += time.Minute
	missed, before := 0, time.Duration(1<<62)
	for p.wait(t.Context()) && p.late > 0 {
		require.Equal(t, began+time.Minute, clock.at, "it begins at once")
		require.Less(t, p.late, before)
		before = p.late
		missed++
	}
	require.InDelta(t, 6000, missed, 300)
	require.Zero(t, p.late, "and then the pace goes on")
	require.Greater(t, clock.at, began+time.Minute)
}

// A system stands still for a second, once. At 100 operations a second a hundred were due meanwhile, and each had to wait for what was left of
// that second: the percentiles must show it, where latencies from the actual start would show a single slow operation.
func TestAStallShowsInThePercentiles(t *testing.T) {
	clock := &stepClock{at: time.Hour}
	record := &stepRecord{clock: clock}
	crew := &Crew{Clients: 1, Rate: 100, Timeout: time.Second, Generator: newTestGenerator(t), Recorder: record, Clock: steppedTimeouts{clock}}
	ctx, cancel := context.WithCancel(t.Context())
	crew.Worker(0, &slowOnce{clock: clock, after: 20, end: cancel}).Work(ctx)
	ops, err := history.Operations(record.events)
	require.NoError(t, err)
	late := 0
	for _, op := range ops {
		if op.Late > 0 {
			late++
		}
	}
	require.InDelta(t, 100, late, 20, "a second's operations were due during the slow one")
	p50, p99, _ := report.Latency(ops)
	// A third of the operations were late, by a time between nothing and a second.
	require.Less(t, p50, time.Millisecond)
	require.InDelta(t, 0.96, p99.Seconds(), 0.08)
}

// stepRecord is a Recorder on the time of a stepClock.
type stepRecord struct {
	clock  *stepClock
	events []history.Event
}

func (r *stepRecord) Invoke(e *history.Event) {
	e.Type = history.Invoke
	r.Complete(e)
}

func (r *stepRecord) Complete(e *history.Event) {
	e.Index, e.Time = len(r.events), r.clock.at
	if e.Index > 0 {
		e.Time = max(e.Time, r.events[e.Index-1].Time+1)
	}
	r.events = append(r.events, *e)
}

// slowOnce answers at once, except for one operation that takes a second. It ends the work some time after that.
type slowOnce struct {
	clock *stepClock
	after int // operations before it
	done  int
	end   func()
}

func (s *slowOnce) Invoke(context.Context, workloads.Operation) systems.Completion {
	if s.done++; s.done == s.after {
		s.clock.at += time.Second
	}
	if s.done == s.after+300 {
		s.end()
	}
	return systems.Completion{Type: history.OK}
}
func (*slowOnce) Close() {}

// steppedTimeouts is a Clock whose timeouts never come.
type steppedTimeouts struct{ *stepClock }

func (s steppedTimeouts) Timeouts(time.Duration) Timeouts { return s }
func (steppedTimeouts) Begin() context.Context            { return context.Background() }
func (steppedTimeouts) End()                              {}

func TestPacerEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, interval := range []time.Duration{0, time.Millisecond} {
		p, _ := newPacer(interval)
		require.False(t, p.wait(ctx))
	}
}

func TestInterval(t *testing.T) {
	for _, test := range []struct {
		clients int
		rate    float64
		want    time.Duration
	}{{10, 0, 0}, {10, 1000, 10 * time.Millisecond}, {1, 0.1, 10 * time.Second}, {10_000, 1e-300, longestInterval}} {
		c := &Crew{Clients: test.clients, Rate: test.rate}
		require.Equal(t, test.want, c.interval())
	}
}
