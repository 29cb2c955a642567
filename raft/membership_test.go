package raft

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func configurationEntry(index, term uint64, c Configuration) Entry {
	return Entry{Term: term, Index: index, Kind: EntryConfiguration, Data: c.Encode()}
}

// When a change is not taken, and why (R17).
func TestR17_ChangesRefused(t *testing.T) {
	to := Configuration{Voters: []NodeID{1, 2}}
	c := newCluster(3, Config{})
	require.Equal(t, ErrNotLeader{}, c.core(1).ChangeMembership(to))
	c.timeout(1)
	c.stabilize(1)
	c.deliver(Message{Kind: RequestVoteReply, From: 2, To: 1, Term: 1})
	require.Equal(t, Leader, c.core(1).role)
	require.Equal(t, ErrNotReady, c.core(1).ChangeMembership(to), "its no-op is not committed")
	c.stabilize()
	require.ErrorContains(t, c.core(1).ChangeMembership(Configuration{}), "no voters")
	require.ErrorContains(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{2, 1}}), "out of order")
	require.NoError(t, c.core(1).TransferLeadership(2))
	require.Equal(t, ErrTransferring{2}, c.core(1).ChangeMembership(to))
	c.core(1).leading.transferee = 0
	c.ready(1)
	c.network = nil // TimeoutNow
	require.NoError(t, c.core(1).ChangeMembership(to))
	require.Equal(t, ErrChangeInProgress, c.core(1).ChangeMembership(to))
	require.True(t, c.core(1).Changing())
	c.stabilize()
	require.False(t, c.core(1).Changing())
	require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2}, Learners: []NodeID{9}}))
	require.Equal(t, ErrChangeInProgress, c.core(1).ChangeMembership(to), "learners are not committed yet")
}

// joint is a leader 1 of 1, 2, 3 that has appended the change to 1, 4, 5, of which nobody else knows. All are up.
func joint(t *testing.T, config Config) *cluster {
	t.Helper()
	c := newClusterWithSpares(3, 2, config)
	c.elect(1)
	c.restart(4)
	c.restart(5)
	require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 4, 5}}))
	c.ready(1)
	c.persist(1)
	c.network = nil
	require.True(t, c.core(1).configuration().Joint())
	return c
}

var jointQuorums = []struct {
	others []NodeID // besides 1
	quorum bool
}{
	{nil, false},
	{[]NodeID{2}, false}, {[]NodeID{2, 3}, false}, // C-old alone
	{[]NodeID{4}, false}, {[]NodeID{4, 5}, false}, // C-new alone
	{[]NodeID{2, 4}, true}, {[]NodeID{3, 5}, true}, {[]NodeID{2, 3, 4, 5}, true},
}

// While joint, both majorities decide on commitment, reads, and whether a leader may stay (R17, R18).
func TestR17_JointQuorums(t *testing.T) {
	for _, test := range jointQuorums {
		c := joint(t, Config{CheckQuorum: true, LeaseDuration: electionTimeout / 2})
		at := c.core(1).log.lastIndex()
		require.NoError(t, c.read(1, 1, false))
		c.elapse(1, electionTimeout-1)
		c.server(1).work() // the answers are made up: no disk holds what they acknowledge
		require.Equal(t, Leader, c.core(1).role)
		for _, id := range test.others {
			c.core(1).Step(Message{Kind: AppendEntriesReply, From: id, To: 1, Term: 1, MatchIndex: at, Round: c.core(1).leading.round})
		}
		require.Equal(t, test.quorum, c.core(1).log.commit >= at, "commit, %v", test.others)
		c.server(1).work()
		require.Equal(t, test.quorum, len(c.server(1).reads) == 1, "read, %v", test.others)
		require.Equal(t, test.quorum, c.core(1).holdsLease(), "lease, %v", test.others)
		c.elapse(1, 1)
		require.Equal(t, test.quorum, c.core(1).role == Leader, "CheckQuorum, %v", test.others)
	}
}

// While joint, both majorities elect, with and without asking before (R17, R18).
func TestR17_JointElections(t *testing.T) {
	for _, test := range jointQuorums {
		for _, kind := range []MessageKind{PreVoteReply, RequestVoteReply} {
			c := joint(t, Config{PreVote: kind == PreVoteReply})
			c.core(1).becomeFollower(1)
			c.timeout(1)
			c.ready(1)
			c.persist(1)
			for _, id := range test.others {
				c.core(1).Step(Message{Kind: kind, From: id, To: 1, Term: 2})
			}
			want := Follower
			switch {
			case test.quorum && kind == PreVoteReply:
				want = Candidate
			case test.quorum:
				want = Leader
			case kind == RequestVoteReply:
				want = Candidate
			}
			require.Equal(t, want, c.core(1).role, "%v of %v", kind, test.others)
		}
	}
}

// A server uses the newest configuration in its log, committed or not, and the one before it when that entry is removed (R17).
func TestR17_UncommittedConfigurationRollsBack(t *testing.T) {
	c := joint(t, Config{})
	c.groups[0] = 1
	c.elect(2)
	require.Equal(t, []NodeID{1, 2, 3}, c.core(2).configuration().Members())
	c.groups[0] = 0
	c.elapse(2, heartbeatInterval)
	c.stabilize()
	require.Equal(t, Configuration{Voters: []NodeID{1, 2, 3}}, c.core(1).configuration())
	require.Equal(t, 1, c.server(1).rare.rolledBack)
}

// A leader elected while the configuration is joint finishes the change (R17).
func TestR17_NewLeaderFinishesTheChange(t *testing.T) {
	for _, heir := range []NodeID{3, 4} { // of C-old only, of C-new only
		c := joint(t, Config{})
		c.elapse(1, heartbeatInterval)
		for c.core(heir).log.lastIndex() < c.core(1).log.lastIndex() || c.core(2).log.lastIndex() < 2 || c.core(5).log.lastIndex() < 2 {
			c.ready(1)
			for _, m := range c.take(func(m Message) bool { return m.To != 1 || m.Kind == AppendEntriesReply && m.Reject }) {
				c.deliver(m)
			}
			for _, id := range []NodeID{2, 3, 4, 5} {
				c.ready(id)
				c.persist(id)
			}
			c.take(func(m Message) bool { return m.To == 1 && !m.Reject })
			c.elapse(1, heartbeatInterval)
		}
		require.Less(t, c.core(1).log.commit, c.core(1).log.lastIndex())
		c.server(1).crash(0)
		c.network = nil
		c.elect(heir)
		for _, id := range []NodeID{4, 5} {
			require.Equal(t, []NodeID{1, 4, 5}, c.core(id).configuration().Members())
		}
	}
}

// A leader that is not in C-new leads until C-new is committed, without counting itself, tells everybody, and has the best
// of the others stand at once (R17, R22).
func TestR17_LeaderRemovesItself(t *testing.T) {
	c := newCluster(3, Config{PreVote: true, CheckQuorum: true})
	c.elect(1)
	require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{2, 3}}))
	c.stabilize()
	require.Nil(t, c.core(1), "stopped by itself")
	leaders := 0
	for _, id := range []NodeID{2, 3} {
		require.Equal(t, Configuration{Voters: []NodeID{2, 3}}, c.core(id).configuration())
		if c.core(id).role == Leader {
			leaders++
		}
	}
	require.Equal(t, 1, leaders, "without waiting for a timer")
}

// C-new is committed by the servers in it: a leader that is not does not count for it (R17).
func TestR17_LeavingLeaderDoesNotCount(t *testing.T) {
	c := newCluster(4, Config{})
	c.elect(1)
	require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{2, 3, 4}}))
	at := c.core(1).log.lastIndex()
	c.ready(1)
	c.persist(1)
	ack := func(id NodeID, index uint64) {
		c.core(1).Step(Message{Kind: AppendEntriesReply, From: id, To: 1, Term: 1, MatchIndex: index})
		c.server(1).settle() // the answers are made up
	}
	ack(2, at)
	ack(3, at)
	require.Equal(t, at, c.core(1).log.commit)
	ack(2, at+1)
	require.Equal(t, at, c.core(1).log.commit, "one of three")
	require.False(t, c.core(1).Removed())
	ack(3, at+1)
	require.True(t, c.core(1).Removed())
	require.Equal(t, Follower, c.core(1).role)
}

// A server that has appended C-new without itself may be the only one with the newest log: it stands for election until it
// knows that C-new is committed, though its own vote does not count (thesis 4.2.2, R17).
func TestR17_NotInCNewAndNeeded(t *testing.T) {
	c := newClusterWithSpares(1, 2, Config{PreVote: true, CheckQuorum: true})
	c.elect(1)
	c.restart(2)
	c.restart(3)
	require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{2, 3}}))
	for range 4 {
		c.elapse(1, heartbeatInterval)
		for id := NodeID(1); id <= 3; id++ {
			c.ready(id)
			c.persist(id)
		}
		if !c.core(1).configuration().Joint() {
			break
		}
		for _, m := range c.take(func(Message) bool { return true }) {
			c.deliver(m)
		}
	}
	require.Equal(t, Configuration{Voters: []NodeID{2, 3}}, c.core(1).configuration())
	require.True(t, c.core(2).configuration().Joint())
	c.ready(1)
	c.server(1).crash(len(c.server(1).queue))
	c.network = nil
	c.restart(1)
	c.elect(2)
	require.NotEqual(t, Leader, c.core(2).role, "1 has the newer log")
	c.elect(1)
	require.False(t, c.core(2).configuration().Joint())
	require.Nil(t, c.core(1), "it led, and left")
}

// A new server sees configurations without itself go by, as entries and in a snapshot: it was not removed. Nor was it if
// those say so who do not know of it yet (R17).
func TestR17_NewServersAreNotRemoved(t *testing.T) {
	for _, compacted := range []bool{false, true} {
		c := newClusterWithSpares(3, 2, Config{PreVote: true})
		c.elect(1)
		require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{5}}))
		c.stabilize(1, 2, 3)
		require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2, 3}}))
		c.stabilize(1, 2, 3)
		c.restart(4)
		c.timeout(4)
		c.stabilize()
		require.NotNil(t, c.core(4), "compacted %v: started before it was added, it waits", compacted)
		if compacted {
			c.server(1).takeSnapshot(0)
			c.persist(1)
			c.persist(1)
		}
		require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4}}))
		for range 4 {
			c.elapse(1, heartbeatInterval)
			c.stabilize()
		}
		require.NotNil(t, c.core(4), "compacted %v: caught up", compacted)
		require.Equal(t, []NodeID{4}, c.core(4).configuration().Learners)
		require.True(t, c.core(1).CaughtUp(4, 0))
		require.False(t, c.core(1).CaughtUp(5, 0))
	}
}

// What others say of a removal counts for those who were members, unless they know of a later configuration (R17).
func TestR17_ToldRemoved(t *testing.T) {
	three := Configuration{Voters: []NodeID{1, 2, 3}}
	for _, test := range []struct {
		name   string
		config Configuration // of entry 5, which is not known to be committed
		said   uint64
		want   bool
	}{
		{"member", three, 9, true},
		{"member as of the same entry", three, 5, true},
		{"member by a later entry", three, 4, false},
		{"out by its own log, not committed", Configuration{Voters: []NodeID{2, 3}}, 9, true},
	} {
		for _, kind := range []MessageKind{PreVoteReply, AppendEntries} {
			s := newCluster(3, Config{}).server(1)
			require.NoError(t, s.start(0))
			es := append(entriesOfTerms(1, 1, 1, 1), configurationEntry(5, 1, test.config))
			s.core.Step(Message{Kind: AppendEntries, From: 2, To: 1, Term: 9, Entries: es, Commit: 1})
			s.core.Tick(s.core.Deadline())
			term := s.core.term
			s.core.Step(Message{Kind: kind, From: 2, To: 1, Term: term, Reject: kind == PreVoteReply, Removed: true, MatchIndex: test.said,
				PrevLogIndex: 5, PrevLogTerm: 1, Commit: test.said})
			if kind == PreVoteReply { // others may know better
				require.False(t, s.core.Removed())
				s.core.Tick(s.core.Deadline())
			}
			require.Equal(t, test.want, s.core.Removed(), "%s, %v", test.name, kind)
		}
	}
	config := newCluster(3, Config{}).server(1).config
	config.ID = 9
	newcomer, err := New(config)
	require.NoError(t, err)
	newcomer.Tick(newcomer.Deadline())
	newcomer.Step(Message{Kind: PreVoteReply, From: 2, To: 9, Term: 1, Reject: true, Removed: true, MatchIndex: 9})
	newcomer.Tick(newcomer.Deadline())
	require.False(t, newcomer.Removed(), "it never was a member, and waits to be one")
}

// A server that is added again meets some who do not know yet; one that is removed, others that are too. What the later
// configuration says counts, and a leader's word above all (R17).
func TestR17_RumoursOfARemoval(t *testing.T) {
	rumour := Message{Kind: PreVoteReply, From: 2, To: 1, Term: 9, Reject: true, Removed: true, MatchIndex: 9}
	for name, test := range map[string]struct {
		other   Message
		removed bool
	}{
		"nobody else":         {Message{}, true},
		"said by two":         {Message{Kind: PreVoteReply, From: 3, Term: 9, Reject: true, Removed: true, MatchIndex: 9}, true},
		"knows a later one":   {Message{Kind: PreVoteReply, From: 3, Term: 9, Reject: true, MatchIndex: 10}, false},
		"in an earlier term":  {Message{Kind: PreVoteReply, From: 3, Term: 8, Reject: true, MatchIndex: 10}, false},
		"votes and knows":     {Message{Kind: RequestVoteReply, From: 3, Term: 9, MatchIndex: 10}, false},
		"knows an older one":  {Message{Kind: PreVoteReply, From: 3, Term: 9, Reject: true, MatchIndex: 8}, true},
		"knows the first one": {Message{Kind: PreVoteReply, From: 3, Term: 9, Reject: true}, true},
		"leader":              {Message{Kind: AppendEntries, From: 3, Term: 9}, false},
		"leader's snapshot":   {Message{Kind: InstallSnapshot, From: 3, Term: 9, Snapshot: &SnapshotMeta{9, 9, Configuration{Voters: []NodeID{2, 3}}}}, false},
		"leader says so":      {Message{Kind: AppendEntries, From: 3, Term: 9, Removed: true}, true},
	} {
		c := newCluster(3, Config{PreVote: true})
		c.preset(1, HardState{Term: 9})
		test.other.To = 1
		c.timeout(1) // it asks
		c.core(1).Step(rumour)
		c.core(1).Step(test.other)
		c.core(1).Tick(c.core(1).Deadline())
		require.Equal(t, test.removed, c.core(1).Removed(), name)
	}
}

// A removed server that is started to be added again may meet only those who do not know of it yet. It waits until a newer
// configuration names it, and is then removed as others are; a leader's word always counts (R17).
func TestR17_WaitsToBeAddedAgain(t *testing.T) {
	all, others := Configuration{Voters: []NodeID{1, 2, 3}}, Configuration{Voters: []NodeID{2, 3}, Learners: []NodeID{1}}
	rumour := Message{Kind: PreVoteReply, From: 2, To: 1, Term: 9, Reject: true, Removed: true, MatchIndex: 9}
	appendTo := func(c *cluster, last uint64, m Message, es ...Entry) {
		m.Kind, m.From, m.To, m.Term, m.PrevLogIndex, m.PrevLogTerm, m.Entries, m.Commit = AppendEntries, 3, 1, 9, last, 1, es, 9
		c.core(1).Step(m)
	}
	told := func(c *cluster) bool {
		c.timeout(1) // it asks
		c.core(1).Step(rumour)
		c.timeout(1)
		return c.core(1).Removed()
	}
	for _, join := range []bool{false, true} {
		c := newCluster(3, Config{PreVote: true})
		c.server(1).config.Join = join
		c.server(1).disk = disk{hardState: HardState{Term: 9}, entries: []Entry{configurationEntry(1, 1, all)}}
		c.restart(1)
		require.Equal(t, !join, told(c))
		if !join {
			continue
		}
		appendTo(c, 1, Message{Removed: true})
		require.True(t, c.core(1).Removed(), "the leader says so")

		c.restart(1)
		require.False(t, told(c))
		appendTo(c, 1, Message{}, configurationEntry(2, 2, others))
		require.True(t, told(c), "it was added, and later removed")

		c.restart(1)
		out := Configuration{Voters: []NodeID{2, 3}}
		appendTo(c, 1, Message{}, configurationEntry(2, 2, others), configurationEntry(3, 2, out))
		require.True(t, told(c), "and its own log says so too")

		c.restart(1)
		require.True(t, c.core(1).InstallSnapshot(Chunk{From: 3, Term: 9, Meta: SnapshotMeta{8, 9, others}, Done: true}))
		require.True(t, told(c), "a snapshot said that it was added")
	}
}

// Between being told that it is out and its end a removed server answers nothing: a leader that adds it again at that moment would
// take it for a server that runs and has caught up, and make it a voter (R17).
func TestR17_RemovedServerAnswersNoMore(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(2)
	c.ready(1)
	c.core(1).Step(Message{Kind: AppendEntries, From: 2, To: 1, Term: 1, PrevLogIndex: 1, PrevLogTerm: 1, Removed: true, Commit: 1, Round: 9})
	r, _ := c.core(1).Ready()
	require.True(t, c.core(1).Removed())
	require.Len(t, r.AfterWrite, 1, "the leader hears that it knows")

	c.core(1).Step(Message{Kind: AppendEntries, From: 2, To: 1, Term: 1, PrevLogIndex: 1, PrevLogTerm: 1, Commit: 1, Round: 10})
	c.core(1).Step(Message{Kind: RequestVote, From: 3, To: 1, Term: 7, LastLogIndex: 9, LastLogTerm: 6})
	r, more := c.core(1).Ready()
	require.False(t, more, "%+v", r)
}

// A removed server that missed it all is told when it asks, whatever its term, and then stops and stands no more (R17).
func TestR17_RemovedServerIsToldWhenItAsks(t *testing.T) {
	for _, guards := range []Config{{}, {PreVote: true}, {CheckQuorum: true}, {PreVote: true, CheckQuorum: true}} {
		c := newCluster(4, guards)
		c.elect(1)
		c.groups[3] = 1
		require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2, 3}}))
		c.stabilize()
		for range 2 * departurePatience * int(electionTimeout/heartbeatInterval) { // until the leader gives it up
			c.elapse(1, heartbeatInterval)
			c.stabilize()
		}
		for range 3 {
			c.timeout(4)
			c.stabilize(4)
		}
		c.groups[3] = 0
		term := c.core(1).term
		for range 3 {
			if c.core(4) != nil {
				c.timeout(4)
				c.stabilize()
			}
		}
		require.Nil(t, c.core(4), "%+v", guards)
		require.Equal(t, Leader, c.core(1).role, "%+v", guards)
		require.Equal(t, term, c.core(1).term, "it disturbs nobody: %+v", guards)
	}
}

// The answers of a removed server in a later term do not depose the leader that tells it (R17).
func TestR17_RemovedServersTermDoesNotCount(t *testing.T) {
	c := newCluster(4, Config{})
	c.elect(1)
	c.groups[3] = 1
	require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2, 3}}))
	c.stabilize()
	c.elapse(1, heartbeatInterval)
	c.stabilize()
	for _, kind := range []MessageKind{AppendEntriesReply, InstallSnapshotReply, RequestVoteReply, RequestVote} {
		c.core(1).Step(Message{Kind: kind, From: 4, To: 1, Term: 7, Reject: true, LastLogIndex: 99, LastLogTerm: 6})
		require.Equal(t, Leader, c.core(1).role, "%v", kind)
		c.core(2).Step(Message{Kind: kind, From: 4, To: 2, Term: 7, Reject: true, LastLogIndex: 99, LastLogTerm: 6})
		require.EqualValues(t, 1, c.core(2).term, "%v", kind)
	}
}

// A server that lags and does not know of a change votes for the members that came with it (R17).
func TestR17_UnknownCandidatesGetVotes(t *testing.T) {
	for _, config := range []Config{{}, {PreVote: true}, {PreVote: true, CheckQuorum: true}} {
		c := newClusterWithSpares(3, 1, config)
		c.elect(1)
		require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2, 3}}))
		c.stabilize()
		c.elapse(1, heartbeatInterval)
		c.stabilize() // what 3 knows is of an entry, and committed
		c.groups[2] = 1
		c.restart(4)
		require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 3, 4}}))
		for range 4 {
			c.elapse(1, heartbeatInterval)
			c.stabilize()
		}
		require.False(t, c.core(4).configuration().Joint())
		require.Equal(t, []NodeID{1, 2, 3}, c.core(3).configuration().Voters)
		c.server(1).crash(0)
		c.groups[2] = 0
		c.elect(4)
		require.Equal(t, Leader, c.core(4).role, "%+v", config)
		require.Equal(t, []NodeID{1, 3, 4}, c.core(3).configuration().Voters)
	}
}

// A learner does not stand or count; asked for its vote it gives it, for it may have been promoted and not know yet (R17).
func TestR17_Learners(t *testing.T) {
	c := newClusterWithSpares(2, 1, Config{})
	c.elect(1)
	c.restart(3)
	require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2}, Learners: []NodeID{3}}))
	for range 3 {
		c.elapse(1, heartbeatInterval)
		c.stabilize()
	}
	require.True(t, c.core(1).CaughtUp(3, 0))
	c.groups[1] = 1
	before := c.safety.lastCommitted()
	require.NoError(t, c.propose(1, "x"))
	c.stabilize()
	require.Equal(t, before, c.safety.lastCommitted(), "a learner is no majority")
	c.elapse(3, 2*electionTimeout)
	c.stabilize()
	require.Equal(t, Follower, c.core(3).role)
	require.EqualValues(t, 1, c.core(3).term)

	c.groups[1] = 0
	c.elapse(3, electionTimeout-1)
	c.core(3).Step(Message{Kind: RequestVote, From: 2, To: 3, Term: 2, LastLogIndex: 9, LastLogTerm: 1})
	c.network = nil
	c.ready(3)
	c.persist(3)
	answers := c.take(func(m Message) bool { return m.Kind == RequestVoteReply })
	require.Len(t, answers, 1)
	require.False(t, answers[0].Reject)
}

// Leadership goes to a voter of C-new only (R22, R17).
func TestR22_TransferWhileJoint(t *testing.T) {
	c := joint(t, Config{})
	require.ErrorContains(t, c.core(1).TransferLeadership(2), "must be another voter", "2 is of C-old only")
	require.NoError(t, c.core(1).TransferLeadership(4))
}

// A server that is removed and added again by one leader is a member like others (R17).
func TestR17_AddedAgain(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	c.groups[2] = 1
	require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2}}))
	c.stabilize()
	c.elapse(1, heartbeatInterval)
	c.stabilize() // the farewell is lost
	require.NoError(t, c.core(1).ChangeMembership(Configuration{Voters: []NodeID{1, 2, 3}}))
	c.groups[2] = 0
	for range 3 {
		c.elapse(1, heartbeatInterval)
		c.stabilize()
	}
	require.NotNil(t, c.core(3))
	require.Equal(t, []NodeID{1, 2, 3}, c.core(3).configuration().Voters)
}

// Addresses of those who stay are kept when a change does not name them, and go with those who leave (R17).
func TestR17_Addresses(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	change := func(to Configuration) []Address {
		require.NoError(t, c.core(1).ChangeMembership(to))
		c.stabilize()
		return c.core(1).configuration().Addresses
	}
	all := []Address{{1, "a:1"}, {2, "b:1"}, {3, "c:1"}}
	require.Equal(t, all, change(Configuration{Voters: []NodeID{1, 2, 3}, Addresses: all}))
	require.Equal(t, append(all, Address{4, "d:1"}), change(Configuration{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4}, Addresses: []Address{{4, "d:1"}}}))
	require.Equal(t, all, change(Configuration{Voters: []NodeID{1, 2, 3}}))
	require.Equal(t, []Address{{1, "new:1"}, {2, "b:1"}}, change(Configuration{Voters: []NodeID{1, 2}, Addresses: []Address{{1, "new:1"}}}))
}
