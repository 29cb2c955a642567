package wal

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever is done and wherever it fails, the log recovers all that was synced and then a prefix of the batches.
func TestRecoveryProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		choose := func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }
		w, err := newWorld(choose)
		require.NoError(t, err)
		for range 6 {
			require.NoError(t, w.run())
		}
	})
}

// One thousand logs live through ten and more restarts each.
func TestManyRestarts(t *testing.T) {
	restarts := 0
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w, err := newWorld(func(n int, _ string) int { return rng.IntN(n) })
		require.NoError(t, err, "seed %d", seed)
		for range 20 {
			require.NoError(t, w.run(), "seed %d", seed)
			restarts++
		}
	}
	require.GreaterOrEqual(t, restarts, 10_000)
}
