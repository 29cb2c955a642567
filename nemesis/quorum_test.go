package nemesis

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who can still lead, and who cannot.
func TestQuorum(t *testing.T) {
	five := nodeNames(5)
	split := func(a, b []string) Impact { return Impact{Cut: Split(a, b).Links} }
	for name, test := range map[string]struct {
		configurations [][]string
		faults         []Impact
		want           bool
	}{
		"nothing wrong":             {[][]string{five}, nil, true},
		"a minority down":           {[][]string{five}, []Impact{{Down: five[:2]}}, true},
		"a majority down":           {[][]string{five}, []Impact{{Down: five[:3]}}, false},
		"a majority by two faults":  {[][]string{five}, []Impact{{Down: five[:2]}, {Down: five[1:3]}}, false},
		"a minority cut off":        {[][]string{five}, []Impact{split(five[:2], five[2:])}, true},
		"and one of the others out": {[][]string{five}, []Impact{split(five[:2], five[2:]), {Down: five[4:]}}, false},
		"two minorities cut off":    {[][]string{five}, []Impact{split(five[:2], five[2:]), split(five[2:3], five[3:])}, false},
		"a bridge":                  {[][]string{five}, []Impact{split(five[:2], five[3:])}, true},
		"a bridge that is down":     {[][]string{five}, []Impact{split(five[:2], five[3:]), {Down: five[2:3]}}, false},
		"one way is as good as cut": {[][]string{five}, []Impact{{Cut: between(five[:3], five[3:])}, {Down: five[:1]}}, false},
		"joint, both majorities":    {[][]string{five, five[:3]}, []Impact{{Down: five[2:4]}}, true},
		"joint, not of the old":     {[][]string{five, five[:3]}, []Impact{{Down: five[2:]}}, false},
		"joint, not of the new":     {[][]string{five, five[:3]}, []Impact{{Down: five[:2]}}, false},
		"who is no voter, reaches":  {[][]string{five[:2]}, []Impact{split(five[:1], five[1:2])}, false},
	} {
		require.Equal(t, test.want, Quorum(five, test.configurations, test.faults), name)
	}
}

// Logs that hold the same lose about the same share by the same seed, from their middle half, and never all.
func TestDrawCut(t *testing.T) {
	long, short := make([]int64, 1000), make([]int64, 100)
	for i := range long {
		long[i] = int64(i) * 8
	}
	copy(short, long)
	different := map[int64]bool{}
	for seed := range uint64(50) {
		at, syncs, ok := DrawCut(long, seed)
		require.True(t, ok)
		require.Equal(t, long[1000-syncs], at)
		require.GreaterOrEqual(t, syncs, 249)
		require.LessOrEqual(t, syncs, 750)
		_, fewer, _ := DrawCut(short, seed)
		require.InDelta(t, float64(syncs)/999, float64(fewer)/99, 0.02)
		different[at] = true
	}
	require.Greater(t, len(different), 20)
	for _, none := range [][]int64{nil, {0}} {
		_, _, ok := DrawCut(none, 1)
		require.False(t, ok)
	}
	at, syncs, ok := DrawCut([]int64{0, 64}, 1)
	require.True(t, ok)
	require.EqualValues(t, 64, at)
	require.Equal(t, 1, syncs)
}
