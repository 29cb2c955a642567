package node

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// scripted is the Host of a driver whose network, disk and clients are the lines of a script. It writes down what the
// driver does, in the order in which it does it.
type scripted struct {
	driver *Driver
	now    time.Duration
	round  uint64 // of the last AppendEntries sent
	wrote  uint64 // number of the last write
	did    strings.Builder
}

func newScripted(t testing.TB, voters ...raft.NodeID) *scripted {
	core, err := raft.New(raft.Config{ID: 1, Configuration: raft.Configuration{Voters: voters}, ElectionTimeout: 100 * time.Millisecond,
		HeartbeatInterval: 20 * time.Millisecond, Random: rand.New(rand.NewPCG(1, 1))})
	require.NoError(t, err)
	s := &scripted{}
	s.driver = NewDriver(core, s, DriverOptions{})
	return s
}

func (s *scripted) Send(m raft.Message) {
	fmt.Fprintf(&s.did, "send %v to %d, term %d", m.Kind, m.To, m.Term)
	switch m.Kind {
	case raft.AppendEntries:
		s.round = m.Round
		fmt.Fprintf(&s.did, ", after %d/%d, entries %s, commit %d", m.PrevLogIndex, m.PrevLogTerm, entries(m.Entries), m.Commit)
	case raft.AppendEntriesReply:
		fmt.Fprintf(&s.did, ", match %d", m.MatchIndex)
	}
	if m.Reject {
		s.did.WriteString(", rejected")
	}
	s.did.WriteString("\n")
}

func (s *scripted) Write(w Write) {
	s.wrote = w.Number
	fmt.Fprintf(&s.did, "write %d:", w.Number)
	if w.HardState != nil {
		fmt.Fprintf(&s.did, " term %d, vote %d,", w.HardState.Term, w.HardState.Vote)
	}
	fmt.Fprintf(&s.did, " entries %s\n", entries(w.Entries))
}

// Snapshots are not this script's matter.
func (s *scripted) SaveSnapshot(meta raft.SnapshotMeta, _ *kv.Machine) {
	fmt.Fprintf(&s.did, "save snapshot at %d\n", meta.LastIncludedIndex)
}
func (s *scripted) StoreChunk(ch raft.Chunk) {
	fmt.Fprintf(&s.did, "store chunk at %d\n", ch.Offset)
}
func (s *scripted) ReadChunk(raft.SnapshotMeta, uint64) ([]byte, bool, error) { return nil, true, nil }
func (s *scripted) Reconfigured(raft.Configuration)                           {}

// entries are shown as index/term.
func entries(es []raft.Entry) string {
	var all []string
	for _, e := range es {
		all = append(all, fmt.Sprintf("%d/%d", e.Index, e.Term))
	}
	return "[" + strings.Join(all, " ") + "]"
}

var statusNames = map[wire.Status]string{wire.OK: "ok", wire.NotLeader: "not leader", wire.Refusal: "refused", wire.Unknown: "unknown"}

func (s *scripted) Answer(p wire.Response) {
	fmt.Fprintf(&s.did, "answer %d: %s", p.ID, statusNames[p.Status])
	switch {
	case p.Status == wire.NotLeader:
		fmt.Fprintf(&s.did, ", leader %d", p.Leader)
	case p.Status != wire.OK:
		fmt.Fprintf(&s.did, ", %s", p.Error)
	case p.Result == nil:
		fmt.Fprintf(&s.did, ", term %d", p.Term)
	default:
		r, err := kv.DecodeResult(p.Result)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&s.did, " at %d, applied %v, saw %q", p.LogIndex, r.Applied, r.Results[0].Value)
	}
	s.did.WriteString("\n")
}

func request(from Answerer, id uint64, c wire.Consistency, op kv.Op) Request {
	txn := kv.Txn{Ops: []kv.Op{op}}
	return Request{ID: id, From: from, Kind: wire.Transact, Consistency: c, Parsed: kv.Command{Kind: kv.Transact, Txn: txn}, Command: kv.AppendTxn(nil, txn)}
}

// What waits for what, as transcripts. Node 1 is the driver; the others, the disk and the clients are the script:
//
//	new voters=(1,2,3)
//	tick ms=N
//	written n=N
//	receive kind=K from=N term=N [after=INDEX,TERM] [entries=(TERM...)] [commit=N] [match=N] [stale-round]
//	put id=N key=K value=V       cas id=N key=K expected=V value=V       get id=N key=K [lease|log|stale]
//	who-leads id=N
//
// A reply carries the round of the last AppendEntries that was sent, unless stale-round stands there. Entries that a
// leader sends all put their own index in key x.
func TestDriverTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/driver", func(t *testing.T, path string) {
		var s *scripted
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				var voters []int
				d.ScanArgs(t, "voters", &voters)
				var ids []raft.NodeID
				for _, v := range voters {
					ids = append(ids, raft.NodeID(v))
				}
				s = newScripted(t, ids...)
				return ""
			}
			s.did.Reset()
			s.line(t, d)
			s.driver.Flush()
			if s.did.Len() == 0 {
				return "nothing\n"
			}
			return s.did.String()
		})
	})
}

func (s *scripted) line(t *testing.T, d *datadriven.TestData) {
	var id, n uint64
	var key, value, expected string
	d.MaybeScanArgs(t, "id", &id)
	d.MaybeScanArgs(t, "key", &key)
	d.MaybeScanArgs(t, "value", &value)
	d.MaybeScanArgs(t, "expected", &expected)
	switch d.Cmd {
	case "tick":
		d.ScanArgs(t, "ms", &n)
		s.now += time.Duration(n) * time.Millisecond
		s.driver.Tick(s.now)
	case "written":
		d.ScanArgs(t, "n", &n)
		s.driver.Written(n)
	case "receive":
		s.driver.Receive(s.message(t, d))
	case "put":
		s.driver.Handle(request(s, id, wire.ReadIndex, kv.Op{Kind: kv.Put, Key: key, Value: []byte(value)}))
	case "cas":
		s.driver.Handle(request(s, id, wire.ReadIndex, kv.Op{Kind: kv.CompareAndSet, Key: key, Expected: []byte(expected), Value: []byte(value)}))
	case "get":
		c := wire.ReadIndex
		for word, other := range map[string]wire.Consistency{"lease": wire.Lease, "log": wire.ThroughLog, "stale": wire.Stale} {
			if d.HasArg(word) {
				c = other
			}
		}
		s.driver.Handle(request(s, id, c, kv.Op{Kind: kv.Get, Key: key}))
	case "who-leads":
		s.driver.Handle(Request{ID: id, From: s, Kind: wire.WhoLeads})
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
}

func (s *scripted) message(t *testing.T, d *datadriven.TestData) raft.Message {
	m := raft.Message{To: 1, Round: s.round, Reject: d.HasArg("reject")}
	var kind string
	var from uint64
	var terms []uint64
	d.ScanArgs(t, "kind", &kind)
	d.ScanArgs(t, "from", &from)
	d.ScanArgs(t, "term", &m.Term)
	d.MaybeScanArgs(t, "match", &m.MatchIndex)
	d.MaybeScanArgs(t, "commit", &m.Commit)
	d.MaybeScanArgs(t, "entries", &terms)
	if d.HasArg("after") {
		d.ScanArgs(t, "after", &m.PrevLogIndex, &m.PrevLogTerm)
	}
	for k := raft.RequestVote; k.Valid(); k++ {
		if k.String() == kind {
			m.Kind = k
		}
	}
	m.From = raft.NodeID(from)
	m.LastLogIndex, m.LastLogTerm = m.PrevLogIndex, m.PrevLogTerm
	if d.HasArg("stale-round") {
		m.Round = 0
	}
	for i, term := range terms {
		index := m.PrevLogIndex + 1 + uint64(i)
		put := kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: "x", Value: fmt.Append(nil, index)}}}
		m.Entries = append(m.Entries, raft.Entry{Index: index, Term: term, Data: kv.AppendTxn(nil, put)})
	}
	return m
}

// lead makes node 1 of three the leader of term 1, whose no-op is committed.
func (s *scripted) lead(t testing.TB) {
	s.driver.Tick(time.Second)
	s.driver.Flush()
	s.driver.Written(1)
	s.driver.Receive(raft.Message{Kind: raft.RequestVoteReply, From: 2, To: 1, Term: 1})
	s.driver.Flush()
	s.driver.Written(2)
	s.driver.Receive(raft.Message{Kind: raft.AppendEntriesReply, From: 2, To: 1, Term: 1, MatchIndex: 1, Round: s.round})
	s.driver.Flush()
	require.Equal(t, uint64(1), s.driver.Status().Commit)
	s.did.Reset()
}

// Requests beyond the limits are refused, and taken again when others are done.
func TestOverloadIsRefused(t *testing.T) {
	put := kv.Op{Kind: kv.Put, Key: "k"}
	t.Run("number", func(t *testing.T) {
		s := newScripted(t, 1, 2, 3)
		s.lead(t)
		for i := range uint64(MaxPendingRequests) {
			op := put
			if i%2 == 0 {
				op = kv.Op{Kind: kv.Get, Key: "k"} // what waits to be confirmed counts too
			}
			s.driver.Handle(request(s, i+1, wire.ReadIndex, op))
		}
		require.Empty(t, s.did.String())
		s.driver.Handle(request(s, 99, wire.ReadIndex, put))
		require.Contains(t, s.did.String(), "answer 99: refused, node is overloaded: 65536 requests")
		s.driver.Handle(request(s, 100, wire.Stale, kv.Op{Kind: kv.Get, Key: "k"}))
		require.Contains(t, s.did.String(), "answer 100: ok", "what need not wait is served")

		s.driver.Flush()
		s.driver.Written(3)
		s.driver.Receive(raft.Message{Kind: raft.AppendEntriesReply, From: 2, To: 1, Term: 1, MatchIndex: 1 + MaxPendingRequests/2, Round: s.round})
		s.driver.Flush()
		require.Zero(t, s.driver.pending())
		require.Zero(t, s.driver.pendingBytes)
		s.did.Reset()
		s.driver.Handle(request(s, 101, wire.ReadIndex, put))
		require.Empty(t, s.did.String())
	})
	for _, read := range []bool{false, true} {
		t.Run(fmt.Sprint("bytes, reads ", read), func(t *testing.T) {
			s := newScripted(t, 1, 2, 3)
			s.lead(t)
			op := put
			if read {
				op.Kind = kv.Get
			}
			q := request(s, 1, wire.ReadIndex, op)
			q.Command = make([]byte, 4<<20) // its size is all that counts here
			for range MaxPendingBytes / len(q.Command) {
				s.driver.Handle(q)
			}
			require.Empty(t, s.did.String())
			q.ID = 99
			s.driver.Handle(q)
			require.Contains(t, s.did.String(), "answer 99: refused, node is overloaded: 64 requests of 268435456 bytes")
		})
	}
}

// The inbox bounds what waits for a driver that does not turn.
func TestInboxIsBounded(t *testing.T) {
	in := newInbox()
	big := raft.Message{Kind: raft.AppendEntries, Entries: []raft.Entry{{Data: make([]byte, 1<<20)}}}
	for range 200 {
		in.putMessages([]raft.Message{big})
	}
	require.Len(t, in.take(batch{}).messages, maxMessageBytes>>20)
	in.putMessages(make([]raft.Message, maxMessages+5))
	require.Len(t, in.take(batch{}).messages, maxMessages)

	q := Request{Command: make([]byte, 4<<20)}
	taken := 0
	for in.putRequests([]Request{q}) == 1 {
		taken++
	}
	require.Equal(t, MaxPendingBytes/len(q.Command), taken)
	in.take(batch{})
	require.True(t, in.putRequests([]Request{q}) == 1)
}

// An entry that cannot be applied ends the node: to skip it would let this replica differ from the others (R3).
func TestEntryThatCannotBeAppliedPanics(t *testing.T) {
	s := newScripted(t, 1, 2, 3)
	s.driver.Receive(raft.Message{Kind: raft.AppendEntries, From: 2, To: 1, Term: 1, Commit: 1, Entries: []raft.Entry{{Index: 1, Term: 1, Data: []byte{9}}}})
	s.driver.Flush()
	s.driver.Written(1)
	require.PanicsWithValue(t, "node: committed entry 1 of term 1 cannot be applied: command has format version 9, this program knows 1", s.driver.Flush)
}

// A large state is not written again for a few entries: the log may grow with it (R16).
func TestR16LogMayGrowWithTheState(t *testing.T) {
	require.Zero(t, growth(1<<20-1), "a small state: the number of entries alone counts")
	require.Equal(t, 4<<20, growth(1<<20))
	require.Equal(t, 64<<20, growth(20<<20))
	require.Equal(t, 1<<30, growth(1<<30))

	for _, test := range []struct{ value, puts, saved int }{{1 << 10, 3, 1}, {1 << 20, 3, 0}, {1 << 20, 4, 1}} {
		s := newScripted(t, 1)
		s.driver.options.SnapshotEntries = 3
		s.driver.Tick(time.Minute)
		s.settle()
		for i := range test.puts {
			s.driver.Handle(request(s, uint64(i), wire.ReadIndex, kv.Op{Kind: kv.Put, Key: "k", Value: make([]byte, test.value)}))
			s.settle()
		}
		require.Equal(t, test.puts, strings.Count(s.did.String(), ": ok"))
		require.Equal(t, test.saved, strings.Count(s.did.String(), "save snapshot"), "%v", test)
	}
}

// settle has all that is given to the disk written.
func (s *scripted) settle() {
	for written := uint64(0); ; written = s.wrote {
		s.driver.Flush()
		if s.wrote == written {
			return
		}
		s.driver.Written(s.wrote)
	}
}
