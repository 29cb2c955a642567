package ordeal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// A real node's clock goes as it was set, and is right again; its elections are by that clock. A node that was not told to let
// its clock be set does not.
func TestClocksOfARealCluster(t *testing.T) {
	c := startTrioWith(t, func(name string, o *nodeOptions) { o.ClockFaults = name != "n3" })
	clocks, err := System{}.Clocks(c.http)
	require.NoError(t, err)
	c.await(c.members(), "a leader", func(v nemesis.Membership) bool { return true })

	_, err = clocks.ReadClock(c.ctx, "n3")
	require.EqualError(t, err, "n3 has no clock that can be set: start it with --clock-faults")
	require.Error(t, clocks.SetClock(c.ctx, "n3", nemesis.ClockSetting{Rate: 2}))
	require.ErrorContains(t, clocks.SetClock(c.ctx, "n1", nemesis.ClockSetting{Rate: -2}), "the rate is -2")

	require.NoError(t, clocks.SetClock(c.ctx, "n1", nemesis.ClockSetting{Rate: 4, Offset: -time.Hour}))
	first, err := clocks.ReadClock(c.ctx, "n1")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		second, err := clocks.ReadClock(c.ctx, "n1")
		require.NoError(t, err)
		passed := second.TrueMonotonic - first.TrueMonotonic
		require.InDelta(t, 4, float64(second.Monotonic-first.Monotonic)/float64(passed), 1e-3)
		require.InDelta(t, float64(-time.Hour), float64(second.Skew()), float64(time.Minute))
		return passed > 50*time.Millisecond
	}, time.Minute, time.Millisecond)
	require.NoError(t, clocks.SetClock(c.ctx, "n1", nemesis.ClockSetting{}))
	right, err := clocks.ReadClock(c.ctx, "n1")
	require.NoError(t, err)
	require.Zero(t, right.Skew())
}
