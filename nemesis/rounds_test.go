package nemesis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every mode comes in every round, and by itself.
func TestRounds(t *testing.T) {
	s, err := Rounds(everything(), nodeNames(5), 1, 3, time.Second, 2*time.Second)
	require.NoError(t, err)
	require.NoError(t, s.check())
	seen, stands := map[string]int{}, 0
	for _, step := range s.Steps {
		switch step.Phase {
		case PhaseInject:
			seen[step.Fault+":"+step.Mode]++
			stands++
			require.Equal(t, 1, stands)
		case PhaseHeal:
			stands--
		}
	}
	require.Len(t, seen, len(everything()))
	for what, n := range seen {
		require.Equal(t, 3, n, what)
	}
}
