package node

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Whatever rates two clocks have within the bound, a leader's lease has run out by its clock before a follower's promise has by
// the follower's, and not long before where the clocks are the worst (R20).
func TestR20LeaseEndsBeforeThePromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{ClockDrift: rapid.Float64Range(0.0001, 0.99).Draw(t, "drift"), CheckQuorum: true,
			ElectionTimeout: time.Duration(rapid.Int64Range(int64(10*time.Millisecond), int64(time.Minute)).Draw(t, "timeout"))}
		rate := func(of string) float64 { return rapid.Float64Range(1-o.ClockDrift, 1+o.ClockDrift).Draw(t, of) }
		trueLease := func(leader float64) float64 { return float64(o.Lease()) / leader }
		truePromise := func(follower float64) float64 { return float64(o.ElectionTimeout) / follower }
		require.LessOrEqual(t, trueLease(rate("leader")), truePromise(rate("follower"))*(1+1e-9))
		if o.Lease() > time.Millisecond {
			require.InEpsilon(t, truePromise(1+o.ClockDrift), trueLease(1-o.ClockDrift), 1e-5, "no part of the promise is given away")
		}
	})
}

// Without a bound, or without servers that keep such promises, there are no leases (R20).
func TestR20NoBoundNoLease(t *testing.T) {
	o := Options{ClockDrift: 0.2, CheckQuorum: true, ElectionTimeout: 300 * time.Millisecond}
	require.Equal(t, 200*time.Millisecond, o.Lease())
	o.CheckQuorum = false
	require.Zero(t, o.Lease())
	o.CheckQuorum, o.ClockDrift = true, 0
	require.Zero(t, o.Lease())
	for _, drift := range []float64{-0.1, 1, 7, math.NaN(), math.Inf(1)} {
		o := Options{ID: 1, ClusterID: "c", Data: "d", Heartbeat: time.Millisecond, ElectionTimeout: time.Second, ClockDrift: drift}
		require.ErrorContains(t, o.Check(), "--clock-drift", "%v", drift)
	}
}

// A lease read is answered at once while the lease holds. Where there are no leases, or it has run out, it is confirmed as any
// other read (R20).
func TestR20LeaseReads(t *testing.T) {
	for drift, atOnce := range map[float64]bool{0: false, 0.2: true} {
		t.Run(fmt.Sprint("drift ", drift), func(t *testing.T) {
			o := Options{ClockDrift: drift, CheckQuorum: true, ElectionTimeout: 300 * time.Millisecond} // and leases of 200 ms
			core, err := raft.New(raft.Config{ID: 1, Configuration: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}, CheckQuorum: true,
				ElectionTimeout: o.ElectionTimeout, HeartbeatInterval: 20 * time.Millisecond, LeaseDuration: o.Lease(), Random: rand.New(rand.NewPCG(1, 1))})
			require.NoError(t, err)
			s := &scripted{}
			s.driver = NewDriver(core, s, DriverOptions{})
			s.lead(t) // at one second; 2 has confirmed it
			get := func(id uint64, at time.Duration) string {
				s.did.Reset()
				s.driver.Tick(at)
				s.driver.Handle(request(s, id, wire.Lease, kv.Op{Kind: kv.Get, Key: "k"}))
				s.driver.Flush()
				return s.did.String()
			}
			if answer := "answer 1: ok at 1"; atOnce {
				require.Contains(t, get(1, time.Second+199*time.Millisecond), answer)
			} else {
				require.NotContains(t, get(1, time.Second+199*time.Millisecond), "answer")
			}
			require.NotContains(t, get(2, time.Second+200*time.Millisecond), "answer", "the lease has run out")
			s.driver.Receive(raft.Message{Kind: raft.AppendEntriesReply, From: 2, To: 1, Term: 1, MatchIndex: 1, Round: s.round})
			s.driver.Flush()
			require.Contains(t, s.did.String(), "answer 2: ok at 1")
		})
	}
}
