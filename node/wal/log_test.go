package wal

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

var small = Options{ClusterID: 7, NodeID: 3, SegmentSize: 1024, ZeroAhead: 512}

func entry(index, term uint64, data string) raft.Entry {
	return raft.Entry{Index: index, Term: term, Data: []byte(data)}
}

func entries(e ...raft.Entry) Batch { return Batch{Entries: e} }

func hard(term uint64, vote raft.NodeID) Batch {
	return Batch{HardState: &raft.HardState{Term: term, Vote: vote}}
}

func mustOpen(t *testing.T, fs vfs.FS, dir string, opts Options) (*Log, Recovered) {
	t.Helper()
	l, r, err := Open(fs, dir, opts)
	require.NoError(t, err)
	return l, r
}

func appendSync(t *testing.T, l *Log, batches ...Batch) {
	t.Helper()
	for _, b := range batches {
		require.NoError(t, l.Append(b))
	}
	require.NoError(t, l.Sync())
}

func TestRealDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node", "wal")
	l, r := mustOpen(t, vfs.OS, dir, small)
	require.Empty(t, r.Entries)
	require.Equal(t, []string{"no log in " + dir + ": begun"}, r.Notes)
	appendSync(t, l, hard(2, 1))
	for i := range uint64(100) { // about 50 segments
		appendSync(t, l, entries(entry(i+1, 2, fmt.Sprintf("%0300d", i+1))))
	}
	appendSync(t, l, Batch{HardState: &raft.HardState{Term: 3}, Entries: []raft.Entry{entry(90, 3, "new")}})
	require.NoError(t, l.Compact(80, 2))
	require.NoError(t, l.Close())

	l, r = mustOpen(t, vfs.OS, dir, small)
	require.Equal(t, raft.HardState{Term: 3}, r.HardState)
	require.Equal(t, Position{80, 2}, r.Snapshot)
	require.Len(t, r.Entries, 10)
	require.Equal(t, entry(81, 2, fmt.Sprintf("%0300d", 81)), r.Entries[0])
	require.Equal(t, entry(90, 3, "new"), r.Entries[9])
	require.Empty(t, r.Notes)
	names, err := vfs.OS.List(dir)
	require.NoError(t, err)
	require.Less(t, len(names), 20, "what the snapshot covers is gone: %v", names)
	require.NoError(t, l.Reset(200, 3))
	appendSync(t, l, entries(entry(201, 3, "after")))
	require.NoError(t, l.Close())
	require.NoError(t, l.Close(), "a second Close does nothing")
	require.ErrorIs(t, l.Sync(), ErrClosed)

	l, r = mustOpen(t, vfs.OS, dir, small)
	require.Equal(t, Position{200, 3}, r.Snapshot)
	require.Equal(t, []raft.Entry{entry(201, 3, "after")}, r.Entries)
	require.NoError(t, l.Close())
}

func TestRefusesBatchesThatNoLogMayHold(t *testing.T) {
	for _, c := range []struct {
		name  string
		batch Batch
		panic string
	}{
		{"gap", entries(entry(7, 2, "")), "wal: entry 7 follows entry 5"},
		{"gap within", entries(entry(6, 2, ""), entry(8, 2, "")), "wal: entry 8 follows entry 6"},
		{"descending terms", entries(entry(6, 1, "")), "wal: entry 6 of term 1 follows one of term 2"},
		{"no term", entries(entry(4, 0, "")), "wal: entry 4 of term 0 follows one of term 1"},
		{"term goes back", hard(1, 0), "wal: the term goes back from 2 to 1"},
		{"cuts what a snapshot covers", entries(entry(2, 2, "")), "wal: a truncation to index 1 of a log that begins after 2 and ends with 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, _ := mustOpen(t, vfs.NewMem(), dir, small)
			appendSync(t, l, hard(2, 1), entries(entry(1, 1, ""), entry(2, 1, ""), entry(3, 1, ""), entry(4, 2, ""), entry(5, 2, "")))
			require.NoError(t, l.Compact(2, 1))
			require.PanicsWithValue(t, c.panic, func() { _ = l.Append(c.batch) })
		})
	}
	l, _ := mustOpen(t, vfs.NewMem(), dir, small)
	appendSync(t, l, entries(entry(1, 1, ""), entry(2, 2, "")))
	require.Panics(t, func() { _ = l.Compact(3, 2) }, "beyond the log")
	require.Panics(t, func() { _ = l.Compact(1, 2) }, "a wrong term")
}

func TestTooLargeABatchIsRefusedAndTheLogGoesOn(t *testing.T) {
	l, _ := mustOpen(t, vfs.NewMem(), dir, small)
	shared := make([]byte, 64<<20) // one slice for all, so that the test needs little memory
	var b Batch
	for i := range uint64(17) {
		b.Entries = append(b.Entries, raft.Entry{Index: i + 1, Term: 1, Data: shared})
	}
	require.ErrorContains(t, l.Append(b), "split it")
	appendSync(t, l, entries(entry(1, 1, "x")))
}

func TestUnchangedHardStateIsNotWritten(t *testing.T) {
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, dir, small)
	appendSync(t, l, hard(2, 1))
	disk.Inject(func(op vfs.Op) error {
		t.Errorf("%v", op)
		return nil
	})
	appendSync(t, l, hard(2, 1), Batch{}, hard(2, 1))
}

func TestOneWriteAndOneSyncForManyBatches(t *testing.T) {
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, dir, Options{})
	var did []vfs.OpKind
	disk.Inject(func(op vfs.Op) error { did = append(did, op.Kind); return nil })
	for i := range uint64(64) {
		require.NoError(t, l.Append(Batch{HardState: &raft.HardState{Term: i + 1}, Entries: []raft.Entry{entry(i+1, i+1, "data")}}))
	}
	require.Empty(t, did)
	require.NoError(t, l.Sync())
	require.NoError(t, l.Sync())
	require.Equal(t, []vfs.OpKind{vfs.OpWrite, vfs.OpSync}, did)
}

func TestSegmentsAreWrittenAgain(t *testing.T) {
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, dir, small)
	for i := range uint64(50) {
		appendSync(t, l, entries(entry(i+1, 1, fmt.Sprintf("%0200d", i+1))))
		require.NoError(t, l.Compact(i+1, 1))
	}
	created := 0
	disk.Inject(func(op vfs.Op) error {
		if op.Kind == vfs.OpCreate {
			created++
		}
		return nil
	})
	for i := range uint64(50) {
		appendSync(t, l, entries(entry(i+51, 1, fmt.Sprintf("%0200d", i+51))))
		require.NoError(t, l.Compact(i+51, 1))
	}
	require.Zero(t, created)
}

// Nothing that was synced is lost when the disk is full, and once there is space a restart goes on.
func TestDiskFull(t *testing.T) {
	disk := vfs.NewMem()
	disk.SetCapacity(4096)
	l, _ := mustOpen(t, disk, dir, small)
	synced := uint64(0)
	var err error
	for err == nil {
		if err = l.Append(entries(entry(synced+1, 1, fmt.Sprintf("%0100d", synced+1)))); err == nil {
			err = l.Sync()
		}
		if err == nil {
			synced++
		}
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "the disk is full")
	require.ErrorContains(t, err, filepath.Join(dir, "000000000000000"))
	require.Equal(t, err, l.Append(hard(9, 9)))
	require.Equal(t, err, l.Compact(1, 1))
	require.Equal(t, err, l.Reset(100, 1))
	require.ErrorContains(t, l.Close(), "the disk is full")

	disk.SetCapacity(0)
	l, r := mustOpen(t, disk, dir, small)
	require.Len(t, r.Entries, int(synced))
	appendSync(t, l, entries(entry(synced+1, 1, "goes on")))
}

func TestReadErrorNamesTheFile(t *testing.T) {
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, dir, small)
	require.NoError(t, l.Close())
	for n := range 2 {
		disk.Inject(func(op vfs.Op) error {
			if op.Kind == vfs.OpRead {
				n--
				if n < 0 {
					return syscall.EIO
				}
			}
			return nil
		})
		_, _, err := Open(disk, dir, small)
		require.ErrorIs(t, err, syscall.EIO)
		require.ErrorContains(t, err, "0000000000000001.wal")
	}
	disk.Inject(nil)
	mustOpen(t, disk, dir, small)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, opts := range []Options{{SegmentSize: 100}, {SegmentSize: 2 << 30}, {ZeroAhead: -1}, {BufferSize: -1}} {
		_, _, err := Open(vfs.NewMem(), dir, opts)
		require.ErrorContains(t, err, "wal: ")
	}
}

// Two batches are written without a sync and the power fails: the first is lost, the second is on the disk. Whatever
// now takes the place of the first, the same again or what ends just where the second begins, the second must not come
// back to life behind it, nor make the log look damaged.
func TestLostBatchDoesNotBringBackTheNext(t *testing.T) {
	opts := small
	opts.SegmentSize, opts.BufferSize = 8192, 1 // every batch is a write
	const length = 1500
	for _, again := range []int{length, length - recordSize} {
		survived := 0
		for seed := range uint64(400) {
			disk := vfs.NewMem()
			l, _ := mustOpen(t, disk, dir, opts)
			require.NoError(t, l.Append(entries(entry(1, 1, fmt.Sprintf("%0*d", length, 1)))))
			require.NoError(t, l.Append(entries(entry(2, 1, fmt.Sprintf("%0*d", length, 2)))))
			disk.Crash(rand.New(rand.NewPCG(seed, 0)))
			l, r := mustOpen(t, disk, dir, opts)
			if len(r.Entries) > 0 {
				continue
			}
			survived += len(r.Notes)
			appendSync(t, l, entries(entry(1, 1, fmt.Sprintf("%0*d", again, 1))))
			disk.Crash(rand.New(rand.NewPCG(seed, 1)))
			_, r = mustOpen(t, disk, dir, opts)
			require.Len(t, r.Entries, 1, "seed %d", seed)
		}
		require.Positive(t, survived)
	}
}

// Entries that were cut need no segment any more, whatever their index.
func TestTruncatedEntriesHoldNoSegments(t *testing.T) {
	disk := vfs.NewMem()
	opts := small
	opts.Spares = -1
	l, _ := mustOpen(t, disk, dir, opts)
	for i := range uint64(10) {
		appendSync(t, l, entries(entry(i+1, 1, fmt.Sprintf("%0500d", i+1))))
	}
	appendSync(t, l, entries(entry(2, 2, fmt.Sprintf("%0500d", 2))))
	require.NoError(t, l.Compact(1, 1))
	names, err := disk.List(dir)
	require.NoError(t, err)
	require.Equal(t, []string{segmentName(l.sequence())}, names)
	disk.Kill()
	_, r := mustOpen(t, disk, dir, opts)
	require.Equal(t, Position{1, 1}, r.Snapshot)
	require.Len(t, r.Entries, 1)
}

// Close fails to sync its mark, which the next Open then reads though it may never have reached the disk. What comes
// after it must not be lost with it. Where the mark is the last thing in a sector, nothing else carries it along.
func TestMarkThatWasNotSynced(t *testing.T) {
	for size := range 520 {
		disk := vfs.NewMem()
		l, _ := mustOpen(t, disk, dir, Options{SegmentSize: 8192})
		appendSync(t, l, entries(entry(1, 1, fmt.Sprintf("%0*d", size, 1))))
		disk.Inject(func(op vfs.Op) error {
			if op.Kind == vfs.OpSync {
				return syscall.EIO
			}
			return nil
		})
		require.ErrorIs(t, l.Close(), syscall.EIO)
		disk.Inject(nil)
		l, r := mustOpen(t, disk, dir, Options{SegmentSize: 8192})
		require.Len(t, r.Entries, 1)
		appendSync(t, l, entries(entry(2, 1, fmt.Sprintf("%01000d", 2))))
		disk.Crash(rand.New(rand.NewPCG(uint64(size), 0)))
		_, r = mustOpen(t, disk, dir, Options{SegmentSize: 8192})
		require.Len(t, r.Entries, 2, "size %d", size)
	}
}
