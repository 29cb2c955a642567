package wal

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// BenchmarkAppendSync appends batches of 300-byte entries, a sync each, as a leader under load does; a snapshot every
// 32 MiB frees files. An operation is an entry.
func BenchmarkAppendSync(b *testing.B) {
	for _, size := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			l, _, err := Open(vfs.OS, b.TempDir(), Options{})
			require.NoError(b, err)
			batch := make([]raft.Entry, size)
			data := make([]byte, 300)
			for i := range data {
				data[i] = byte(i)
			}
			index, compacted := uint64(0), uint64(0)
			b.ReportAllocs()
			b.SetBytes(300)
			b.ResetTimer()
			for done := 0; done < b.N; done += size {
				for i := range batch {
					index++
					batch[i] = raft.Entry{Term: 1, Index: index, Data: data}
				}
				hard := raft.HardState{Term: 1}
				err := l.Append(Batch{HardState: &hard, Entries: batch})
				if err == nil {
					err = l.Sync()
				}
				if err == nil && index-compacted > 100_000 {
					compacted = index
					err = l.Compact(index, 1)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			require.NoError(b, l.Close())
		})
	}
}

// BenchmarkAppend is without the disk: encoding and checksums.
func BenchmarkAppend(b *testing.B) {
	l, _, err := Open(discard{vfs.NewMem()}, dir, Options{SegmentSize: 1 << 30})
	require.NoError(b, err)
	batch := make([]raft.Entry, 64)
	data := make([]byte, 300)
	index := uint64(0)
	b.ReportAllocs()
	b.SetBytes(300)
	b.ResetTimer()
	for done := 0; done < b.N; done += len(batch) {
		for i := range batch {
			index++
			batch[i] = raft.Entry{Term: 1, Index: index, Data: data}
		}
		if err := l.Append(Batch{Entries: batch}); err != nil {
			b.Fatal(err)
		}
	}
}

// discard is a disk whose files keep nothing that is written.
type discard struct{ vfs.FS }

func (d discard) Create(name string) (vfs.File, error) {
	f, err := d.FS.Create(name)
	return discardFile{f}, err
}

type discardFile struct{ vfs.File }

func (discardFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func (discardFile) Sync() error { return nil }

// BenchmarkOpen recovers a log of 100,000 entries. An operation is an Open.
func BenchmarkOpen(b *testing.B) {
	disk := vfs.NewMem()
	l, _, err := Open(disk, dir, Options{})
	require.NoError(b, err)
	for i := range uint64(100_000) {
		require.NoError(b, l.Append(Batch{Entries: []raft.Entry{{Term: 1, Index: i + 1, Data: make([]byte, 300)}}}))
	}
	require.NoError(b, l.Close())
	b.ReportAllocs()
	for b.Loop() {
		l, r, err := Open(disk, dir, Options{})
		if err != nil || len(r.Entries) != 100_000 {
			b.Fatal(err, len(r.Entries))
		}
		require.NoError(b, l.Close())
	}
}
