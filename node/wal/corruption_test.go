package wal

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// history is a log of a few segments and what it held after each batch.
type history struct {
	disk   *vfs.Mem
	states []model
	synced int // index of the state after the last Sync but one
}

// newHistory writes a log and leaves it without Close. The last Sync covers two batches.
func newHistory(t *testing.T, opts Options) (*history, *Log) {
	h := &history{disk: vfs.NewMem(), states: []model{{}}}
	l, _ := mustOpen(t, h.disk, dir, opts)
	add := func(b Batch) {
		require.NoError(t, l.Append(b))
		h.states = append(h.states, h.states[len(h.states)-1].appended(b))
	}
	for i := range uint64(8) {
		add(Batch{HardState: &raft.HardState{Term: i + 1, Vote: 2}, Entries: []raft.Entry{entry(2*i+1, i+1, fmt.Sprint("data", i))}})
		add(entries(entry(2*i+2, i+1, fmt.Sprintf("%0100d", i))))
		h.synced = len(h.states) - 3
		require.NoError(t, l.Sync())
	}
	return h, l
}

func (h *history) files(t *testing.T) []string {
	names, err := h.disk.List(dir)
	require.NoError(t, err)
	return names
}

func (h *history) last() model { return h.states[len(h.states)-1] }

// flips changes every bit of every file, one at a time, and hands on what Open makes of it.
func (h *history) flips(t *testing.T, opts Options, check func(file string, offset int64, got model, err error)) {
	for _, name := range h.files(t) {
		path := dir + "/" + name
		data, err := vfs.ReadFile(h.disk, path)
		require.NoError(t, err)
		for i := range int64(len(data)) {
			for bit := range 8 {
				disk := h.disk.Clone()
				require.NoError(t, disk.Flip(path, i, 1<<bit))
				_, r, err := Open(disk, dir, opts)
				check(path, i, recoveredModel(r), err)
			}
		}
	}
}

// requireRefused wants an error that names the file and a place in it.
func requireRefused(t *testing.T, err error, path string) {
	t.Helper()
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, ", offset ")
}

// After a Close no bit of the log can change unnoticed: the log is refused, or it was a bit that holds nothing.
func TestFlippedBitAfterClose(t *testing.T) {
	h, l := newHistory(t, small)
	require.NoError(t, l.Close())
	require.Greater(t, len(h.files(t)), 2)
	refused := 0
	h.flips(t, small, func(file string, offset int64, got model, err error) {
		if err != nil {
			requireRefused(t, err, file)
			refused++
			return
		}
		require.True(t, got.equal(h.last()), "%s offset %d: recovered %v", file, offset, got)
	})
	require.Greater(t, refused, 8*1500)
}

// After a crash all but the last Sync is as safe; damage to the last looks like a write that was never finished.
func TestFlippedBitAfterCrash(t *testing.T) {
	h, _ := newHistory(t, small)
	h.disk.Kill()
	files := h.files(t)
	refused, cut := 0, 0
	h.flips(t, small, func(file string, offset int64, got model, err error) {
		switch {
		case err != nil:
			requireRefused(t, err, file)
			refused++
		case !got.equal(h.last()):
			require.Equal(t, dir+"/"+files[len(files)-1], file, "only the last segment")
			require.True(t, got.equal(h.states[h.synced]) || got.equal(h.states[h.synced+1]), "%s offset %d: recovered %v", file, offset, got)
			cut++
		}
	})
	require.Greater(t, refused, 8*1000)
	require.Positive(t, cut)
}

// A file that is gone, cut short or under another's name is noticed.
func TestLostFiles(t *testing.T) {
	h, l := newHistory(t, small)
	require.NoError(t, l.Close())
	var segments []string
	for _, name := range h.files(t) {
		segments = append(segments, dir+"/"+name)
	}
	require.GreaterOrEqual(t, len(segments), 3)
	refused := func(disk *vfs.Mem) {
		t.Helper()
		_, _, err := Open(disk, dir, small)
		var corrupt *CorruptError
		require.ErrorAs(t, err, &corrupt)
	}
	for i, path := range segments {
		disk := h.disk.Clone()
		require.NoError(t, disk.Remove(path))
		refused(disk)

		data, err := vfs.ReadFile(h.disk, path)
		require.NoError(t, err)
		for size := range int64(len(data)) {
			disk := h.disk.Clone()
			f, err := disk.Open(path)
			require.NoError(t, err)
			require.NoError(t, f.Truncate(size))
			_, r, err := Open(disk, dir, small)
			if err == nil { // only zeros, a seal or the mark were cut off, or the end of the last segment
				got := recoveredModel(r)
				prefix := i == len(segments)-1 && slices.ContainsFunc(h.states, got.equal)
				require.True(t, got.equal(h.last()) || prefix, "%s cut to %d: %v", path, size, got)
			} else {
				requireRefused(t, err, path)
			}
		}
		other := h.disk.Clone()
		require.NoError(t, other.Rename(path, segments[(i+1)%len(segments)]))
		refused(other)
	}
	disk := h.disk.Clone()
	require.NoError(t, disk.Rename(segments[0], dir+"/1.wal"))
	refused(disk)
}

func TestOtherNodesLogIsRefused(t *testing.T) {
	h, l := newHistory(t, small)
	require.NoError(t, l.Close())
	for _, opts := range []Options{{ClusterID: 8, NodeID: 3}, {ClusterID: 7, NodeID: 4}} {
		_, _, err := Open(h.disk, dir, opts)
		var identity *IdentityError
		require.ErrorAs(t, err, &identity)
		require.ErrorContains(t, err, dir+"/0000000000000001.wal: the log of node 3 of cluster 0x7, opened by")
	}
}

func TestUnknownVersionIsRefused(t *testing.T) {
	h, l := newHistory(t, small)
	require.NoError(t, l.Close())
	f, err := h.disk.Open(dir + "/0000000000000002.wal")
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{9}, 8)
	require.NoError(t, err)
	_, _, err = Open(h.disk, dir, small)
	require.EqualError(t, err, "wal: data/wal/0000000000000002.wal, offset 8: format version 9, this program reads version 1 only: run the program that wrote it")
}

// Damage leaves the folder as it was, for whoever repairs it.
func TestRefusalChangesNothing(t *testing.T) {
	h, l := newHistory(t, small)
	require.NoError(t, l.Close())
	require.NoError(t, h.disk.Flip(dir+"/0000000000000001.wal", 200, 1))
	h.disk.Inject(func(op vfs.Op) error {
		switch op.Kind {
		case vfs.OpWrite, vfs.OpTruncate, vfs.OpCreate, vfs.OpRename, vfs.OpRemove:
			t.Errorf("%v", op)
		}
		return nil
	})
	_, _, err := Open(h.disk, dir, small)
	require.Error(t, err)
}

// A log that ends where one of its syncs began is one that was never longer: no checksum can tell what is gone.
func TestCutWhereASyncBegan(t *testing.T) {
	h, l := newHistory(t, Options{ClusterID: 7, NodeID: 3})
	starts := h.disk.Starts(l.current())
	require.Greater(t, len(starts), 8)
	before := len(h.last().entries)
	for i := len(starts) - 1; i > 1; i-- { // the first is the file's birth
		disk := h.disk.Clone()
		require.NoError(t, disk.Cut(l.current(), starts[i]))
		_, r, err := Open(disk, dir, Options{ClusterID: 7, NodeID: 3})
		require.NoError(t, err)
		require.Empty(t, r.Notes)
		got := recoveredModel(r)
		require.Less(t, len(got.entries), before)
		require.Contains(t, h.states, got)
		before = len(got.entries)
	}
}
