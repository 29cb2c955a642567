package harness

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
)

// Generators work at full speed against a system that answers nothing of use, all of it is on record, and nothing is left behind.
func TestBench(t *testing.T) {
	for _, workload := range []string{"register", "list-append"} {
		dir := t.TempDir()
		r, err := Bench(t.Context(), BenchOptions{Workload: workload, Clients: 4, Duration: 20 * time.Millisecond, Dir: dir})
		require.NoError(t, err, workload)
		require.Positive(t, r.Operations)
		require.Positive(t, r.CPU)
		require.Greater(t, r.Bytes, 100.0, "%s: two lines an operation", workload)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
	_, err := Bench(t.Context(), BenchOptions{Workload: "chess", Clients: 1, Dir: t.TempDir()})
	require.ErrorContains(t, err, `no workload "chess"`)
}

// What the clients do fits into a few allocations: the operation's context, its channel, and what the workload draws.
func TestBenchAllocations(t *testing.T) {
	r, err := Bench(t.Context(), BenchOptions{Workload: "register", Clients: 4, Duration: 200 * time.Millisecond, Dir: t.TempDir()})
	require.NoError(t, err)
	require.Less(t, r.Allocations, 6.0)
}

// With a rate the bench tells latencies.
func TestBenchAtARate(t *testing.T) {
	r, err := Bench(t.Context(), BenchOptions{Workload: "register", Clients: 4, Rate: 2000, Duration: 100 * time.Millisecond, Dir: t.TempDir()})
	require.NoError(t, err)
	require.Positive(t, r.P50)
	require.GreaterOrEqual(t, r.P99, r.P50)
}

// BenchmarkRecorder is an operation's two lines on their way to the disk.
func BenchmarkRecorder(b *testing.B) {
	writer, err := history.Create(b.TempDir() + "/history.jsonl")
	require.NoError(b, err)
	r := &recorder{writer: writer, start: time.Now()}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		recordOne(r, i)
	}
	require.NoError(b, r.close())
}

// BenchmarkRecorderTapped is the same while the run is checked.
func BenchmarkRecorderTapped(b *testing.B) {
	writer, err := history.Create(b.TempDir() + "/history.jsonl")
	require.NoError(b, err)
	r := &recorder{writer: writer, start: time.Now(), online: &onlineCheck{}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		recordOne(r, i)
		if i%10_000 == 0 { // as the check does ten times a second
			r.online.mu.Lock()
			r.online.recent = r.online.recent[:0]
			r.online.mu.Unlock()
		}
	}
	require.NoError(b, r.close())
}

// BenchmarkWorker is an operation from its draw to its completion, at a system that answers at once.
func BenchmarkWorker(b *testing.B) {
	writer, err := history.Create(b.TempDir() + "/history.jsonl")
	require.NoError(b, err)
	r := &recorder{writer: writer, start: time.Now()}
	crew := &Crew{Clients: 1, Timeout: time.Minute, Recorder: r, Clock: newRealClock(r.start), Generator: newTestGenerator(b)}
	w := crew.Worker(0, nullClient{})
	b.ReportAllocs()
	for b.Loop() {
		w.do(crew.Generator.Next(0, w.rng), 0)
	}
	require.NoError(b, r.close())
}
