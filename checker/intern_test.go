package checker

import (
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// Equal values have equal numbers, and others others, whatever the order in which small and large integers come.
func TestInternerNumbersValuesOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		in, want := newInterner(), map[string]uint32{"null": 0}
		for range 2000 {
			v := history.Int(r.Int64N(1<<r.IntN(20)) - int64(r.IntN(3)))
			if r.IntN(10) == 0 {
				v = history.String(v.String())
			}
			switch r.IntN(10) {
			case 0:
				v = history.List(v, history.List(v))
			case 1:
				v = history.List(history.List(v), v)
			case 2:
				v = history.Bool(r.IntN(2) == 0)
			}
			n, id := in.number(v), valueID(v)
			if before, ok := want[id]; ok {
				require.Equal(t, before, n, "%s", id)
			} else {
				require.Equal(t, uint32(len(want)), n, "%s: numbers count on", id)
				want[id] = n
			}
			require.True(t, in.values[n].Equal(v))
		}
	}
}
