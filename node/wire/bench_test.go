package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/raft"
)

// BenchmarkFrames is a message or request on its way: encoded into a frame, read and decoded again.
func BenchmarkFrames(b *testing.B) {
	append16 := raft.Message{Kind: raft.AppendEntries, From: 1, To: 2, Term: 7, PrevLogIndex: 1000, PrevLogTerm: 7, Commit: 990, Round: 12}
	for i := range uint64(16) {
		append16.Entries = append(append16.Entries, raft.Entry{Term: 7, Index: 1001 + i, Data: make([]byte, 300)})
	}
	reply := raft.Message{Kind: raft.AppendEntriesReply, From: 2, To: 1, Term: 7, MatchIndex: 1016, Round: 12}
	message := func(m raft.Message) (func([]byte) []byte, func([]byte) error) {
		return func(b []byte) []byte { return AppendMessage(b, m) },
			func(payload []byte) error { return DecodeMessages(payload, func(raft.Message) {}) }
	}
	frames := func(b *testing.B, encode func([]byte) []byte, decode func([]byte) error) {
		var frame, payload []byte
		in := bytes.NewReader(nil)
		b.ReportAllocs()
		for b.Loop() {
			var start int
			frame, start = BeginFrame(frame[:0])
			frame = EndFrame(encode(frame), start)
			in.Reset(frame)
			var err error
			payload, err = ReadFrame(in, payload)
			require.NoError(b, err)
			if err := decode(payload); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(frame)))
	}
	b.Run("16 entries of 300 bytes", func(b *testing.B) { encode, decode := message(append16); frames(b, encode, decode) })
	b.Run("a reply", func(b *testing.B) { encode, decode := message(reply); frames(b, encode, decode) })
	b.Run("a request of 300 bytes", func(b *testing.B) {
		q := Request{ID: 12345, Kind: Transact, Consistency: ReadIndex, Txn: make([]byte, 300)}
		frames(b, func(b []byte) []byte { return AppendRequest(b, q) }, func(payload []byte) error { _, err := DecodeRequest(payload); return err })
	})
	b.Run("a response", func(b *testing.B) {
		p := Response{ID: 12345, Status: OK, LogIndex: 1000, Result: make([]byte, 16)}
		frames(b, func(b []byte) []byte { return AppendResponse(b, p) }, func(payload []byte) error { _, err := DecodeResponse(payload); return err })
	})
}
