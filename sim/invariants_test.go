package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// bench is a world of three nodes that do not run: what they say and write comes from a test.
type bench struct {
	*world
	t   *testing.T
	own []raft.Entry // that were proposed for requests
}

func newBench(t *testing.T, o Options) *bench {
	return &bench{world: newWorld(o, Usual(1, "register", 3)), t: t}
}

func entry(index, term uint64, data string) raft.Entry {
	return raft.Entry{Index: index, Term: term, Data: []byte(data)}
}

// write has a node write entries as a follower of a term, and its disk finish.
func (b *bench) write(id int, entries ...raft.Entry) {
	n := b.nodes[id-1]
	b.judge.writes(n, raft.Status{Role: n.follow.role, Term: n.follow.term, Commit: n.follow.commit}, &node.Write{Entries: entries})
	b.judge.durable(n, len(n.follow.unwritten))
}

// turn has a node say where it is. For one that begins to lead all vote that have not yet.
func (b *bench) turn(id int, role raft.Role, term, commit, applied uint64) {
	n := b.nodes[id-1]
	for _, voter := range b.nodes {
		if _, voted := voter.follow.votes[term]; role == raft.Leader && !voted {
			voter.follow.votes[term] = n.id
		}
	}
	c := n.follow.first.Configuration
	b.judge.turned(n, raft.Status{ID: n.id, Role: role, Term: term, Commit: commit, LastIndex: n.follow.last(), Configuration: c}, applied)
}

func (b *bench) say(from, to int, m raft.Message) {
	m.From, m.To = raft.NodeID(from), raft.NodeID(to)
	b.judge.sent(b.nodes[from-1], &m)
}

// ask has a client's request come to a node.
func (b *bench) ask(id int, q node.Request) *call {
	n := b.nodes[id-1]
	if n.process == nil {
		n.process = &process{node: n, commands: map[*byte]*call{}}
	}
	k := &call{connection: &connection{world: b.world, node: n, process: n.process}}
	q.Kind = wire.Transact
	b.judge.asks(k, &q)
	return k
}

func reads(by wire.Consistency) node.Request {
	return node.Request{Consistency: by, Command: kv.AppendTxn(nil, kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: "k"}}})}
}

// propose has a node write an entry of term 1 for a client's request.
func (b *bench) propose(id int, index uint64) *call { return b.proposeIn(0, id, index) }

// proposeIn does so for the first command of a session; 0: of none.
func (b *bench) proposeIn(session uint64, id int, index uint64) *call {
	q := node.Request{Command: kv.AppendCommand(nil, kv.Command{Kind: kv.Transact, Session: session, Sequence: 1, Txn: kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: "k"}}}})}
	k := b.ask(id, q)
	b.own = append(b.own, raft.Entry{Index: index, Term: 1, Data: q.Command})
	b.write(id, b.own[len(b.own)-1])
	return k
}

func configurationEntry(index, term uint64, voters, outgoing []raft.NodeID) raft.Entry {
	return raft.Entry{Index: index, Term: term, Kind: raft.EntryConfiguration, Data: raft.Configuration{Voters: voters, Outgoing: outgoing}.Encode()}
}

// Each invariant is quiet about what is right, and speaks when it is broken.
func TestInvariants(t *testing.T) {
	// reign has node 1 lead term 1 with entry 1 on two disks, and commit it.
	reign := func(b *bench) {
		b.turn(1, raft.Leader, 1, 0, 0)
		b.write(1, entry(1, 1, "a"))
		b.write(2, entry(1, 1, "a"))
		b.turn(1, raft.Leader, 1, 1, 1)
	}
	for _, test := range []struct {
		invariant string // that is broken
		before    func(b *bench)
		fault     func(b *bench)
	}{
		{"election safety", reign, func(b *bench) { b.turn(2, raft.Leader, 1, 0, 0) }},
		{"election safety", reign, func(b *bench) { b.say(2, 3, raft.Message{Kind: raft.AppendEntries, Term: 1}) }},
		{"election safety", func(*bench) {}, func(b *bench) { // nobody has voted for it
			b.judge.turned(b.nodes[0], raft.Status{ID: 1, Role: raft.Leader, Term: 1, Configuration: b.nodes[0].follow.first.Configuration}, 0)
		}},
		{"leader append-only", func(b *bench) {
			b.turn(1, raft.Leader, 1, 0, 0)
			b.write(1, entry(1, 1, "a"), entry(2, 1, "b"))
		}, func(b *bench) { b.write(1, entry(2, 1, "b")) }},
		{"log matching", func(b *bench) { b.write(1, entry(1, 1, "a")) }, func(b *bench) { b.write(2, entry(1, 1, "other")) }},
		{"log matching", func(b *bench) { b.write(1, entry(1, 1, "a"), entry(2, 2, "b")); b.write(2, entry(1, 2, "x")) },
			func(b *bench) { b.write(2, entry(2, 2, "b")) }},
		{"log matching", reign, func(b *bench) { b.write(2, entry(3, 1, "c")) }},
		{"log matching", reign, func(b *bench) {
			b.judge.turned(b.nodes[1], raft.Status{ID: 2, Term: 1, LastIndex: 2}, 0)
		}},
		{"leader completeness", reign, func(b *bench) { b.turn(3, raft.Leader, 2, 0, 0) }},
		{"state machine safety", reign, func(b *bench) { b.write(3, entry(1, 2, "z")); b.turn(3, raft.Follower, 2, 1, 0) }},
		{"state machine safety", func(b *bench) { reign(b); b.turn(2, raft.Follower, 1, 1, 1) }, func(b *bench) { b.write(2, entry(1, 2, "z")) }},
		{"state machine safety", reign, func(b *bench) { b.turn(1, raft.Leader, 1, 1, 2) }},
		{"state machine safety", reign, func(b *bench) { b.turn(2, raft.Follower, 1, 2, 0) }},
		{"state machine safety", func(b *bench) { b.judge.saves(b.nodes[0], raft.SnapshotMeta{LastIncludedIndex: 1}, kv.NewMachine()) }, func(b *bench) {
			m := kv.NewMachine()
			m.Apply(1, kv.Command{Kind: kv.OpenSession})
			b.judge.saves(b.nodes[1], raft.SnapshotMeta{LastIncludedIndex: 1}, m)
		}},
		{"state machine safety", reign, func(b *bench) {
			meta := raft.SnapshotMeta{LastIncludedIndex: 2, LastIncludedTerm: 1, Configuration: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}}
			b.judge.writes(b.nodes[2], raft.Status{}, &node.Write{Installed: &meta})
		}},
		{"commit index grows", reign, func(b *bench) { b.turn(1, raft.Leader, 1, 0, 1) }},
		{"applied index grows", reign, func(b *bench) { b.turn(1, raft.Leader, 1, 1, 0) }},
		{"terms grow", reign, func(b *bench) { b.turn(1, raft.Follower, 0, 1, 1) }},
		{"one vote a term", func(b *bench) { b.say(1, 2, raft.Message{Kind: raft.RequestVoteReply, Term: 4}) }, func(b *bench) {
			b.judge.started(b.nodes[0], raft.HardState{Term: 4}, raft.LogStart{}, nil, raft.SnapshotMeta{})
			b.say(1, 3, raft.Message{Kind: raft.RequestVoteReply, Term: 4})
		}},
		{"one vote a term", func(b *bench) { b.say(1, 2, raft.Message{Kind: raft.RequestVote, Term: 4}) }, func(b *bench) {
			b.say(1, 3, raft.Message{Kind: raft.RequestVoteReply, Term: 4})
		}},
		{"durable term and vote", func(b *bench) {
			n := b.nodes[0]
			b.judge.writes(n, raft.Status{}, &node.Write{HardState: &raft.HardState{Term: 3, Vote: 2}})
			b.judge.durable(n, 1)
		}, func(b *bench) {
			b.judge.started(b.nodes[0], raft.HardState{Term: 3, Vote: 1}, raft.LogStart{}, nil, raft.SnapshotMeta{})
		}},
		{"durability", reign, func(b *bench) {
			b.judge.started(b.nodes[1], raft.HardState{Term: 1}, raft.LogStart{}, nil, raft.SnapshotMeta{})
		}},
		{"durability", reign, func(b *bench) {
			b.judge.started(b.nodes[1], raft.HardState{Term: 1}, raft.LogStart{}, []raft.Entry{entry(1, 2, "z")}, raft.SnapshotMeta{})
		}},
		{"durability", func(b *bench) {
			b.turn(1, raft.Leader, 1, 0, 0)
			b.write(1, entry(1, 1, "a"))
		}, func(b *bench) { // the others have not got it
			b.turn(1, raft.Leader, 1, 1, 1)
		}},
		{"durability", func(b *bench) { // it takes for durable what its disk has not finished
			b.judge.writes(b.nodes[0], raft.Status{}, &node.Write{Entries: []raft.Entry{entry(1, 1, "a")}})
		}, func(b *bench) { b.judge.turned(b.nodes[0], raft.Status{ID: 1, Term: 1, LastIndex: 1, Durable: 1}, 0) }},
		{"configuration safety", func(b *bench) { b.write(2, configurationEntry(1, 1, []raft.NodeID{1, 2}, []raft.NodeID{1, 2, 3})) },
			func(b *bench) { b.turn(2, raft.Follower, 1, 0, 0) }}, // it goes by the one before
		{"commit rule", func(b *bench) {
			b.write(1, entry(1, 1, "a"))
			b.write(2, entry(1, 1, "a"))
			b.turn(1, raft.Leader, 2, 0, 0)
		}, func(b *bench) { b.turn(1, raft.Leader, 2, 1, 1) }},
		{"configuration safety", reign, func(b *bench) { b.write(2, configurationEntry(2, 1, []raft.NodeID{3}, nil)) }},
		{"configuration safety", func(b *bench) { // before an entry of its own term is committed
			reign(b)
			b.write(3, entry(1, 1, "a"))
			b.turn(3, raft.Leader, 2, 1, 1)
		}, func(b *bench) { b.write(3, configurationEntry(2, 2, []raft.NodeID{1, 2}, []raft.NodeID{1, 2, 3})) }},
		{"configuration safety", func(b *bench) { // before the last one is committed
			reign(b)
			b.write(1, configurationEntry(2, 1, []raft.NodeID{1, 2}, []raft.NodeID{1, 2, 3}))
		}, func(b *bench) { b.write(1, configurationEntry(3, 1, []raft.NodeID{1, 2}, nil)) }},
		{"read index", func(b *bench) { // what the state was before, and what it is now
			early := b.ask(1, reads(wire.ReadIndex))
			reign(b)
			b.judge.answers(early, &wire.Response{Status: wire.OK})
			b.judge.answers(b.ask(2, reads(wire.ReadIndex)), &wire.Response{Status: wire.OK, LogIndex: 1})
			b.judge.answers(b.ask(2, reads(wire.Stale)), &wire.Response{Status: wire.OK})
			b.judge.answers(b.ask(2, reads(wire.Lease)), &wire.Response{Status: wire.NotLeader})
		}, func(b *bench) { b.judge.answers(b.ask(2, reads(wire.Lease)), &wire.Response{Status: wire.OK}) }},
		{"refusal", func(b *bench) { // first refused, then committed
			reign(b)
			b.judge.answers(b.propose(1, 2), &wire.Response{Status: wire.Refusal})
		}, func(b *bench) { b.write(2, b.own[0]); b.turn(2, raft.Follower, 1, 2, 0) }},
		{"refusal", reign, func(b *bench) { // first committed, then refused
			k := b.propose(1, 2)
			b.write(2, b.own[0])
			b.turn(1, raft.Leader, 1, 2, 1)
			b.judge.answers(k, &wire.Response{Status: wire.NotLeader})
		}},
		{"effect's index", reign, func(b *bench) { b.judge.answers(b.propose(1, 2), &wire.Response{Status: wire.OK, LogIndex: 1}) }},
		{"effect's index", func(b *bench) {
			reign(b)
			first, second := b.proposeIn(1, 1, 2), b.proposeIn(1, 1, 3)
			b.judge.answers(first, &wire.Response{Status: wire.OK, LogIndex: 2})
			b.judge.answers(second, &wire.Response{Status: wire.OK, LogIndex: 2})
			gone := kv.AppendResult(nil, kv.TxnResult{Expired: true})
			b.judge.answers(b.proposeIn(1, 1, 4), &wire.Response{Status: wire.OK, LogIndex: 4, Result: gone})
		}, func(b *bench) {
			result := kv.AppendResult(nil, kv.TxnResult{Applied: true})
			b.judge.answers(b.proposeIn(1, 1, 5), &wire.Response{Status: wire.OK, LogIndex: 5, Result: result})
		}},
	} {
		t.Run(test.invariant, func(t *testing.T) {
			b := newBench(t, Options{})
			test.before(b)
			require.Empty(t, b.judge.violations, "it speaks of what is right")
			test.fault(b)
			require.NotEmpty(t, b.judge.violations)
			require.Equal(t, test.invariant, b.judge.violations[0].Invariant)

			silent := newBench(t, Options{NoInvariants: true})
			test.before(silent)
			test.fault(silent)
			require.Empty(t, silent.judge.violations, "it is switched off")
		})
	}
}

// A conflicting suffix of a follower may go, and what was on its way to the disk when power was lost may be there or not.
func TestInvariantsLetFollowersTruncate(t *testing.T) {
	b := newBench(t, Options{})
	b.write(2, entry(1, 1, "a"), entry(2, 1, "b"))
	n := b.nodes[1]
	b.judge.writes(n, raft.Status{Term: 2}, &node.Write{HardState: &raft.HardState{Term: 2, Vote: 3}, Entries: []raft.Entry{entry(2, 2, "c")}})
	b.judge.started(n, raft.HardState{}, raft.LogStart{}, []raft.Entry{entry(1, 1, "a"), entry(2, 1, "b")}, raft.SnapshotMeta{})
	require.Empty(t, b.judge.violations)
	b.judge.writes(n, raft.Status{Term: 2}, &node.Write{Entries: []raft.Entry{entry(2, 2, "c")}})
	b.judge.started(n, raft.HardState{}, raft.LogStart{}, []raft.Entry{entry(1, 1, "a")}, raft.SnapshotMeta{})
	require.Empty(t, b.judge.violations)
	require.Equal(t, uint64(2), b.coverage[EntriesTruncated])
}

// A snapshot of another node's that was durable when power was lost takes the place of a log that conflicts with it.
func TestInvariantsLetASnapshotReplaceTheLog(t *testing.T) {
	b := newBench(t, Options{})
	b.turn(1, raft.Leader, 2, 0, 0)
	b.write(1, entry(1, 2, "a"))
	b.write(2, entry(1, 2, "a"))
	b.turn(1, raft.Leader, 2, 1, 1)
	old := []raft.Entry{entry(1, 1, "x"), entry(2, 1, "y")}
	b.write(3, old...)
	meta := raft.SnapshotMeta{LastIncludedIndex: 1, LastIncludedTerm: 2, Configuration: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}}
	b.judge.started(b.nodes[2], raft.HardState{Term: 2}, raft.LogStart{}, old, meta)
	require.Empty(t, b.judge.violations)
	require.Equal(t, uint64(1), b.nodes[2].follow.last())
	require.Equal(t, uint64(1), b.coverage[LogReplacedAtStart])
}
