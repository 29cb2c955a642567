package raft

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server alone confirms by itself, and only what it has committed (R20).
func TestR20_OneServer(t *testing.T) {
	c := newCluster(1, Config{})
	c.elect(1)
	require.NoError(t, c.propose(1, "x"))
	require.NoError(t, c.read(1, 1, false))
	c.stabilize()
	require.NoError(t, c.read(1, 2, false))
	c.stabilize()
	require.Equal(t, []ReadResult{{ID: 1, Index: 1}, {ID: 2, Index: 2}}, c.server(1).reads)
}

// One round serves all reads that wait for it, each once, and repeated answers serve none again (R20).
func TestR20_ReadsShareARound(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	for id := uint64(1); id <= 5; id++ {
		require.NoError(t, c.read(1, id, false))
	}
	c.ready(1)
	require.Len(t, c.take(func(m Message) bool { return m.To == 2 }), 1)
	answer := Message{Kind: AppendEntriesReply, From: 2, To: 1, Term: 1, MatchIndex: 1, Round: c.core(1).leading.round}
	c.deliver(answer)
	c.deliver(answer)
	c.ready(1)
	require.Len(t, c.server(1).reads, 5)
}

// Answers to rounds that began before a read was asked do not confirm it, when they come late either (R20).
func TestR20_EarlierRoundsDoNotConfirm(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	c.elapse(1, heartbeatInterval)
	c.ready(1)
	earlier := c.core(1).leading.round
	require.NoError(t, c.read(1, 1, false))
	c.ready(1)
	answer := Message{Kind: AppendEntriesReply, From: 2, To: 1, Term: 1, MatchIndex: 1, Round: earlier}
	c.deliver(answer)
	c.ready(1)
	require.Empty(t, c.server(1).reads)
	answer.Round++
	c.deliver(answer)
	c.ready(1)
	require.Len(t, c.server(1).reads, 1)
}

// A refusal of entries confirms the leader as well as an acceptance: its sender follows (R20, thesis 6.4).
func TestR20_RefusalsConfirmToo(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	require.NoError(t, c.read(1, 1, false))
	c.ready(1)
	c.deliver(Message{Kind: AppendEntriesReply, From: 2, To: 1, Term: 1, Reject: true, PrevLogIndex: 1, Round: c.core(1).leading.round})
	c.ready(1)
	require.Len(t, c.server(1).reads, 1)
}

// A lease starts when the round that was confirmed was sent, not when the answers came (R20, thesis 6.4.1).
func TestR20_LeaseStartsWhenTheRoundWasSent(t *testing.T) {
	const lease = electionTimeout / 2
	c := newCluster(3, Config{CheckQuorum: true, LeaseDuration: lease})
	c.elect(1)
	c.elapse(1, heartbeatInterval)
	c.ready(1)
	sent := c.clocks[0]
	c.elapse(1, heartbeatInterval-1) // the answers take their time
	c.stabilize()
	at := func(now time.Duration) bool {
		c.elapse(1, now-c.clocks[0])
		return c.core(1).holdsLease()
	}
	require.True(t, at(sent+lease-1))
	require.False(t, at(sent+lease))
}

// After a restart a server keeps the promise it may have made before: it votes for nobody until an election timeout
// has passed (R20, thesis 6.4.1).
func TestR20_PromiseOutlivesARestart(t *testing.T) {
	for _, kind := range []MessageKind{PreVote, RequestVote} {
		c := newCluster(3, Config{PreVote: true, CheckQuorum: true})
		c.elect(1)
		c.server(2).crash(0)
		c.restart(2)
		ask := Message{Kind: kind, From: 3, To: 2, Term: 2, LastLogIndex: 9, LastLogTerm: 1}
		grants := func() int {
			c.network = nil
			c.core(2).Step(ask)
			c.stabilize(2)
			return len(c.take(func(m Message) bool { return m.From == 2 && !m.Reject }))
		}
		require.Zero(t, grants(), "%v", kind)
		c.elapse(2, electionTimeout)
		require.Equal(t, 1, grants(), "%v", kind)
	}
}

// What makes leases unsafe is refused at the start, with the reason (R20).
func TestR20_LeaseConfiguration(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"leases need CheckQuorum":                     func(c *Config) { c.CheckQuorum = false },
		"must be shorter than the election timeout":   func(c *Config) { c.LeaseDuration = c.ElectionTimeout },
		"lease of -1ns":                               func(c *Config) { c.LeaseDuration = -1 },
		"must be at least twice the heartbeat":        func(c *Config) { c.ElectionTimeout, c.LeaseDuration = c.HeartbeatInterval, 0 },
		"twice the heartbeat interval 2562047h":       func(c *Config) { c.HeartbeatInterval = math.MaxInt64 },
		"heartbeat interval 0s must be positive":      func(c *Config) { c.HeartbeatInterval = 0 },
		"server id 0 means nobody":                    func(c *Config) { c.ID = 0 },
		"no source of randomness":                     func(c *Config) { c.Random = nil },
		"must not be negative":                        func(c *Config) { c.MaxInflight = -1 },
		"configuration has no voters":                 func(c *Config) { c.Configuration = Configuration{} },
		"configuration lists server 1 out of order":   func(c *Config) { c.Configuration.Voters = []NodeID{2, 1} },
		"server 1 is both voter and learner":          func(c *Config) { c.Configuration.Learners = []NodeID{1} },
		"configuration names server 0, which means":   func(c *Config) { c.Configuration.Outgoing = []NodeID{0} },
		"configuration lists server 3 out of order o": func(c *Config) { c.Configuration.Voters = []NodeID{3, 3} },
	} {
		config := newCluster(3, Config{CheckQuorum: true, LeaseDuration: 1}).server(1).config
		_, err := New(config)
		require.NoError(t, err)
		change(&config)
		_, err = New(config)
		require.ErrorContains(t, err, want)
	}
}

// A leader whose TimeoutNow may be under way holds no lease, also when the transfer was given up (R22).
func TestR22_NoLeaseAfterTransfer(t *testing.T) {
	c := newCluster(3, Config{CheckQuorum: true, LeaseDuration: electionTimeout / 2})
	c.elect(1)
	require.True(t, c.core(1).holdsLease())
	require.NoError(t, c.core(1).TransferLeadership(2))
	require.False(t, c.core(1).holdsLease())
	c.ready(1)
	c.take(func(m Message) bool { return m.Kind == TimeoutNow })
	for range 4 {
		c.elapse(1, heartbeatInterval)
		c.stabilize(1, 3)
	}
	require.NoError(t, c.propose(1, "given up"))
	c.stabilize(1, 3)
	require.False(t, c.core(1).holdsLease())
	require.NoError(t, c.read(1, 7, true))
	c.stabilize(1, 3)
	require.Equal(t, []ReadResult{{ID: 7, Index: 2}}, c.server(1).reads, "it asks instead")
}

// Leadership goes to voters only, and a server that does not vote does not stand (R22).
func TestR22_OnlyVotersTakeOver(t *testing.T) {
	c := newCluster(3, Config{Configuration: Configuration{Learners: []NodeID{9}}})
	c.elect(1)
	require.EqualError(t, c.core(1).TransferLeadership(9), "leadership cannot go to server 9: it must be another voter")
	require.EqualError(t, c.core(1).TransferLeadership(8), "leadership cannot go to server 8: it must be another voter")
	config := c.server(2).config
	config.ID = 9
	learner, err := New(config)
	require.NoError(t, err)
	learner.Step(Message{Kind: TimeoutNow, From: 1, To: 9, Term: 1})
	learner.Tick(time.Hour)
	require.Equal(t, Follower, learner.role)
}
