package harness

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Generators work at full speed against a system that answers nothing of use, and nothing is left behind.
func TestBench(t *testing.T) {
	for _, workload := range []string{"register", "list-append"} {
		dir := t.TempDir()
		r, err := Bench(t.Context(), BenchOptions{Workload: workload, Clients: 4, Duration: 20 * time.Millisecond, Dir: dir})
		require.NoError(t, err, workload)
		require.Positive(t, r.Operations)
		require.Positive(t, r.Recording)
		require.Greater(t, r.Bytes, 100.0, "%s: two lines an operation", workload)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
	_, err := Bench(t.Context(), BenchOptions{Workload: "chess", Clients: 1, Dir: t.TempDir()})
	require.ErrorContains(t, err, `no workload "chess"`)
}

func BenchmarkRecorder(b *testing.B) {
	b.ReportAllocs()
	var ns float64
	for b.Loop() {
		var err error
		ns, err = benchRecording(b.TempDir() + "/history.jsonl")
		require.NoError(b, err)
	}
	b.ReportMetric(ns, "ns/recorded-op")
}
