package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
)

// The first leader of a succession comes back, and then who had heard it commits what it had lost; fewer than five nodes have none.
func TestSuccessions(t *testing.T) {
	for nodes := 2; nodes <= 7; nodes++ {
		p := Usual(uint64(nodes), "register", nodes)
		p.Duration, p.Rate, p.Workers, p.Timeout = 6*time.Second, 30, 10, 3*time.Second
		p.Injections = []Injection{{ID: 1, At: time.Second, For: 4 * time.Second, Fault: FaultSuccession, Deaf: nodes / 2}}
		r, err := Run(t.Context(), Options{Plan: p})
		require.NoError(t, err)
		require.NotEqual(t, checker.Invalid, r.Verdict, "%d nodes: %s", nodes, r.Reason)
		require.Equal(t, nodes >= 5, r.Coverage[Successions] == 1, "%d nodes: %v", nodes, r.Coverage)
		require.Equal(t, nodes >= 5, r.Coverage[EntriesTruncated] >= 2, "%d nodes: %v", nodes, r.Coverage) // the first's, twice
	}
}

// A change of members is cut in two as soon as its leader knows of it: the old ones elect another, who does not.
func TestSplitChanges(t *testing.T) {
	p := Usual(3, "register", 5)
	p.Node.CheckQuorum, p.Workers, p.Duration = false, 10, 6*time.Second
	p.Injections = []Injection{
		{ID: 1, At: time.Second, For: 5 * time.Second, Fault: FaultMembership, Nodes: []int{1, 2, 3}},
		{ID: 2, For: 3 * time.Second, Fault: FaultPartition, Ways: waysNewVoters, When: MomentJoint},
	}
	for seed := range uint64(20) {
		p.Seed = seed
		r, err := Run(t.Context(), Options{Plan: p})
		require.NoError(t, err)
		require.NotEqual(t, checker.Invalid, r.Verdict, r.Reason)
		if r.Coverage[StaleLeader] > 0 && r.Coverage[ConfigurationTruncated] > 0 {
			return
		}
	}
	require.Fail(t, "no leader of a joint configuration led on beside another")
}
