package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
)

// eventful is a plan in which nodes come to all moments there are: snapshots, changes of members, transfers, partitions and restarts.
func eventful(seed uint64) Plan {
	p := Usual(seed, "register", 5)
	p.Duration, p.Rate, p.Node.SnapshotEntries, p.Node.SegmentSize, p.Node.ChunkBytes = 12*time.Second, 60, 15, 512, 100
	p.Injections = []Injection{{Fault: FaultMembership, At: time.Second, For: time.Second, Nodes: []int{5}},
		{Fault: FaultPartition, At: 4 * time.Second, For: 2 * time.Second}, {Fault: FaultKill, At: 7 * time.Second, For: 500 * time.Millisecond},
		{Fault: FaultPower, At: 8 * time.Second, For: 500 * time.Millisecond, Nodes: []int{2}}, {Fault: FaultTransfer, At: 10 * time.Second},
		{Fault: FaultPartition, At: 10500 * time.Millisecond, For: 600 * time.Millisecond}}
	for i := range p.Injections {
		p.Injections[i].ID = i + 1
	}
	return p
}

// A fault strikes at each moment that can be named, the honest node stands it, and the run is the same every time.
func TestFaultsAtMoments(t *testing.T) {
	for _, when := range slices.Concat(moments, diskMomentNames) {
		for _, in := range []Injection{{Fault: FaultKill}, {Fault: FaultPower, Ways: waysAfter}} {
			p := eventful(3)
			in.ID, in.When, in.At, in.For = 9, when, 500*time.Millisecond, 700*time.Millisecond
			p.Injections = append(p.Injections, in)
			r, err := Run(t.Context(), Options{Plan: p})
			require.NoError(t, err)
			require.Positive(t, r.Coverage[MomentsStruck], "%s %s", in.Fault, when)
			require.Equal(t, checker.Valid, r.Verdict, "%s %s: %s", in.Fault, when, r.Reason)
			if in.Fault == FaultKill {
				require.NoError(t, Repeat(t.Context(), Options{Plan: p}, r))
			}
		}
	}
}

// A crash amid the start of a process is stood too.
func TestCrashAmidAStart(t *testing.T) {
	p := eventful(4)
	for i, when := range []string{MomentCreate, MomentSyncDir, MomentSync} { // an empty disk's are all of the start
		p.Injections = append(p.Injections, Injection{ID: 20 + i, When: when, Fault: FaultPower, For: 300 * time.Millisecond})
	}
	p.FaultsFirst = true
	p.Injections = append(p.Injections, Injection{ID: 30, Fault: FaultPower, At: 100 * time.Millisecond, For: 100 * time.Millisecond, Nodes: []int{1, 2, 3, 4, 5}})
	r, err := Run(t.Context(), Options{Plan: p})
	require.NoError(t, err)
	require.Positive(t, r.Coverage[MomentsStruck])
	require.Equal(t, checker.Valid, r.Verdict, r.Reason)
}

// A leader grows old: others lead a later term while it leads on, with clocks apart, and nothing that it answers is wrong.
func TestAnOldLeaderLeadsOn(t *testing.T) {
	p := Usual(5, "register", 5)
	p.Node.CheckQuorum, p.Duration = false, 20*time.Second
	for i := range 4 {
		p.Injections = append(p.Injections, Injection{ID: i + 1, Fault: FaultOldLeader, At: time.Duration(1+4*i) * time.Second, For: 3 * time.Second,
			Slowness: time.Second, Rate: million * 11 / 10})
	}
	r, err := Run(t.Context(), Options{Plan: p})
	require.NoError(t, err)
	require.Equal(t, checker.Valid, r.Verdict, r.Reason)
	require.EqualValues(t, 4, r.Coverage[OldLeaders])
	require.GreaterOrEqual(t, r.Coverage[StaleLeader], uint64(3))
}

func TestMomentsAreChecked(t *testing.T) {
	for want, in := range map[string]Injection{
		`there is no moment "tea"; there are starts,`: {Fault: FaultKill, When: "tea"},
		"cannot name links":                           {Fault: FaultOldLeader, Links: [][2]int{{1, 2}}},
		"rate 2000000, and":                           {Fault: FaultOldLeader, Rate: 2 * million},
		"it does not say which clients":               {Fault: FaultClients},
		"cannot name nodes":                           {Fault: FaultKill, When: MomentLeads, Nodes: []int{1}},
		"there is kill or power, not pause":           {Fault: FaultPause, When: MomentSync},
	} {
		require.ErrorContains(t, in.check(3), want)
	}
}
