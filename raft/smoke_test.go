package raft

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Three servers over a perfect network elect a leader and commit a command on every one of them (R1, R6, R8).
func TestThreeServersElectAndCommit(t *testing.T) {
	var now time.Duration
	cores := map[NodeID]*Core{}
	for id := NodeID(1); id <= 3; id++ {
		c, err := New(Config{ID: id, Configuration: Configuration{Voters: []NodeID{1, 2, 3}}, ElectionTimeout: 100 * time.Millisecond,
			HeartbeatInterval: 10 * time.Millisecond, PreVote: true, CheckQuorum: true, Random: rand.New(rand.NewPCG(1, uint64(id)))})
		require.NoError(t, err)
		cores[id] = c
	}
	applied := map[NodeID]string{}
	settle := func() {
		for busy := true; busy; {
			busy = false
			for id := NodeID(1); id <= 3; id++ {
				r, ok := cores[id].Ready()
				busy = busy || ok
				cores[id].Persisted(r.Write)
				for _, e := range r.Committed {
					applied[id] += string(e.Data)
				}
				for _, m := range append(r.Messages, r.AfterWrite...) {
					cores[m.To].Step(m)
				}
			}
		}
	}
	leader := func() *Core {
		for _, c := range cores {
			if c.role == Leader {
				return c
			}
		}
		return nil
	}
	for leader() == nil {
		now += time.Millisecond
		for id := NodeID(1); id <= 3; id++ {
			cores[id].Tick(now)
		}
		settle()
	}
	require.EqualValues(t, 1, leader().term)
	_, _, err := leader().Propose([]byte("x"))
	require.NoError(t, err)
	settle()
	now += 10 * time.Millisecond
	leader().Tick(now)
	settle()
	require.Equal(t, map[NodeID]string{1: "x", 2: "x", 3: "x"}, applied)
}
