package sim

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A batch is steered by what it reached, and makes the same runs in one thread or in several.
func TestSteeredBatchIsTheSameInParallel(t *testing.T) {
	batch := func(parallel int) (Totals, []uint64) {
		var seeds []uint64
		b := Batch{Swarm: Swarm{Workload: "register", Operations: 10}, First: 7, Stride: 3, Runs: roundSize + 40, Parallel: parallel, Steer: true,
			Done: func(r Result) bool { seeds = append(seeds, r.Seed); return true }}
		totals, err := b.Run(context.Background())
		require.NoError(t, err)
		return totals, seeds
	}
	one, seeds := batch(1)
	two, again := batch(2)
	require.Equal(t, one, two)
	require.Equal(t, seeds, again)
	require.Equal(t, uint64(roundSize+40), one.Runs)
	require.Equal(t, uint64(2), one.Repeated)
	require.Equal(t, []uint64{7, 10, 13}, seeds[:3])
	require.NotEqual(t, UsualWeights(), one.Weights, "nothing was learnt")
}

// A batch ends when it is told to, and when its context does.
func TestBatchEndsWhenTold(t *testing.T) {
	n := 0
	b := Batch{Swarm: Swarm{Workload: "register", Operations: 5}, Parallel: 2, Done: func(Result) bool { n++; return n < 5 }}
	totals, err := b.Run(context.Background())
	require.NoError(t, err)
	require.Equal(t, uint64(5), totals.Runs)

	ctx, cancel := context.WithCancel(context.Background())
	b.Done = func(Result) bool { cancel(); return true }
	totals, err = b.Run(ctx)
	require.NoError(t, err)
	require.LessOrEqual(t, totals.Runs, uint64(2))
}

// A run that is not the same twice is an error of the simulator, and named.
func TestRepeatNoticesAnotherRun(t *testing.T) {
	o := Options{Plan: Swarm{Workload: "register", Operations: 5}.Draw(1)}
	r, err := Run(context.Background(), o)
	require.NoError(t, err)
	require.NoError(t, Repeat(context.Background(), o, r))
	r.Hash++
	require.ErrorContains(t, Repeat(context.Background(), o, r), "seed 1 does not give the same run twice")
}

func TestWeightsAsText(t *testing.T) {
	w := UsualWeights()
	require.Empty(t, w.String())
	w[troubleKill], w[troubleClock] = 10, 850
	require.Equal(t, "kill=10,clock=850", w.String())
	again, err := ParseWeights(w.String())
	require.NoError(t, err)
	require.Equal(t, w, again)
	_, err = ParseWeights("kil=1")
	require.ErrorContains(t, err, `there is no "kil"; there are loss,`)
	_, err = ParseWeights("kill=1001")
	require.ErrorContains(t, err, "want a number from 0 to 1000")
}
