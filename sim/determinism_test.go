package sim

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// The same plan gives the same run: every event, every byte of the history.
func TestSamePlanSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		plan := Swarm{Workload: "register"}.Draw(seed)
		first, err := Run(context.Background(), Options{Plan: plan})
		require.NoError(t, err)
		again, err := Run(context.Background(), Options{Plan: plan})
		require.NoError(t, err)
		require.Equal(t, first.Hash, again.Hash, "seed %d", seed)
		require.Equal(t, first.Record, again.Record, "seed %d", seed)
		require.Equal(t, first.Coverage, again.Coverage, "seed %d", seed)
	}
}
