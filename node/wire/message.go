package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/ordeal-dev/ordeal/node/codec"
	"github.com/ordeal-dev/ordeal/raft"
)

// AppendMessage appends the encoding of m to b. A frame between peers holds one or more messages, or none: a ping,
// which the receiver answers with an empty frame.
//
// Layout: kind (1 byte), flags (1 byte: 1 reject, 2 transfer, 4 removed, 8 done), from, to, term, then by kind
// RequestVote, PreVote: last log index, last log term;
// AppendEntries: previous index, previous term, commit, round, number of entries, then of each its term, kind (1 byte)
// and data (indexes follow from the previous one);
// AppendEntriesReply: previous index, round, match index, hint index, hint term;
// PreVoteReply, RequestVoteReply: match index; InstallSnapshotReply: match index, offset;
// InstallSnapshot: last included index, last included term, configuration (as in its entry), offset, chunk.
func AppendMessage(b []byte, m raft.Message) []byte {
	b = append(b, byte(m.Kind), flags(m))
	for _, v := range [...]uint64{uint64(m.From), uint64(m.To), m.Term} {
		b = binary.AppendUvarint(b, v)
	}
	switch m.Kind {
	case raft.RequestVote, raft.PreVote:
		b = binary.AppendUvarint(b, m.LastLogIndex)
		b = binary.AppendUvarint(b, m.LastLogTerm)
	case raft.AppendEntries:
		for _, v := range [...]uint64{m.PrevLogIndex, m.PrevLogTerm, m.Commit, m.Round, uint64(len(m.Entries))} {
			b = binary.AppendUvarint(b, v)
		}
		for _, e := range m.Entries {
			b = binary.AppendUvarint(b, e.Term)
			b = append(b, byte(e.Kind))
			b = codec.AppendBytes(b, e.Data)
		}
	case raft.AppendEntriesReply:
		for _, v := range [...]uint64{m.PrevLogIndex, m.Round, m.MatchIndex, m.HintIndex, m.HintTerm} {
			b = binary.AppendUvarint(b, v)
		}
	case raft.PreVoteReply, raft.RequestVoteReply:
		b = binary.AppendUvarint(b, m.MatchIndex)
	case raft.InstallSnapshotReply:
		b = binary.AppendUvarint(b, m.MatchIndex)
		b = binary.AppendUvarint(b, m.Offset)
	case raft.InstallSnapshot:
		b = binary.AppendUvarint(b, m.Snapshot.LastIncludedIndex)
		b = binary.AppendUvarint(b, m.Snapshot.LastIncludedTerm)
		b = codec.AppendBytes(b, m.Snapshot.Configuration.Encode())
		b = binary.AppendUvarint(b, m.Offset)
		b = codec.AppendBytes(b, m.Chunk)
	}
	return b
}

const (
	flagReject   = 1
	flagTransfer = 2
	flagRemoved  = 4
	flagDone     = 8
)

func flags(m raft.Message) byte {
	var f byte
	if m.Reject {
		f |= flagReject
	}
	if m.Transfer {
		f |= flagTransfer
	}
	if m.Removed {
		f |= flagRemoved
	}
	if m.Done {
		f |= flagDone
	}
	return f
}

// DecodeMessages reads the payload of a frame between peers and hands each message to take. The messages share no
// memory with payload.
func DecodeMessages(payload []byte, take func(raft.Message)) error {
	// One copy for all entries of the frame; they keep it alive together.
	r := codec.NewReader(append([]byte(nil), payload...))
	for r.Left() > 0 {
		m := readMessage(&r)
		if r.Err() != nil {
			break
		}
		take(m)
	}
	return r.End("message between peers")
}

func readMessage(r *codec.Reader) raft.Message {
	m := raft.Message{Kind: raft.MessageKind(r.Byte())}
	f := r.Byte()
	if r.Err() == nil && (!m.Kind.Valid() || f >= 2*flagDone) {
		r.Fail(fmt.Sprintf("unknown kind %d or flags %d", m.Kind, f))
		return m
	}
	m.Reject, m.Transfer, m.Removed, m.Done = f&flagReject != 0, f&flagTransfer != 0, f&flagRemoved != 0, f&flagDone != 0
	m.From, m.To, m.Term = raft.NodeID(r.Uvarint()), raft.NodeID(r.Uvarint()), r.Uvarint()
	switch m.Kind {
	case raft.RequestVote, raft.PreVote:
		m.LastLogIndex, m.LastLogTerm = r.Uvarint(), r.Uvarint()
	case raft.AppendEntries:
		m.PrevLogIndex, m.PrevLogTerm, m.Commit, m.Round = r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint()
		m.Entries = readEntries(r, m.PrevLogIndex)
	case raft.AppendEntriesReply:
		m.PrevLogIndex, m.Round, m.MatchIndex, m.HintIndex, m.HintTerm = r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint()
	case raft.PreVoteReply, raft.RequestVoteReply:
		m.MatchIndex = r.Uvarint()
	case raft.InstallSnapshotReply:
		m.MatchIndex, m.Offset = r.Uvarint(), r.Uvarint()
	case raft.InstallSnapshot:
		m.Snapshot = readSnapshotMeta(r)
		m.Offset, m.Chunk = r.Uvarint(), r.Bytes()
	}
	return m
}

func readSnapshotMeta(r *codec.Reader) *raft.SnapshotMeta {
	meta := &raft.SnapshotMeta{LastIncludedIndex: r.Uvarint(), LastIncludedTerm: r.Uvarint()}
	configuration, err := raft.DecodeConfiguration(r.Bytes())
	if err != nil && r.Err() == nil {
		r.Fail(err.Error())
	}
	meta.Configuration = configuration
	return meta
}

func readEntries(r *codec.Reader, prev uint64) []raft.Entry {
	n := r.Uvarint()
	if n > uint64(r.Left())/3 { // an entry takes three bytes at least
		r.Fail("more entries than bytes")
		return nil
	}
	if n == 0 {
		return nil
	}
	es := make([]raft.Entry, 0, min(n, 1024)) // what n claims is believed as the entries come
	for i := range n {
		e := raft.Entry{Index: prev + 1 + i, Term: r.Uvarint(), Kind: raft.EntryKind(r.Byte()), Data: r.Bytes()}
		if r.Err() == nil && (e.Index == 0 || e.Term == 0 || e.Kind > raft.EntryConfiguration) {
			// A kind that this version does not know must not be skipped: the replica would differ from others.
			r.Fail(fmt.Sprintf("entry %d of term %d has unknown kind %d, or no index or term", e.Index, e.Term, e.Kind))
		}
		if r.Err() != nil {
			return nil
		}
		es = append(es, e)
	}
	return es
}
