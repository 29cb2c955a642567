package wal

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// openBytes opens a log whose only segment has these bytes. Whatever they are: an error that says where, or a log that
// goes on and recovers the same again.
func openBytes(t *testing.T, data []byte) {
	disk := vfs.NewMem()
	require.NoError(t, disk.MkdirAll(dir))
	path := dir + "/0000000000000001.wal"
	require.NoError(t, vfs.WriteFile(disk, path, data))
	l, first, err := Open(disk, dir, small)
	if err != nil {
		require.ErrorContains(t, err, "wal: ")
		require.ErrorContains(t, err, "data/wal/000000000000000")
		return
	}
	last := recoveredModel(first).last()
	if last.Index == maxIndex {
		return // nothing can follow
	}
	next := raft.Entry{Index: last.Index + 1, Term: max(last.Term, 1), Data: []byte("next")}
	appendSync(t, l, entries(next))
	disk.Crash(rand.New(rand.NewPCG(0, 0)))
	_, second := mustOpen(t, disk, dir, small)
	want := recoveredModel(first).appended(entries(next))
	require.True(t, recoveredModel(second).equal(want), "%v\n%v", want, recoveredModel(second))
}

func FuzzSegment(f *testing.F) {
	disk := vfs.NewMem()
	l, _, err := Open(disk, dir, small)
	require.NoError(f, err)
	for _, b := range []Batch{hard(2, 1), entries(entry(1, 1, "one"), entry(2, 2, "two")), entries(entry(2, 2, "other"))} {
		require.NoError(f, l.Append(b))
		require.NoError(f, l.Sync())
	}
	data, err := vfs.ReadFile(disk, dir+"/0000000000000001.wal")
	require.NoError(f, err)
	f.Add(data)
	f.Add(data[:300])
	f.Add([]byte{})
	f.Fuzz(openBytes)
}

// fuzzSegment is a segment of records with good checksums: of each, its type, payload length and payload are taken
// from the bytes.
func fuzzSegment(start, bytes []byte) []byte {
	s := &segmentBuilder{data: header{cluster: 7, node: 3, sequence: 1}.encode()}
	s.chain = headerCRC(s.data)
	s.add(recordStart, start, 0)
	for len(bytes) >= 2 {
		kind, n := recordType(bytes[0]), min(int(bytes[1]), len(bytes)-2)
		s.add(kind, bytes[2:2+n], 0)
		bytes = bytes[2+n:]
	}
	return s.data
}

func FuzzRecords(f *testing.F) {
	start := (&state{hard: raft.HardState{Term: 2}, position: Position{3, 1}, last: Position{3, 1}}).appendStart(nil)
	batch := change{
		hard: &raft.HardState{Term: 3, Vote: 1}, entries: []raft.Entry{entry(4, 2, "four"), entry(5, 3, "five")},
	}.append(nil)
	cut := change{truncate: true, keep: 4, entries: []raft.Entry{entry(5, 3, "other")}}.append(nil)
	var records []byte
	for _, r := range []struct {
		kind    recordType
		payload []byte
	}{
		{recordBatch, batch}, {recordBatch, cut}, {recordCompact, appendPair(nil, 4, 2)}, {recordMark, nil}, {recordReset, appendPair(nil, 9, 3)}, {recordSeal, nil},
	} {
		records = append(append(records, byte(r.kind), byte(len(r.payload))), r.payload...)
	}
	f.Add(start, records)
	f.Add(start[:47], []byte{2, 1, 7, 2, 1, 8})
	f.Add((&state{last: Position{maxIndex, 1}}).appendStart(nil), []byte{2, 3, 4, 0, 0})
	f.Fuzz(func(t *testing.T, start, records []byte) { openBytes(t, fuzzSegment(start, records)) })
}
