package raft

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The five transitions of the paper's figure 4 (R1).
func TestR1_Roles(t *testing.T) {
	follower := func() *cluster { return newCluster(3, Config{}) }
	candidate := func() *cluster { c := follower(); c.timeout(1); return c }
	leader := func() *cluster { c := candidate(); c.stabilize(); return c }
	require.Equal(t, Follower, follower().core(1).role, "at the start")

	c := follower()
	c.timeout(1)
	require.Equal(t, Candidate, c.core(1).role, "times out, starts election")
	c = candidate()
	c.timeout(1)
	require.Equal(t, Candidate, c.core(1).role, "times out, new election")
	require.EqualValues(t, 2, c.core(1).term)
	c = candidate()
	c.stabilize()
	require.Equal(t, Leader, c.core(1).role, "receives votes from majority")
	c = candidate()
	c.deliver(Message{Kind: AppendEntries, From: 2, To: 1, Term: 1})
	require.Equal(t, Follower, c.core(1).role, "discovers current leader")
	c = candidate()
	c.deliver(Message{Kind: AppendEntries, From: 2, To: 1, Term: 2})
	require.Equal(t, Follower, c.core(1).role, "discovers new term")
	c = leader()
	c.deliver(Message{Kind: AppendEntriesReply, From: 2, To: 1, Term: 2, Reject: true})
	require.Equal(t, Follower, c.core(1).role, "discovers server with higher term")
}

// Every message of a higher term makes its receiver a follower of that term, whatever it was; only a pre-vote and its
// grant speak of a term that may never be. A request of a lower term is refused with the current one, and a reply
// of a lower term means nothing (R2).
func TestR2_Terms(t *testing.T) {
	for kind := RequestVote; kind <= TimeoutNow; kind++ {
		for _, role := range []Role{Follower, Candidate, Leader} {
			t.Run(fmt.Sprintf("%v at a %v", kind, role), func(t *testing.T) {
				m := Message{Kind: kind, From: 2, To: 1, Term: 9, LastLogIndex: 9, LastLogTerm: 8}
				c := inRole(role)
				c.core(1).Step(m)
				switch {
				case kind == PreVote || kind == PreVoteReply:
					require.EqualValues(t, 1, c.core(1).term)
					require.Equal(t, role, c.core(1).role)
				case kind == TimeoutNow:
					require.EqualValues(t, 10, c.core(1).term)
					require.Equal(t, Candidate, c.core(1).role)
				default:
					require.EqualValues(t, 9, c.core(1).term)
					require.Equal(t, Follower, c.core(1).role)
				}

				c = inRole(role)
				m.Term = 0
				before := c.core(1).Status()
				c.core(1).Step(m)
				require.Equal(t, before, c.core(1).Status())
				c.ready(1)
				if kind == RequestVote || kind == PreVote || kind == AppendEntries {
					refusals := c.take(func(m Message) bool { return m.Reject && m.Term == 1 && m.To == 2 })
					require.Len(t, refusals, 1)
				}
			})
		}
	}
}

// inRole is a cluster whose server 1 has that role in term 1, and all messages delivered.
func inRole(role Role) *cluster {
	c := newCluster(3, Config{})
	switch role {
	case Follower:
		c.timeout(3)
		c.stabilize()
	case Candidate:
		c.timeout(1)
		c.stabilize(1)
	case Leader:
		c.timeout(1)
		c.stabilize()
	}
	c.network = nil
	return c
}

// What resets the election timer: a current leader's message, granting a vote, and standing; nothing else (R5).
func TestR5_TimerResets(t *testing.T) {
	for _, test := range []struct {
		name   string
		input  Message
		resets bool
	}{
		{"heartbeat of the leader", Message{Kind: AppendEntries, Term: 2, PrevLogIndex: 2, PrevLogTerm: 1}, true},
		{"refused AppendEntries of the leader", Message{Kind: AppendEntries, Term: 2, PrevLogIndex: 9, PrevLogTerm: 2}, true},
		{"AppendEntries of an old leader", Message{Kind: AppendEntries, Term: 1, PrevLogIndex: 2, PrevLogTerm: 1}, false},
		{"granted vote", Message{Kind: RequestVote, Term: 3, LastLogIndex: 2, LastLogTerm: 1}, true},
		{"vote refused for an old log", Message{Kind: RequestVote, Term: 3, LastLogIndex: 1, LastLogTerm: 1}, false},
		{"vote refused, already voted", Message{Kind: RequestVote, Term: 2, LastLogIndex: 2, LastLogTerm: 1}, false},
		{"vote refused in an old term", Message{Kind: RequestVote, Term: 1, LastLogIndex: 2, LastLogTerm: 1}, false},
		{"granted pre-vote", Message{Kind: PreVote, Term: 3, LastLogIndex: 2, LastLogTerm: 1}, false},
		{"refused pre-vote", Message{Kind: PreVote, Term: 3}, false},
		{"reply of a higher term", Message{Kind: AppendEntriesReply, Term: 3, Reject: true}, false},
		{"TimeoutNow, stands", Message{Kind: TimeoutNow, Term: 2}, true},
		{"malformed AppendEntries", Message{Kind: AppendEntries, Term: 2, Entries: []Entry{{Index: 7, Term: 1}}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(3, Config{})
			c.preset(1, HardState{Term: 2, Vote: 3}, 1, 1)
			c.elapse(1, electionTimeout-1) // whatever the next draw is, the deadline moves
			before := c.core(1).electionDeadline
			test.input.From, test.input.To = 2, 1
			c.core(1).Step(test.input)
			require.Equal(t, test.resets, c.core(1).electionDeadline != before)
		})
	}
}

// Each wait is drawn anew, from one to two election timeouts (R5).
func TestR5_TimerIsRandom(t *testing.T) {
	c := newCluster(3, Config{})
	seen := map[time.Duration]bool{}
	for range 100 {
		c.core(1).resetElectionTimer()
		wait := c.core(1).electionDeadline - c.core(1).now
		require.GreaterOrEqual(t, wait, electionTimeout)
		require.Less(t, wait, 2*electionTimeout)
		seen[wait] = true
	}
	require.Greater(t, len(seen), 95)
}

// Whatever candidates ask, with logs however new, in whatever order, and whenever the power fails: a server votes at most
// once in a term, only for logs at least as new as its own, and never says so before its disk knows (R6, R11).
func TestR6_OneVoteInATerm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(5, Config{PreVote: rapid.Bool().Draw(t, "prevote")})
		c.preset(1, HardState{Term: 2}, 1, 2)
		t.Repeat(map[string]func(*rapid.T){
			"request": func(t *rapid.T) {
				c.core(1).Step(Message{Kind: RequestVote, To: 1, From: NodeID(rapid.IntRange(2, 5).Draw(t, "from")),
					Term: c.core(1).term + rapid.Uint64Range(0, 1).Draw(t, "later"), LastLogIndex: rapid.Uint64Range(1, 4).Draw(t, "index"), LastLogTerm: rapid.Uint64Range(1, 3).Draw(t, "term")})
			},
			"stand":   func(*rapid.T) { c.timeout(1) },
			"ready":   func(*rapid.T) { c.ready(1) },
			"persist": func(*rapid.T) { c.persist(1) },
			"crash": func(t *rapid.T) {
				c.server(1).crash(rapid.IntRange(0, len(c.server(1).queue)).Draw(t, "survive"))
				c.restart(1)
			},
			"": func(*rapid.T) { c.network = nil }, // safety.sent has looked at every vote
		})
	})
}

// Servers vote only for candidates with a log at least as new: whoever lacks a committed entry loses (R6, R11, R12).
func TestR11_OldLogsLose(t *testing.T) {
	for _, test := range []struct {
		name              string
		candidate, voters []uint64
		wins              bool
	}{
		{"equal", []uint64{1, 2}, []uint64{1, 2}, true},
		{"longer", []uint64{1, 2, 2}, []uint64{1, 2}, true},
		{"shorter", []uint64{1}, []uint64{1, 1}, false},
		{"longer, of an older term", []uint64{1, 1, 1}, []uint64{1, 2}, false},
		{"shorter, of a later term", []uint64{3}, []uint64{1, 2, 2}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(3, Config{})
			c.preset(1, HardState{Term: 3}, test.candidate...)
			c.preset(2, HardState{Term: 3}, test.voters...)
			c.preset(3, HardState{Term: 3}, test.voters...)
			c.timeout(1)
			c.stabilize()
			require.Equal(t, test.wins, c.core(1).role == Leader)
		})
	}
}

// A new leader sends a heartbeat to everybody at once, with its no-op (R7, R13).
func TestR7_NewLeaderSpeaksAtOnce(t *testing.T) {
	c := newCluster(5, Config{})
	c.timeout(1)
	c.stabilize(1)
	for _, id := range []NodeID{2, 3} {
		c.deliver(Message{Kind: RequestVoteReply, From: id, To: 1, Term: 1})
	}
	c.network = nil
	c.ready(1)
	require.Len(t, c.network, 4)
	for _, m := range c.network {
		require.Equal(t, AppendEntries, m.Kind)
		require.Equal(t, EntryNoOp, m.Entries[0].Kind)
	}
}

// Answers that are late, repeated, of another term or from strangers elect nobody (R6).
func TestR6_VotesThatDoNotCount(t *testing.T) {
	c := newCluster(5, Config{})
	c.timeout(1)
	c.timeout(1) // term 2
	c.stabilize(1)
	for _, m := range []Message{
		{From: 2, Term: 2}, {From: 2, Term: 2}, // twice the same
		{From: 3, Term: 1},               // of the election before
		{From: 9, Term: 2},               // no voter
		{From: 4, Term: 2, Reject: true}, // refused
	} {
		m.Kind, m.To = RequestVoteReply, 1
		c.deliver(m)
	}
	require.Equal(t, Candidate, c.core(1).role)
	c.deliver(Message{Kind: RequestVoteReply, From: 3, To: 1, Term: 2})
	require.Equal(t, Leader, c.core(1).role)
}

// A vote given in a term stands when its giver steps down in that same term: a candidate because another won it, a
// leader because no quorum answers (R6).
func TestR6_VoteOutlivesSteppingDown(t *testing.T) {
	ask := Message{Kind: RequestVote, From: 3, To: 1, Term: 1, LastLogIndex: 9, LastLogTerm: 1}
	refuses := func(c *cluster) {
		require.Equal(t, Follower, c.core(1).role)
		c.elapse(1, electionTimeout)
		c.network = nil
		c.core(1).Step(ask)
		c.stabilize(1)
		answers := c.take(func(m Message) bool { return m.Kind == RequestVoteReply })
		require.Len(t, answers, 1)
		require.True(t, answers[0].Reject)
	}
	c := newCluster(5, Config{PreVote: true})
	c.timeout(1)
	c.stabilize(1)
	for _, id := range []NodeID{2, 3} {
		c.deliver(Message{Kind: PreVoteReply, From: id, To: 1, Term: 1})
	}
	c.stabilize(1)
	c.deliver(Message{Kind: AppendEntries, From: 2, To: 1, Term: 1}) // 2 won the term
	refuses(c)

	c = newCluster(3, Config{PreVote: true, CheckQuorum: true})
	c.elect(1)
	c.elapse(1, electionTimeout)
	refuses(c)
}

// A server behind a link that flickers does not depose the leader; with both guards off it does (R15).
func TestR15_FlakyLink(t *testing.T) {
	for _, test := range []struct {
		prevote, checkquorum, stays bool
	}{{true, true, true}, {true, false, true}, {false, false, false}} {
		c := newCluster(5, Config{PreVote: test.prevote, CheckQuorum: test.checkquorum})
		c.elect(1)
		for range 20 {
			c.groups[4] = 1 // long enough for 5 to miss the leader
			for range 3 {
				c.elapse(1, heartbeatInterval)
				c.stabilize()
			}
			c.groups[4] = 0
			c.timeout(5)
			c.stabilize()
		}
		require.Equal(t, test.stays, c.core(1).term == 1 && c.core(1).role == Leader, "%+v", test)
	}
}

// Of all cuts of clusters of 2 to 5 servers, the side with a majority serves and the other does not (R18).
func TestR18_OnlyAMajorityServes(t *testing.T) {
	for n := 2; n <= 5; n++ {
		for cut := 1; cut < n; cut++ {
			for _, quorum := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d of %d, PreVote and CheckQuorum %v", cut, n, quorum), func(t *testing.T) {
					testCut(t, newCluster(n, Config{PreVote: quorum, CheckQuorum: quorum}), cut)
				})
			}
		}
	}
}

// testCut: servers 1 to cut, with the leader 1, on one side of a cut, and the others on the other.
func testCut(t *testing.T, c *cluster, cut int) {
	n := len(c.servers)
	c.elect(1)
	before := c.safety.lastCommitted()
	for id := range cut {
		c.groups[id] = 1
	}
	require.NoError(t, c.propose(1, "x"))
	require.NoError(t, c.read(1, 1, false))
	c.stabilize()
	require.Equal(t, cut > n/2, c.safety.lastCommitted() > before, "the leader's side commits")
	require.Equal(t, cut > n/2, len(c.server(1).reads) == 1, "the leader's side serves reads")

	before = c.safety.lastCommitted()
	last := NodeID(n)
	c.elect(last)
	require.Equal(t, n-cut > n/2, c.core(last).role == Leader, "the other side elects")
	require.Equal(t, n-cut > n/2, c.safety.lastCommitted() > before, "the other side commits")
}
