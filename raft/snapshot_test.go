package raft

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// loneServer is server 1 of three, without a cluster: it has a log of the given terms, of which the first entries are committed.
func loneServer(t *testing.T, commit uint64, terms ...uint64) *server {
	t.Helper()
	s := newCluster(3, Config{}).server(1)
	require.NoError(t, s.start(0))
	s.core.Step(Message{Kind: AppendEntries, From: 2, To: 1, Term: 9, Entries: entriesOfTerms(terms...), Commit: commit})
	return s
}

// receive brings a whole snapshot to the server's disk, and what follows from it.
func (s *server) receive(index, term uint64, configuration Configuration) {
	meta := SnapshotMeta{index, term, configuration}
	m := machine{index: index, term: term, digest: 7}
	s.core.Step(Message{Kind: InstallSnapshot, From: 2, To: 1, Term: 9, Snapshot: &meta, Chunk: m.encode(), Done: true})
	s.settle()
}

// settle works and writes until nothing is left to do, and returns what was sent.
func (s *server) settle() (sent []Message) {
	for busy := true; busy || len(s.queue) > 0; {
		var send []Message
		_, send, busy = s.work()
		sent = append(append(sent, send...), s.persist(len(s.queue))...)
	}
	return sent
}

func terms(start uint64, es []Entry) string {
	b := fmt.Sprintf("after %d:", start)
	for _, e := range es {
		b += fmt.Sprintf(" %d", e.Term)
	}
	return b
}

// A snapshot takes the place of a log that ends before it or differs from it. A log that holds its last entry goes on after
// it, also when that is still being written: what was promised stays. What is committed already needs no snapshot (R16).
func TestR16_InstallSnapshot(t *testing.T) {
	for _, test := range []struct {
		name        string
		log         []uint64
		commit      uint64
		index, term uint64
		want        string
	}{
		{"log empty", nil, 0, 4, 2, "after 4:"},
		{"log ends before", []uint64{1, 1}, 1, 4, 2, "after 4:"},
		{"log goes on", []uint64{1, 1, 2, 2, 3, 3}, 1, 4, 2, "after 4: 3 3"},
		{"log ends there", []uint64{1, 1, 2, 2}, 1, 4, 2, "after 4:"},
		{"log differs there", []uint64{1, 1, 1, 1, 1, 1}, 1, 4, 2, "after 4:"},
		{"log differs, later term", []uint64{1, 1, 3, 3, 3, 3}, 1, 4, 2, "after 4:"},
		{"just committed", []uint64{1, 1, 2, 2, 3}, 4, 4, 2, "after 0: 1 1 2 2 3"},
		{"committed long ago", []uint64{1, 1, 2, 2, 3}, 5, 2, 1, "after 0: 1 1 2 2 3"},
	} {
		for _, written := range []string{"not given out", "being written", "durable"} {
			t.Run(test.name+", "+written, func(t *testing.T) {
				s := loneServer(t, test.commit, test.log...)
				switch written {
				case "being written":
					s.work()
				case "durable":
					s.settle()
				}
				s.receive(test.index, test.term, s.config.Configuration)
				require.Equal(t, test.want, terms(s.core.log.lastIncludedIndex, s.core.log.entries), "in memory")
				require.Equal(t, test.want, terms(s.disk.start.Index, s.disk.entries), "on disk")
				require.Equal(t, s.core.log.lastIndex(), s.core.log.durable)
				require.Equal(t, max(test.commit, test.index), s.core.log.commit)
				require.EqualValues(t, 9, s.core.term, "a snapshot's term is no server's term")
				require.Equal(t, s.core.log.commit, s.machine.index)
			})
		}
	}
}

// A snapshot that has arrived whole when the log has grown beyond it changes neither state nor log. It is the newest on the disk from
// then on, where older ones make way for it, and so the one that this server offers when it leads (R16).
func TestR16_SnapshotThatTheLogOutranIsTheNewest(t *testing.T) {
	three := Configuration{Voters: []NodeID{1, 2, 3}}
	s := loneServer(t, 6, 1, 1, 2, 2, 3, 3, 3)
	s.settle()
	s.core.Compact(SnapshotMeta{2, 1, three}, 0)
	s.receive(1, 1, three)
	require.EqualValues(t, 2, s.core.Snapshot().LastIncludedIndex, "an older one is none")
	require.False(t, s.core.InstallSnapshot(Chunk{From: 2, Term: 9, Meta: SnapshotMeta{4, 2, three}, Done: true}))
	require.Equal(t, SnapshotMeta{4, 2, three}, s.core.Snapshot())
	require.Equal(t, "after 2: 2 2 3 3 3", terms(s.core.log.lastIncludedIndex, s.core.log.entries))
	require.EqualValues(t, 6, s.machine.index)

	s.core.Step(Message{Kind: TimeoutNow, From: 2, To: 1, Term: 9})
	for _, m := range s.settle() {
		s.core.Step(m) // its own vote is one of them
	}
	s.core.Step(Message{Kind: RequestVoteReply, From: 2, To: 1, Term: 10})
	require.Equal(t, Leader, s.core.role)
	require.False(t, s.core.InstallSnapshot(Chunk{From: 2, Term: 9, Meta: SnapshotMeta{5, 3, three}, Done: true}), "it leads")
	s.core.Step(Message{Kind: AppendEntriesReply, From: 3, To: 1, Term: 10, Reject: true, PrevLogIndex: s.core.leading.peers[3].next - 1})
	var offered []SnapshotMeta
	for range 2 {
		r, _ := s.core.Ready()
		for _, m := range r.Messages {
			if m.Kind == InstallSnapshot {
				offered = append(offered, *m.Snapshot)
			}
		}
	}
	require.Equal(t, []SnapshotMeta{{5, 3, three}}, offered)
}

// What a server acknowledged is on its disk, also when a snapshot came between the acknowledgement and the write (R16, R12).
func TestR16_SnapshotKeepsWhatIsPromised(t *testing.T) {
	for _, givenOut := range []bool{true, false} {
		s := loneServer(t, 0, 1, 1, 1, 1, 1)
		if givenOut {
			s.work() // entries 1 to 5 are being written, and acknowledged when they are
		}
		meta := SnapshotMeta{3, 1, s.config.Configuration}
		require.True(t, s.core.InstallSnapshot(Chunk{From: 2, Term: 9, Meta: meta}))
		s.disk.keep(snapshot{meta, machine{3, 1, 7}.encode()})
		s.machine = s.disk.newest().machine()
		promised := uint64(0)
		for _, m := range s.settle() {
			promised = max(promised, m.MatchIndex)
		}
		require.EqualValues(t, 5, promised)
		require.Equal(t, "after 3: 1 1", terms(s.disk.start.Index, s.disk.entries))
	}
}

// Snapshot and log come back together whatever a crash leaves between their writes; what no crash can leave is refused (R16).
func TestR16_Recovery(t *testing.T) {
	three := Configuration{Voters: []NodeID{1, 2, 3}}
	for _, test := range []struct {
		name     string
		start    LogStart
		terms    []uint64
		snapshot SnapshotMeta
		want     string // the log, or the error
	}{
		{"snapshot, log not yet compacted", LogStart{}, []uint64{1, 1, 2, 2}, SnapshotMeta{3, 2, three}, "after 0: 1 1 2 2"},
		{"snapshot, some entries retained", LogStart{1, 1}, []uint64{1, 2, 2}, SnapshotMeta{3, 2, three}, "after 1: 1 2 2"},
		{"log begins where the snapshot ends", LogStart{3, 2}, []uint64{2}, SnapshotMeta{3, 2, three}, "after 3: 2"},
		{"received, log ends before", LogStart{}, []uint64{1}, SnapshotMeta{3, 2, three}, "after 3:"},
		{"received, log empty", LogStart{}, nil, SnapshotMeta{3, 2, three}, "after 3:"},
		{"received, log differs", LogStart{}, []uint64{1, 1, 1, 1, 1}, SnapshotMeta{3, 2, three}, "after 3:"},
		{"received over a compacted log", LogStart{1, 1}, []uint64{1}, SnapshotMeta{3, 2, three}, "after 3:"},
		{"no snapshot", LogStart{3, 2}, []uint64{2}, SnapshotMeta{}, "the log begins after entry 3, and the newest snapshot ends with entry 0: a snapshot was lost"},
		{"other term", LogStart{3, 1}, []uint64{2}, SnapshotMeta{3, 2, three}, "the log begins after entry 3 of term 1, and the snapshot ends with that entry in term 2"},
		{"later than the term", LogStart{}, nil, SnapshotMeta{3, 10, three}, "the snapshot's last entry 3 is of term 10, later than the current term 9"},
		{"no members", LogStart{}, nil, SnapshotMeta{3, 2, Configuration{}}, "snapshot at 3: configuration has no voters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newCluster(3, Config{}).server(1)
			s.disk = disk{hardState: HardState{Term: 9}, start: test.start}
			for i, term := range test.terms {
				s.disk.entries = append(s.disk.entries, Entry{Term: term, Index: test.start.Index + 1 + uint64(i)})
			}
			if index := test.snapshot.LastIncludedIndex; index > 0 {
				s.disk.snapshots = []snapshot{{test.snapshot, machine{index, test.snapshot.LastIncludedTerm, 7}.encode()}}
			}
			if err := s.start(0); err != nil {
				require.EqualError(t, err, "raft: stable storage: "+test.want)
				return
			}
			s.settle()
			require.Equal(t, test.want, terms(s.core.log.lastIncludedIndex, s.core.log.entries), "in memory")
			require.Equal(t, test.want, terms(s.disk.start.Index, s.disk.entries), "on disk")
			require.EqualValues(t, 3, s.core.log.commit)
			require.Equal(t, test.snapshot, s.core.Snapshot())
			require.Equal(t, three, s.core.configuration())
		})
	}
}

// A configuration that was not committed does not survive the snapshot that takes its log's place; that of the snapshot is
// in force, and one in a log that goes on stays so. Nor does one that is not committed get into a snapshot (R16, R17).
func TestR16_Configurations(t *testing.T) {
	five := Configuration{Voters: []NodeID{1, 2, 3, 4, 5}}
	for _, conflict := range []bool{true, false} {
		s := newCluster(3, Config{}).server(1)
		require.NoError(t, s.start(0))
		es := entriesOfTerms(1, 1, 1, 1)
		if conflict {
			es = entriesOfTerms(1, 1, 3, 3)
		}
		es[3].Kind, es[3].Data = EntryConfiguration, Configuration{Voters: []NodeID{1}, Outgoing: []NodeID{1, 2, 3}}.Encode()
		s.core.Step(Message{Kind: AppendEntries, From: 2, To: 1, Term: 9, Entries: es, Commit: 1})
		s.settle()
		require.Equal(t, []NodeID{1}, s.core.configuration().Voters)
		require.Equal(t, []NodeID{1, 2, 3}, s.core.ConfigurationAt(1).Voters, "entry 4 is not committed")
		require.Panics(t, func() { s.core.ConfigurationAt(4) })
		s.receive(3, 1, five)
		require.Equal(t, conflict, s.core.configuration().Voters[len(s.core.configuration().Voters)-1] == 5)
		require.Equal(t, five, s.core.ConfigurationAt(3))
		require.Panics(t, func() { s.core.ConfigurationAt(1) }, "nobody knows any more")
	}
}

// An older snapshot than the last changes nothing, and retained entries stay (R16).
func TestR16_Compact(t *testing.T) {
	s := loneServer(t, 6, 1, 1, 1, 1, 2, 2, 2)
	s.settle()
	three := s.config.Configuration
	require.Equal(t, LogStart{3, 1}, s.core.Compact(SnapshotMeta{5, 2, three}, 2))
	require.Equal(t, LogStart{3, 1}, s.core.Compact(SnapshotMeta{4, 1, three}, 0), "older")
	require.EqualValues(t, 5, s.core.Snapshot().LastIncludedIndex)
	require.Equal(t, "after 3: 1 2 2 2", terms(s.core.log.lastIncludedIndex, s.core.log.entries))
	require.Equal(t, LogStart{3, 1}, s.core.Compact(SnapshotMeta{6, 2, three}, 9), "all retained")
	require.Panics(t, func() { s.core.Compact(SnapshotMeta{7, 2, three}, 0) }, "not applied yet")

	require.True(t, s.core.InstallSnapshot(Chunk{From: 2, Term: 9, Meta: SnapshotMeta{20, 2, three}}))
	require.Equal(t, LogStart{3, 1}, s.core.Compact(SnapshotMeta{6, 2, three}, 0), "the log on disk has not made way yet")
	s.core.Ready()
	require.Equal(t, LogStart{20, 2}, s.core.Compact(SnapshotMeta{6, 2, three}, 0))
}

// sendingSnapshot is a leader with ten entries, compacted, and a follower 3 without any of them.
func sendingSnapshot(t *testing.T) *cluster {
	c := newCluster(3, Config{})
	c.groups[2] = 1
	c.elect(1)
	for range 9 {
		require.NoError(t, c.propose(1, "x"))
	}
	c.stabilize()
	c.server(1).takeSnapshot(0)
	c.persist(1)
	c.persist(1)
	c.groups[2] = 0
	return c
}

func toThird(kind MessageKind) func(Message) bool {
	return func(m Message) bool { return m.To == 3 && m.Kind == kind }
}

// While a chunk is under way the heartbeats go on, and the chunk is sent again only after several of them (R16, R4).
func TestR16_HeartbeatsBesideATransfer(t *testing.T) {
	c := sendingSnapshot(t)
	c.elapse(1, heartbeatInterval)
	c.ready(1)
	for _, m := range c.take(toThird(AppendEntries)) {
		c.deliver(m) // refused: 3 has nothing, and the log does not go back so far
	}
	c.stabilize(1, 3)
	require.True(t, c.core(1).SendingSnapshot() || c.server(3).machine.index > 0)

	c = sendingSnapshot(t)
	c.core(1).Step(Message{Kind: AppendEntriesReply, From: 3, To: 1, Term: 1, Reject: true, PrevLogIndex: c.core(1).leading.peers[3].next - 1})
	chunks, beats := 0, 0
	for range 1 + chunkPatience {
		c.elapse(1, heartbeatInterval)
		c.ready(1)
		chunks += len(c.take(toThird(InstallSnapshot)))
		beats += len(c.take(toThird(AppendEntries)))
		c.core(1).Step(Message{Kind: AppendEntriesReply, From: 2, To: 1, Term: 1, MatchIndex: 10, Round: c.core(1).leading.round})
	}
	require.Equal(t, 2, chunks)
	require.Equal(t, 1+chunkPatience, beats)
}

// An answer that comes twice, or late, does not make a second stream of chunks (R16).
func TestR16_OneStreamOfChunks(t *testing.T) {
	c := sendingSnapshot(t)
	c.core(1).Step(Message{Kind: AppendEntriesReply, From: 3, To: 1, Term: 1, Reject: true, PrevLogIndex: c.core(1).leading.peers[3].next - 1})
	chunksAfter := func(next uint64) (offsets []uint64) {
		c.core(1).Step(Message{Kind: InstallSnapshotReply, From: 3, To: 1, Term: 1, MatchIndex: 10, Offset: next})
		c.ready(1)
		for _, m := range c.take(toThird(InstallSnapshot)) {
			offsets = append(offsets, m.Offset)
		}
		return offsets
	}
	c.ready(1)
	require.Len(t, c.take(toThird(InstallSnapshot)), 1)
	require.Equal(t, []uint64{24}, chunksAfter(24))
	require.Empty(t, chunksAfter(24), "the same again")
	require.Equal(t, []uint64{48}, chunksAfter(48))
	require.Equal(t, []uint64{0}, chunksAfter(0), "the follower has lost what it had")
}

// A snapshot that is taken while an older one is being sent is sent instead, from its beginning; and once the log suffices
// no snapshot is (R16).
func TestR16_TransferGivenUp(t *testing.T) {
	c := sendingSnapshot(t)
	c.core(1).Step(Message{Kind: AppendEntriesReply, From: 3, To: 1, Term: 1, Reject: true, PrevLogIndex: c.core(1).leading.peers[3].next - 1})
	c.ready(1)
	c.core(1).Step(Message{Kind: InstallSnapshotReply, From: 3, To: 1, Term: 1, MatchIndex: 10, Offset: 24})
	c.ready(1)
	require.True(t, c.core(1).SendingSnapshot())
	require.NoError(t, c.propose(1, "y"))
	c.stabilize(1, 2)
	c.server(1).takeSnapshot(1)
	c.persist(1)
	c.take(toThird(InstallSnapshot))
	c.ready(1)
	chunks := c.take(toThird(InstallSnapshot))
	require.Len(t, chunks, 1)
	require.EqualValues(t, 11, chunks[0].Snapshot.LastIncludedIndex)
	require.Zero(t, chunks[0].Offset)

	c.core(1).Step(Message{Kind: AppendEntriesReply, From: 3, To: 1, Term: 1, MatchIndex: 10})
	require.False(t, c.core(1).SendingSnapshot(), "entry 11 is in the log")
	c.ready(1)
	require.Len(t, c.take(toThird(AppendEntries)), 1)
}

// A leader, and one that waits for its followers, is never replaced by a snapshot; nor is anything malformed taken (R16).
func TestR16_SnapshotsNotTaken(t *testing.T) {
	c := newCluster(3, Config{})
	c.elect(1)
	require.False(t, c.core(1).InstallSnapshot(Chunk{From: 2, Term: 1, Meta: SnapshotMeta{9, 1, c.core(1).configuration()}}))

	for name, meta := range map[string]*SnapshotMeta{
		"none":                    nil,
		"no voters":               {9, 1, Configuration{}},
		"of a term still to come": {9, 3, Configuration{Voters: []NodeID{1}}},
	} {
		before := c.core(2).Status()
		c.core(2).Step(Message{Kind: InstallSnapshot, From: 1, To: 2, Term: 1, Snapshot: meta, Done: true})
		r, _ := c.core(2).Ready()
		require.Empty(t, r.Chunks, name)
		require.Equal(t, before, c.core(2).Status(), name)
	}
}

// A follower that restarts in the middle of a transfer, and one whose leader is replaced in it, go on where they were (R16).
func TestR16_TransfersResume(t *testing.T) {
	for _, leaderChanges := range []bool{false, true} {
		c := sendingSnapshot(t)
		c.elapse(1, heartbeatInterval)
		c.stabilize(1, 2)
		c.server(2).takeSnapshot(0)
		c.persist(2)
		c.persist(2)
		for range 20 {
			c.ready(1)
			c.ready(2)
			c.ready(3)
			c.persist(3)
			for _, m := range c.take(func(Message) bool { return true }) {
				c.deliver(m)
			}
			if len(c.server(3).disk.partial.data) > 24 {
				break
			}
		}
		have := len(c.server(3).disk.partial.data)
		require.Positive(t, have)
		c.server(3).crash(0)
		c.restart(3)
		c.network = nil
		c.trace.Reset()
		if leaderChanges {
			c.elect(2)
		} else {
			for range 2 * chunkPatience {
				c.elapse(1, heartbeatInterval)
				c.stabilize()
			}
		}
		for range 2 * chunkPatience {
			c.elapse(map[bool]NodeID{false: 1, true: 2}[leaderChanges], heartbeatInterval)
			c.stabilize()
		}
		require.GreaterOrEqual(t, c.server(3).machine.index, uint64(10))
		require.Equal(t, 1, c.server(3).rare.resumed)
		// The new leader begins at the start, and is told. The old one sends again what it has no answer to.
		require.NotContains(t, c.trace.String(), map[bool]string{false: "bytes=0-24", true: "bytes=24-48"}[leaderChanges])
	}
}

// The entries that a follower acknowledged and a snapshot covers are not asked for below what it knows (R16, R9).
func TestR16_EntriesBelowTheSnapshot(t *testing.T) {
	s := loneServer(t, 5, 1, 1, 1, 1, 1)
	s.settle()
	s.takeSnapshot(0)
	s.settle()
	require.EqualValues(t, 5, s.core.log.lastIncludedIndex)
	for _, test := range []struct {
		name    string
		prev    uint64
		entries []Entry
		match   uint64
		log     string
	}{
		{"all covered", 0, entriesOfTerms(1, 1, 1), 5, "after 5:"},
		{"some covered", 0, entriesOfTerms(1, 1, 1, 1, 1, 2), 6, "after 5: 2"},
		{"heartbeat", 2, nil, 5, "after 5: 2"},
	} {
		prevTerm := min(test.prev, 1)
		s.core.Step(Message{Kind: AppendEntries, From: 2, To: 1, Term: 9, PrevLogIndex: test.prev, PrevLogTerm: prevTerm, Entries: test.entries})
		sent := s.settle()
		require.Equal(t, test.match, sent[len(sent)-1].MatchIndex, test.name)
		require.Equal(t, test.log, terms(5, s.core.log.entries), test.name)
	}
}
