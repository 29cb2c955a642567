package shrink

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// However the culprits lie among the items, all of them and nothing else are left.
func TestMinimizeFindsTheCulprits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "items")
		items := make([]int, n)
		for i := range items {
			items[i] = i
		}
		culprits := rapid.SliceOfNDistinct(rapid.IntRange(0, max(0, n-1)), 0, min(n, 12), rapid.ID).Draw(t, "culprits")
		slices.Sort(culprits)
		asked := 0
		got := Minimize(items, func(some []int) bool {
			asked++
			return !slices.ContainsFunc(culprits, func(c int) bool { return !slices.Contains(some, c) })
		})
		require.Equal(t, append([]int{}, culprits...), append([]int{}, got...))
		require.LessOrEqual(t, asked, 200+60*len(culprits)+n/4)
	})
}

// A failure that depends on its items in any way ends with a list that fails, of which no item and no two neighbours can go.
func TestMinimizeEndsAtAMinimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "items")
		salt := rapid.Uint64().Draw(t, "salt")
		items := make([]int, n)
		for i := range items {
			items[i] = i
		}
		fails := func(some []int) bool {
			h := salt
			for _, x := range some {
				h = (h ^ uint64(x)) * 1099511628211
			}
			return len(some) == n || h>>61 == 0
		}
		got := Minimize(items, fails)
		require.True(t, fails(got))
		for start := range got {
			for end := start + 1; end <= min(start+2, len(got)); end++ {
				require.False(t, fails(without(got, start, end)), "%v without %v", got, got[start:end])
			}
		}
	})
}
