package raft

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// All servers apply the same entries in the same order, whatever happened to them (R3).
func TestR3_ReplicasApplyTheSame(t *testing.T) {
	for seed := uint64(1); seed <= 50; seed++ {
		c, err := runRandomCluster(seed)
		require.NoError(t, err, "seed %d", seed)
		for _, s := range c.servers {
			if i := s.machine.index; i > 0 {
				require.Equal(t, c.safety.committed[i-1].digest, s.machine.digest, "seed %d, server %d", seed, s.config.ID)
			}
		}
	}
}

// Heartbeats come from the leader only, once an interval, and it knows who answered when (R4).
func TestR4_Heartbeats(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	c.groups[2] = 1
	c.elapse(1, heartbeatInterval-1)
	require.False(t, c.ready(1), "too early")
	c.elapse(1, 1)
	c.stabilize()
	now := c.clocks[0]
	peers := c.core(1).Status().Peers
	require.EqualValues(t, []NodeID{2, 3}, []NodeID{peers[0].ID, peers[1].ID})
	require.Equal(t, now, peers[0].LastHeard)
	require.Equal(t, now-heartbeatInterval, peers[1].LastHeard, "cut off")
	require.Empty(t, c.core(2).Status().Peers, "followers keep no such list")

	c.network = nil
	c.elapse(2, heartbeatInterval)
	c.ready(2)
	require.Empty(t, c.network, "followers send no heartbeats")
}

// An entry is committed when a majority holds it on disk, the leader's own disk counting as one: not before (R8).
func TestR8_CommitNeedsAMajorityOfDisks(t *testing.T) {
	for n := 1; n <= 7; n++ {
		for acknowledged := 0; acknowledged < n; acknowledged++ {
			for _, written := range []bool{false, true} {
				c := newCluster(n, Config{})
				c.elect(1)
				index, term, err := c.core(1).Propose([]byte("x"))
				require.NoError(t, err)
				c.ready(1)
				c.network = nil
				have := acknowledged
				if written {
					c.persist(1)
					have++
				}
				for id := range acknowledged {
					c.core(1).Step(Message{Kind: AppendEntriesReply, From: NodeID(id + 2), To: 1, Term: term, MatchIndex: index})
				}
				require.Equal(t, have > n/2, c.core(1).log.commit == index, "%d of %d disks", have, n)
			}
		}
	}
}

// Acknowledgements that come late or twice, in any order, never take back what a follower has (R8).
func TestR8_MatchIndexNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(3, Config{})
		c.elect(1)
		for range 10 {
			_ = c.propose(1, "x")
		}
		c.ready(1)
		greatest := c.core(1).leading.peers[2].match
		for _, match := range rapid.SliceOf(rapid.Uint64Range(0, 11)).Draw(t, "acknowledgements") {
			greatest = max(greatest, match)
			c.core(1).Step(Message{Kind: AppendEntriesReply, From: 2, To: 1, Term: 1, MatchIndex: match})
			p := c.core(1).leading.peers[2]
			require.Equal(t, greatest, p.match)
			require.Greater(t, p.next, p.match)
		}
	})
}

// An acknowledgement from an earlier term is of entries that may be gone since, and counts for nothing (R8, R2).
func TestR8_AcknowledgementsOfAnotherTerm(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	c.elect(2)
	c.elect(1) // term 3
	c.network = nil
	index, _, err := c.core(1).Propose([]byte("x"))
	require.NoError(t, err)
	c.ready(1)
	c.persist(1)
	c.core(1).Step(Message{Kind: AppendEntriesReply, From: 2, To: 1, Term: 1, MatchIndex: index, Round: 99})
	require.Less(t, c.core(1).log.commit, index)
	c.core(1).Step(Message{Kind: AppendEntriesReply, From: 2, To: 1, Term: 3, MatchIndex: index})
	require.Equal(t, c.core(1).log.commit, index)
}

// A follower takes the commit index of its leader only as far as that request has shown its log to match (R8, R10).
func TestR8_FollowersCommitWhatMatches(t *testing.T) {
	c := newCluster(3, Config{})
	c.preset(1, HardState{Term: 2}, 1, 1, 1, 1) // 3 and 4 never reached the leader of term 3
	c.deliver(Message{Kind: AppendEntries, From: 2, To: 1, Term: 3, PrevLogIndex: 1, PrevLogTerm: 1,
		Entries: []Entry{{Term: 1, Index: 2}}, Commit: 4})
	require.EqualValues(t, 2, c.core(1).log.commit)
	c.deliver(Message{Kind: AppendEntries, From: 2, To: 1, Term: 3, PrevLogIndex: 1, PrevLogTerm: 1, Commit: 1})
	require.EqualValues(t, 2, c.core(1).log.commit, "a late request takes nothing back")
}

// A window bounds what a follower may owe answers for (R8).
func TestR8_FlowControl(t *testing.T) {
	c := newCluster(3, Config{MaxAppendBytes: 1, MaxInflight: 2})
	c.elect(1)
	for range 5 {
		require.NoError(t, c.propose(1, "some bytes"))
	}
	c.ready(1)
	toSecond := func() int { return len(c.take(func(m Message) bool { return m.To == 2 })) }
	require.Equal(t, 2, toSecond())
	require.False(t, c.ready(1))
	c.core(1).Step(Message{Kind: AppendEntriesReply, From: 2, To: 1, Term: 1, MatchIndex: 2})
	c.ready(1)
	require.Equal(t, 1, toSecond(), "one acknowledged, one more sent")
}

// Entries that do not follow one another, or cannot be read, change nothing (R10).
func TestR10_MalformedEntriesAreIgnored(t *testing.T) {
	for name, entries := range map[string][]Entry{
		"gap":                     {{Term: 1, Index: 4}},
		"gap inside":              {{Term: 1, Index: 3}, {Term: 1, Index: 5}},
		"terms go back":           {{Term: 2, Index: 3}, {Term: 1, Index: 4}},
		"term before the last":    {{Term: 0, Index: 3}},
		"term after the sender's": {{Term: 9, Index: 3}},
		"unreadable members":      {{Term: 2, Index: 3, Kind: EntryConfiguration, Data: []byte{7}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(3, Config{})
			c.preset(1, HardState{Term: 2}, 1, 1)
			before := c.core(1).Status()
			c.deliver(Message{Kind: AppendEntries, From: 2, To: 1, Term: 2, PrevLogIndex: 2, PrevLogTerm: 1, Entries: entries})
			require.Equal(t, before, c.core(1).Status())
		})
	}
}

// A log on stable storage that no server can have written is refused, and the message says where (R10).
func TestR10_BadStableStorageIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		entries []Entry
		want    string
	}{
		"gap":           {[]Entry{{Term: 1, Index: 1}, {Term: 1, Index: 3}}, "entry 3 follows entry 1"},
		"terms go back": {[]Entry{{Term: 2, Index: 1}, {Term: 1, Index: 2}}, "entry 2 is of term 1, the one before it of term 2"},
		"no term":       {[]Entry{{Index: 1}}, "entry 1 is of term 0"},
		"term unknown":  {[]Entry{{Term: 3, Index: 1}}, "entry 1 is of term 3, later than the current term 2"},
		"members":       {[]Entry{{Term: 1, Index: 1, Kind: EntryConfiguration}}, "entry 1: configuration entry: bad list length"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCluster(1, Config{}).server(1)
			s.disk = disk{hardState: HardState{Term: 2}, entries: test.entries}
			require.ErrorContains(t, s.start(0), test.want)
		})
	}
}

// A leader counts replicas for entries of its own term only; with the first of them all before it are committed (R13).
func TestR13_OnlyOwnTermIsCounted(t *testing.T) {
	c := newCluster(5, Config{})
	for id := NodeID(1); id <= 5; id++ {
		c.preset(id, HardState{Term: 2}, 1, 2)
	}
	c.timeout(1)
	c.stabilize(1)
	for _, id := range []NodeID{2, 3} {
		c.deliver(Message{Kind: RequestVoteReply, From: id, To: 1, Term: 3})
	}
	c.ready(1)
	c.persist(1)
	for _, id := range []NodeID{2, 3, 4, 5} {
		c.core(1).Step(Message{Kind: AppendEntriesReply, From: id, To: 1, Term: 3, MatchIndex: 2})
		require.Zero(t, c.core(1).log.commit, "entry 2 of term 2 is everywhere, and not committed")
	}
	for _, id := range []NodeID{2, 3} {
		c.core(1).Step(Message{Kind: AppendEntriesReply, From: id, To: 1, Term: 3, MatchIndex: 3})
	}
	require.EqualValues(t, 3, c.core(1).log.commit)
}

// The answer to entries waits until they are on disk: a crash before that takes no promise back (R8, R12).
func TestR12_AcknowledgedMeansOnDisk(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	require.NoError(t, c.propose(1, "x"))
	c.ready(1)
	for _, m := range c.take(func(m Message) bool { return m.To == 2 }) {
		c.deliver(m)
	}
	c.ready(2)
	answers := func() int { return len(c.take(func(m Message) bool { return m.From == 2 })) }
	require.Zero(t, answers())
	c.persist(2)
	require.Equal(t, 1, answers())
	require.True(t, c.server(2).disk.holds(2, 1))
}

// Who does not lead serves no writes, no reads and no transfer, and says who does (R14).
func TestR14_OthersNameTheLeader(t *testing.T) {
	c := newCluster(3, Config{})
	refused := func(id NodeID, want ErrNotLeader) {
		_, _, err := c.core(id).Propose([]byte("x"))
		require.Equal(t, want, err)
		require.Equal(t, want, c.core(id).Read(1, false))
		require.Equal(t, want, c.core(id).Read(1, true))
		require.Equal(t, want, c.core(id).TransferLeadership(3))
	}
	refused(2, ErrNotLeader{})
	require.EqualError(t, ErrNotLeader{}, "not the leader, and no leader is known")
	c.elect(1)
	refused(2, ErrNotLeader{Leader: 1})
	require.EqualError(t, ErrNotLeader{Leader: 1}, "not the leader, server 1 is")
	c.timeout(2)
	refused(2, ErrNotLeader{})
}

// A server applies only what is committed and on its own disk, also in the paper's order of events (R8, R12).
func TestR12_AppliesOnlyWhatIsOnItsDisk(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	c.deliver(Message{Kind: AppendEntries, From: 1, To: 2, Term: 1, PrevLogIndex: 1, PrevLogTerm: 1,
		Entries: []Entry{{Term: 1, Index: 2}}, Commit: 2})
	c.ready(2)
	require.NotContains(t, fmt.Sprint(c.server(2).applied), "{1 2")
	c.persist(2)
	c.ready(2)
	require.Len(t, c.server(2).applied, 2)
}
