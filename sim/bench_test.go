package sim

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cpu is the processor time that this process has used: what a figure a core is of, whoever else uses the machine.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Short runs, faults on: 5 nodes, 100 operations. There are to be 100 a second a core at least.
func BenchmarkShortRuns(b *testing.B) {
	simulated, before := time.Duration(0), cpu(b)
	for seed := uint64(1); b.Loop(); seed++ {
		r, err := Run(context.Background(), Options{Plan: Swarm{Workload: "register", Nodes: 5}.Draw(seed)})
		require.NoError(b, err)
		simulated += r.Simulated
	}
	used := (cpu(b) - before).Seconds()
	b.ReportMetric(float64(b.N)/used, "runs/cpu-s")
	b.ReportMetric(simulated.Seconds()/used, "x-real-time")
}

// Five nodes as ordeal-node sets them up, ten minutes of simulated time with 10 operations a second: how much faster
// than real time, on one core.
func BenchmarkFiveNodes(b *testing.B) {
	simulated, before := time.Duration(0), cpu(b)
	for seed := uint64(1); b.Loop(); seed++ {
		p := Usual(seed, "register", 5)
		p.Duration, p.Rate = 10*time.Minute, 10
		r, err := Run(context.Background(), Options{Plan: p})
		require.NoError(b, err)
		simulated += r.Simulated
	}
	b.ReportMetric(simulated.Seconds()/(cpu(b)-before).Seconds(), "x-real-time")
}
