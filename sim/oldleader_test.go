package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
)

// An old leader leads on though one of the others never heard it and the rest starts again when it is cut off, in a cluster of any size: the
// plan of a larger one is to hold when nodes are left out.
func TestOldLeadersInClustersOfAnySize(t *testing.T) {
	for nodes := 1; nodes <= 5; nodes++ {
		for deaf := range 5 {
			p := Usual(uint64(10*nodes+deaf+1), "register", nodes)
			p.Duration, p.Rate = 8*time.Second, 20
			p.Injections = []Injection{{ID: 1, At: time.Second, For: 4 * time.Second, Fault: FaultOldLeader, Slowness: 500 * time.Millisecond,
				Deaf: deaf, Restart: true, Workers: 1, Ways: "in"}}
			r, err := Run(t.Context(), Options{Plan: p})
			require.NoError(t, err)
			require.NotEqual(t, checker.Invalid, r.Verdict, "%d nodes, deaf %d: %s", nodes, deaf, r.Reason)
			require.EqualValues(t, 1, r.Coverage[OldLeaders])
			require.Equal(t, deaf > 0 && nodes > 2 || deaf == 0 && nodes > 1, r.Coverage[Kills] > 0, "%d nodes, deaf %d", nodes, deaf)
		}
	}
}
