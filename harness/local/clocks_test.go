package local

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/vdso"
)

// The clock of a process that knows nothing of it is set, and is right again after a restart.
func TestPatchedClocks(t *testing.T) {
	if err := vdso.ProbeChild(); err != nil {
		t.Skip("no process can be patched here: ", err)
	}
	c := setUp(t, Options{})
	clocks := nemesis.AbilitiesOf(c).Patched
	require.NoError(t, clocks.(interface{ Lacks(context.Context) error }).Lacks(ctx))
	require.NoError(t, clocks.SetClock(ctx, "n1", nemesis.ClockSetting{Offset: -time.Hour, Rate: 2}))
	skew := func(node string) time.Duration {
		now, err := clocks.ReadClock(ctx, node)
		require.NoError(t, err)
		return now.Skew().Round(time.Minute)
	}
	require.Equal(t, -time.Hour, skew("n1"))
	require.Zero(t, skew("n2"))
	require.NoError(t, c.Kill(ctx, "n1"))
	require.ErrorContains(t, clocks.SetClock(ctx, "n1", nemesis.ClockSetting{}), "clock of n1: it does not run")
	require.NoError(t, c.Start(ctx, "n1"))
	require.Zero(t, skew("n1"))
}
