package clock

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A clock that nobody has set is the machine's.
func TestUnset(t *testing.T) {
	c := New()
	r := c.Read()
	require.Equal(t, r.TrueWall, r.Wall)
	require.Equal(t, r.TrueMonotonic, r.Monotonic)
	require.GreaterOrEqual(t, c.Now(), r.Monotonic)
	require.Equal(t, time.Duration(0), c.Until(r.Monotonic))
}

// Whatever is set, and when: monotonic time never goes back, it counts at the rate, and the wall clock is off by rate and offset.
func TestSettings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &state{}
		now, before := time.Duration(0), time.Duration(0)
		for range rapid.IntRange(1, 10).Draw(t, "settings") {
			now += time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "passed"))
			s = &state{Setting: Setting{
				Offset: time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "offset")),
				Rate:   rapid.SampledFrom([]float64{0, 1, 0.25, 1.5, 4}).Draw(t, "rate"),
				Strobe: time.Duration(rapid.Int64Range(0, 1).Draw(t, "strobe")) * time.Second,
			}, since: now, monotonic: s.at(now)}
			require.NoError(t, s.Check())
			require.GreaterOrEqual(t, s.monotonic, before)
			before = s.monotonic
			passed := 10 * time.Second
			require.Equal(t, time.Duration(s.rate()*float64(passed)), s.at(now+passed)-s.monotonic)
			drift := s.at(now+passed) - s.monotonic - passed
			require.Equal(t, drift+s.Offset, s.ahead(now+passed), "an even number of strobes")
			if s.Strobe != 0 {
				require.Equal(t, s.at(now+s.Strobe)-s.monotonic-s.Strobe, s.ahead(now+s.Strobe), "an odd one")
			}
		}
	})
}

// A timer by Until is due at the clock's time, not the machine's, and hears of a change.
func TestUntil(t *testing.T) {
	c := New()
	require.NoError(t, c.Set(Setting{Rate: 1000}))
	<-c.Changed()
	due := c.Now() + time.Hour
	require.Less(t, c.Until(due), 4*time.Second)
	require.NoError(t, c.Set(Setting{Rate: 0.001}))
	require.Greater(t, c.Until(due), time.Hour)
	<-c.Changed()
	require.NoError(t, c.Set(Setting{}))
	require.LessOrEqual(t, c.Until(due), time.Hour)
	require.Equal(t, Setting{}, c.Setting())
}

func TestRefusedSettings(t *testing.T) {
	c := New()
	for want, s := range map[string]Setting{
		"the rate is -1":    {Rate: -1},
		"the rate is 1e+06": {Rate: 1e6},
		"the offset is":     {Offset: 2 * farthest},
		"the strobe is 1ns": {Strobe: 1},
	} {
		require.ErrorContains(t, c.Set(s), want)
	}
	require.Equal(t, Setting{}, c.Setting())
}

// Read while it is set over and over, the clock never goes back.
func TestConcurrentUse(t *testing.T) {
	c := New()
	var group sync.WaitGroup
	group.Go(func() {
		for i := range 2000 {
			require.NoError(t, c.Set(Setting{Rate: []float64{0.5, 3}[i%2]}))
		}
	})
	group.Go(func() {
		last := c.Now()
		for range 20000 {
			now := c.Now()
			require.GreaterOrEqual(t, now, last)
			last = now
		}
	})
	group.Wait()
}
