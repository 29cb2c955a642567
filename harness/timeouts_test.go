package harness

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

func realTimeouts(d time.Duration) *timeouts { return newRealClock(time.Now()).Timeouts(d).(*timeouts) }

// An operation that takes too long is told to end at its deadline, and none before: also when it began while the timer stood
// for an earlier one.
func TestTimeoutsEndAtTheDeadline(t *testing.T) {
	const after = 20 * time.Millisecond
	timeouts := realTimeouts(after)
	for range 5 {
		quick := timeouts.Begin()
		time.Sleep(after / 3) // the timer is set for this one
		timeouts.End()
		require.Error(t, quick.Err())
		began := time.Now()
		slow := timeouts.Begin()
		at, ok := slow.Deadline()
		require.True(t, ok)
		require.WithinRange(t, at, began.Add(after), time.Now().Add(after))
		<-slow.Done()
		require.ErrorIs(t, slow.Err(), context.DeadlineExceeded)
		require.False(t, time.Now().Before(at), "it ended before its deadline")
		timeouts.End()
		require.ErrorIs(t, slow.Err(), context.DeadlineExceeded, "as it was")
	}
}

// What a client has left behind is told that its operation is over, and nothing of later ones.
func TestTimeoutsOfEarlierOperations(t *testing.T) {
	timeouts := realTimeouts(time.Hour)
	first := timeouts.Begin()
	asked := first.Done()
	derived, cancel := context.WithTimeout(first, time.Hour)
	defer cancel()
	called := make(chan struct{})
	context.AfterFunc(first, func() { close(called) })
	unwanted := context.AfterFunc(first, func() { t.Error("called after it was taken back") })
	require.True(t, unwanted())
	require.False(t, unwanted())
	require.NoError(t, derived.Err())
	timeouts.End()
	second := timeouts.Begin()
	<-asked
	<-first.Done()
	<-derived.Done()
	<-called
	require.ErrorIs(t, derived.Err(), context.Canceled)
	late := make(chan struct{})
	stop := context.AfterFunc(first, func() { close(late) })
	<-late
	require.False(t, stop())
	require.NoError(t, second.Err())
	select {
	case <-second.Done():
		t.Error("the second has not ended")
	default:
	}
}

// Contexts derived by the standard library end for the same reason.
func TestTimeoutsAreToldToDerivedContexts(t *testing.T) {
	timeouts := realTimeouts(time.Millisecond)
	derived, cancel := context.WithCancel(timeouts.Begin())
	defer cancel()
	<-derived.Done()
	require.ErrorIs(t, derived.Err(), context.DeadlineExceeded)
	require.ErrorIs(t, context.Cause(derived), context.DeadlineExceeded)
}

// obedient takes as long as it may.
type obedient struct{}

func (obedient) Invoke(ctx context.Context, _ workloads.Operation) systems.Completion {
	<-ctx.Done()
	return systems.Completion{Type: history.Info, Error: ctx.Err().Error()}
}
func (obedient) Close() {}

// A worker's operations are bounded, one after the other.
func TestWorkersBoundTheirOperations(t *testing.T) {
	r := &recorder{writer: history.NewWriter(&syncBuilder{}), start: time.Now()}
	crew := &Crew{Clients: 1, Timeout: time.Millisecond, Recorder: r, Clock: newRealClock(r.start), Generator: newTestGenerator(t)}
	w := crew.Worker(0, obedient{})
	for range 5 {
		require.False(t, w.Do(workloads.Operation{F: "get", Key: "k"}))
		require.Equal(t, "context deadline exceeded", w.event.Error)
	}
	require.NoError(t, r.close())
	require.EqualValues(t, 5, r.info.Load())
}

func newTestGenerator(t testing.TB) workloads.Generator {
	g, err := workloads.NewGenerator("register", workloads.Options{Workers: 1})
	require.NoError(t, err)
	return g
}

// An operation that nobody waits for costs one small object and no timer.
func TestTimeoutsAreCheap(t *testing.T) {
	timeouts := realTimeouts(time.Hour)
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { timeouts.Begin(); timeouts.End() }), 1.0)
}

func BenchmarkTimeouts(b *testing.B) {
	timeouts := realTimeouts(time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		timeouts.Begin()
		timeouts.End()
	}
}
