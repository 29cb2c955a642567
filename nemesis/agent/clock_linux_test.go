package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/vdso"
)

// The child's clocks are set and read over the API, and are right again in the process that is started next.
func TestClockOverTheAPI(t *testing.T) {
	if err := vdso.ProbeChild(); err != nil {
		t.Skip("no process can be patched here: ", err)
	}
	c, _ := serve(t, "run")
	ctx := t.Context()
	_, err := c.Clock(ctx)
	require.True(t, IsConflict(err), "%v", err)
	for range 2 {
		_, err = c.Start(ctx)
		require.NoError(t, err)
		now, err := c.Clock(ctx)
		require.NoError(t, err)
		require.Zero(t, now.Skew())
		require.NoError(t, c.SetClock(ctx, nemesis.ClockSetting{Offset: time.Hour}))
		now, err = c.Clock(ctx)
		require.NoError(t, err)
		require.Equal(t, time.Hour, now.Skew())
		_, err = c.Kill(ctx)
		require.NoError(t, err)
	}
	_, err = c.Start(ctx)
	require.NoError(t, err)
	require.ErrorContains(t, c.SetClock(ctx, nemesis.ClockSetting{Rate: -1}), "the rate is -1")
	able, err := c.Able(ctx)
	require.NoError(t, err)
	require.Empty(t, able.VDSO)
}

// A child that is stopped stays so when its clock is set.
func TestClockOfAPausedChild(t *testing.T) {
	if err := vdso.ProbeChild(); err != nil {
		t.Skip("no process can be patched here: ", err)
	}
	c, _ := serve(t, "run")
	_, err := c.Start(t.Context())
	require.NoError(t, err)
	_, err = c.Pause(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.SetClock(t.Context(), nemesis.ClockSetting{Offset: time.Hour}))
	state, err := c.Process(t.Context())
	require.NoError(t, err)
	require.True(t, state.Paused)
}
