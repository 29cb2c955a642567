package wire

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/raft"
)

func drawMessage(t *rapid.T) raft.Message {
	n := rapid.Uint64()
	m := raft.Message{Kind: raft.MessageKind(rapid.IntRange(int(raft.RequestVote), int(raft.TimeoutNow)).Draw(t, "kind")),
		From: raft.NodeID(n.Draw(t, "from")), To: raft.NodeID(n.Draw(t, "to")), Term: n.Draw(t, "term"),
		Reject: rapid.Bool().Draw(t, "reject"), Transfer: rapid.Bool().Draw(t, "transfer")}
	switch m.Kind {
	case raft.RequestVote, raft.PreVote:
		m.LastLogIndex, m.LastLogTerm = n.Draw(t, "i"), n.Draw(t, "t")
	case raft.AppendEntries:
		m.PrevLogIndex, m.PrevLogTerm, m.Commit, m.Round = uint64(rapid.Uint32().Draw(t, "prev")), n.Draw(t, "pt"), n.Draw(t, "c"), n.Draw(t, "r")
		for i := range rapid.IntRange(0, 4).Draw(t, "entries") {
			m.Entries = append(m.Entries, raft.Entry{Index: m.PrevLogIndex + 1 + uint64(i), Term: rapid.Uint64Min(1).Draw(t, "et"),
				Kind: raft.EntryKind(rapid.IntRange(0, 2).Draw(t, "ek")), Data: rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "data")})
		}
	case raft.PreVoteReply, raft.RequestVoteReply:
		m.MatchIndex, m.Removed = n.Draw(t, "m"), rapid.Bool().Draw(t, "removed")
	case raft.InstallSnapshotReply:
		m.MatchIndex, m.Offset = n.Draw(t, "m"), n.Draw(t, "o")
	case raft.InstallSnapshot:
		m.Snapshot = &raft.SnapshotMeta{LastIncludedIndex: n.Draw(t, "li"), LastIncludedTerm: n.Draw(t, "lt"),
			Configuration: raft.Configuration{Voters: []raft.NodeID{1, 2}, Addresses: []raft.Address{{ID: 1, Peer: "a:1"}}}}
		m.Offset, m.Chunk, m.Done = n.Draw(t, "o"), rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "chunk"), rapid.Bool().Draw(t, "done")
	case raft.AppendEntriesReply:
		m.PrevLogIndex, m.Round, m.MatchIndex, m.HintIndex, m.HintTerm = n.Draw(t, "p"), n.Draw(t, "r"), n.Draw(t, "m"), n.Draw(t, "hi"), n.Draw(t, "ht")
	}
	return m
}

func TestMessagesComeThroughAFrameAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(drawMessage), 0, 5).Draw(t, "messages")
		b, start := BeginFrame(nil)
		for _, m := range want {
			b = AppendMessage(b, m)
		}
		payload, err := ReadFrame(bytes.NewReader(EndFrame(b, start)), nil)
		require.NoError(t, err)
		var got []raft.Message
		require.NoError(t, DecodeMessages(payload, func(m raft.Message) { got = append(got, m) }))
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	})
}

func TestRequestsAndResponsesComeBack(t *testing.T) {
	q := Request{ID: 7, Kind: Transact, Consistency: Lease, Txn: []byte("txn")}
	back, err := DecodeRequest(AppendRequest(nil, q))
	require.NoError(t, err)
	require.Equal(t, q, back)
	p := Response{ID: 7, Status: NotLeader, Leader: 3, Term: 5, LogIndex: 9, Result: []byte("r"), Error: "why"}
	back2, err := DecodeResponse(AppendResponse(nil, p))
	require.NoError(t, err)
	require.Equal(t, p, back2)
}

func TestBadFramesAreNamed(t *testing.T) {
	b, start := BeginFrame(nil)
	frame := EndFrame(append(b, "payload"...), start)
	frame[9] ^= 1
	_, err := ReadFrame(bytes.NewReader(frame), nil)
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = ReadFrame(bytes.NewReader(frame[:10]), nil)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = ReadFrame(bytes.NewReader(bytes.Repeat([]byte{0xff}, 20)), nil)
	require.ErrorContains(t, err, "at most")
}

func TestHelloTellsStrangersApart(t *testing.T) {
	var wire bytes.Buffer
	h := Hello{Purpose: ForPeer, ClusterID: "c", From: 1, To: 2}
	require.NoError(t, WriteHello(&wire, h))
	got, err := ReadHello(&wire)
	require.NoError(t, err)
	require.Equal(t, h, got)

	require.NoError(t, WriteRefusal(&wire, "wrong cluster"))
	_, err = ReadHello(&wire)
	require.Equal(t, Refused{"wrong cluster"}, err)

	_, err = DecodeHello([]byte("GET / HTTP/1.1"))
	require.ErrorContains(t, err, "not an ordeal node")
	_, err = DecodeHello([]byte(magic + "\x09\x01"))
	require.ErrorContains(t, err, "version 9")
}

func FuzzDecodeMessages(f *testing.F) {
	f.Add(AppendMessage(nil, raft.Message{Kind: raft.AppendEntries, From: 1, To: 2, Term: 3, Entries: []raft.Entry{{Term: 3, Index: 1, Data: []byte("x")}}}))
	f.Add(AppendMessage(nil, raft.Message{Kind: raft.AppendEntriesReply, From: 1, To: 2, Term: 3, Reject: true, HintIndex: 4}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		if err := DecodeMessages(b, func(m raft.Message) { again = AppendMessage(again, m) }); err != nil {
			return
		}
		require.NoError(t, DecodeMessages(again, func(raft.Message) {}))
	})
}

func FuzzDecodeHello(f *testing.F) {
	f.Add([]byte(magic + "\x01\x01\x01c\x01\x02"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = DecodeHello(b) })
}

func FuzzDecodeRequestAndResponse(f *testing.F) {
	f.Add(AppendRequest(nil, Request{ID: 1, Kind: Transact, Txn: []byte("t")}))
	f.Add(AppendResponse(nil, Response{ID: 1, Status: OK, Result: []byte("r")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := DecodeRequest(b); err == nil {
			_, err = DecodeRequest(AppendRequest(nil, q))
			require.NoError(t, err)
		}
		if p, err := DecodeResponse(b); err == nil {
			_, err = DecodeResponse(AppendResponse(nil, p))
			require.NoError(t, err)
		}
	})
}
