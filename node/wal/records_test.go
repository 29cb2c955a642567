package wal

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// segmentBuilder writes a segment as no correct program would.
type segmentBuilder struct {
	data  []byte
	chain uint32
}

func buildSegment() *segmentBuilder {
	s := &segmentBuilder{data: header{cluster: 7, node: 3, sequence: 1}.encode()}
	s.chain = headerCRC(s.data)
	start := &state{hard: raft.HardState{Term: 4}, position: Position{5, 2}, last: Position{5, 2}}
	return s.add(recordStart, start.appendStart(nil), 0)
}

func (s *segmentBuilder) add(kind recordType, payload []byte, synced int64) *segmentBuilder {
	at := len(s.data)
	s.data = beginRecord(s.data, kind, s.chain, 1, int64(at), synced)
	s.data, s.chain = endRecord(append(s.data, payload...), at)
	return s
}

func (s *segmentBuilder) batch(c change) *segmentBuilder { return s.add(recordBatch, c.append(nil), 0) }

// Records with good checksums that do not fit together are refused, with the offset of the first that does not.
func TestSoundRecordsThatMakeNoSense(t *testing.T) {
	six := change{entries: []raft.Entry{entry(6, 3, "six")}}
	for _, c := range []struct {
		name    string
		segment *segmentBuilder
		want    string
	}{
		{"gap", buildSegment().batch(change{entries: []raft.Entry{entry(7, 3, "")}}), "offset 144: entry 7 follows entry 5"},
		{"no truncation before a conflict", buildSegment().batch(six).batch(six), "offset 208: entry 6 follows entry 6"},
		{"entry's term goes back", buildSegment().batch(change{entries: []raft.Entry{entry(6, 1, "")}}), "offset 144: entry 6 of term 1 follows one of term 2"},
		{"term goes back", buildSegment().batch(change{hard: &raft.HardState{Term: 3}}), "offset 144: the term goes back from 4 to 3"},
		{"truncation below the position", buildSegment().batch(six).batch(change{truncate: true, keep: 4}), "offset 208: a truncation to index 4 of a log that begins after 5 and ends with 6"},
		{"truncation of nothing", buildSegment().batch(six).batch(change{truncate: true, keep: 6}), "offset 208: a truncation to index 6 of a log"},
		{"snapshot beyond the log", buildSegment().add(recordCompact, appendPair(nil, 6, 2), 0), "offset 144: a snapshot at index 6 of a log that"},
		{"snapshot of another term", buildSegment().batch(six).add(recordCompact, appendPair(nil, 6, 4), 0), "offset 208: a snapshot at index 6 of term 4, where the log has term 3"},
		{"reset to before", buildSegment().add(recordReset, appendPair(nil, 4, 2), 0), "offset 144: a snapshot at index 4 of term 2 replaces one at 5 of term 2"},
		{"second start", buildSegment().add(recordStart, nil, 0), "offset 144: a record of type 1 in this place"},
		{"unknown type", buildSegment().add(77, nil, 0), "offset 144: a record of type 77 in this place"},
		{"unknown part of a batch", buildSegment().add(recordBatch, []byte{8}, 0), "offset 144: a batch with unknown parts 0x8"},
		{"batch too short", buildSegment().add(recordBatch, []byte{1, 0}, 0), "offset 144: a record ends early"},
		{"batch too long", buildSegment().add(recordBatch, []byte{0, 0}, 0), "offset 144: a record has 1 bytes too many"},
		{"more entries than bytes", buildSegment().add(recordBatch, append([]byte{4, 6, 0, 0, 0, 0, 0, 0, 0}, 255, 255, 255, 255), 0), "offset 144: a batch of 4294967295 entries in 0 bytes"},
		{"position too short", buildSegment().add(recordReset, []byte{1}, 0), "offset 144: a record ends early"},
		{"synced before it was written", buildSegment().add(recordMark, nil, 145), "offset 144: a record that says it was synced before it was written"},
		{"seal and no segment after it", buildSegment().add(recordSeal, nil, 0), "offset 144: segment 2, which follows, is missing"},
		{"another chain", func() *segmentBuilder { s := buildSegment(); s.chain++; return s.batch(six) }(), "offset 144: a record that follows another one"},
		{"another chain from the start", func() *segmentBuilder {
			s := &segmentBuilder{data: header{cluster: 7, node: 3, sequence: 1}.encode()}
			return s.add(recordStart, (&state{}).appendStart(nil), 0)
		}(), "offset 64: the first record does not belong to the header"},
		{"entries that are nowhere", func() *segmentBuilder {
			s := &segmentBuilder{data: header{cluster: 7, node: 3, sequence: 1}.encode()}
			s.chain = headerCRC(s.data)
			return s.add(recordStart, (&state{last: Position{9, 1}}).appendStart(nil), 0)
		}(), "the segment is missing: entries up to 9 stand in it and before it, the snapshot covers those up to 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := vfs.NewMem()
			require.NoError(t, disk.MkdirAll(dir))
			require.NoError(t, vfs.WriteFile(disk, dir+"/0000000000000001.wal", c.segment.data))
			_, _, err := Open(disk, dir, small)
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	l, _ := mustOpen(t, discard{vfs.NewMem()}, dir, Options{})
	batch := make([]raft.Entry, 64)
	index := uint64(0)
	data := make([]byte, 300)
	write := func() {
		for i := range batch {
			index++
			batch[i] = raft.Entry{Term: 1, Index: index, Data: data}
		}
		h := raft.HardState{Term: index}
		if l.Append(Batch{HardState: &h, Entries: batch}) != nil || l.Sync() != nil {
			t.Error("failed")
		}
	}
	write() // grows the buffer
	require.Zero(t, testing.AllocsPerRun(100, write))
}
