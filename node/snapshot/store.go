package snapshot

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

const (
	suffix   = ".snap"
	incoming = "incoming" // chunks of a snapshot that is being received
)

// Store keeps the snapshots in one folder. Save, Receive and Read may be called from different threads as long as Save and
// Receive are called from one.
type Store struct {
	fs      vfs.FS
	dir     string
	cluster uint64

	receiving raft.SnapshotMeta
	arrived   uint64 // bytes
	file      vfs.File
}

// Newest is the snapshot that a node starts from; LastIncludedIndex 0: there is none.
type Newest struct {
	Meta  raft.SnapshotMeta
	State []byte
}

// Open finds the newest snapshot in dir, which it makes if it has to, and removes older ones and what was left half done.
func Open(fs vfs.FS, dir string, cluster uint64) (*Store, Newest, error) {
	s := &Store{fs: fs, dir: dir, cluster: cluster}
	if err := fs.MkdirAll(dir); err != nil {
		return nil, Newest{}, err
	}
	names, err := fs.List(dir)
	if err != nil {
		return nil, Newest{}, err
	}
	newest := ""
	for _, name := range names {
		if strings.HasSuffix(name, suffix) {
			newest = max(newest, name) // the index, with leading zeros, comes first
		}
	}
	if newest == "" {
		return s, Newest{}, s.sweep("")
	}
	// Who wrote it may have ended between giving it its name and making that durable. What this process does from now on counts on the
	// snapshot: older ones go, and so does the log before it.
	if err := fs.SyncDir(dir); err != nil {
		return nil, Newest{}, err
	}
	path := filepath.Join(dir, newest)
	b, err := vfs.ReadFile(fs, path)
	if err != nil {
		return nil, Newest{}, err
	}
	meta, state, err := Decode(b, cluster)
	if err == nil && name(meta) != newest {
		err = fmt.Errorf("it covers entry %d of term %d, which is not what its name says", meta.LastIncludedIndex, meta.LastIncludedTerm)
	}
	if err != nil {
		return nil, Newest{}, fmt.Errorf("snapshot %s is not usable: %w; the log before it is gone: restore the file, or remove this node's data and add it to the cluster anew", path, err)
	}
	return s, Newest{meta, state}, s.sweep(newest)
}

// name of a snapshot's file: its index and term in hexadecimal, so that names sort as snapshots do.
func name(meta raft.SnapshotMeta) string {
	return fmt.Sprintf("%016x-%016x%s", meta.LastIncludedIndex, meta.LastIncludedTerm, suffix)
}

// sweep removes all but the file keep.
func (s *Store) sweep(keep string) error {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != keep {
			if err := s.fs.Remove(filepath.Join(s.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Save writes a snapshot of this node's own, durably, and removes older ones.
func (s *Store) Save(meta raft.SnapshotMeta, state []byte) error {
	if err := vfs.WriteFile(s.fs, filepath.Join(s.dir, name(meta)), encode(s.cluster, meta, state)); err != nil {
		return fmt.Errorf("snapshot at entry %d: %w", meta.LastIncludedIndex, err)
	}
	return s.removeOlder(meta)
}

// removeOlder removes the snapshots before meta. The one that is being received stays.
func (s *Store) removeOlder(meta raft.SnapshotMeta) error {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasSuffix(n, suffix) && n < name(meta) {
			if err := s.fs.Remove(filepath.Join(s.dir, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Read gives up to limit bytes of the snapshot's file from offset on, and whether they are its last.
func (s *Store) Read(meta raft.SnapshotMeta, offset uint64, limit int) (data []byte, done bool, err error) {
	f, err := s.fs.Open(filepath.Join(s.dir, name(meta)))
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, false, err
	}
	if offset > uint64(size) {
		return nil, false, fmt.Errorf("snapshot at entry %d has %d bytes, and byte %d is asked for", meta.LastIncludedIndex, size, offset)
	}
	data = make([]byte, min(uint64(limit), uint64(size)-offset))
	if _, err := f.ReadAt(data, int64(offset)); err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	return data, offset+uint64(len(data)) == uint64(size), nil
}

// Receive stores a chunk of a snapshot that another node sends. It returns from which byte to go on, and, when the snapshot is
// whole, durable and checks, its state. A chunk that does not continue what has arrived changes nothing; one that
// begins another snapshot begins anew. A whole snapshot that does not check is thrown away, and asked for again.
func (s *Store) Receive(ch raft.Chunk) (next uint64, state []byte, err error) {
	if !sameSnapshot(s.receiving, ch.Meta) {
		if err := s.begin(ch.Meta); err != nil {
			return 0, nil, err
		}
	}
	if ch.Offset != s.arrived {
		return s.arrived, nil, nil
	}
	if _, err := s.file.WriteAt(ch.Data, int64(ch.Offset)); err != nil {
		return 0, nil, err
	}
	s.arrived += uint64(len(ch.Data))
	if !ch.Done {
		return s.arrived, nil, nil
	}
	return s.complete()
}

func sameSnapshot(a, b raft.SnapshotMeta) bool {
	return a.LastIncludedIndex == b.LastIncludedIndex && a.LastIncludedTerm == b.LastIncludedTerm
}

func (s *Store) begin(meta raft.SnapshotMeta) error {
	if err := s.Close(); err != nil {
		return err
	}
	f, err := s.fs.Create(filepath.Join(s.dir, incoming))
	if err != nil {
		return err
	}
	s.file, s.receiving, s.arrived = f, meta, 0
	return nil
}

// complete checks what has arrived and makes it a snapshot.
func (s *Store) complete() (next uint64, state []byte, err error) {
	arrived, receiving := s.arrived, s.receiving
	b := make([]byte, arrived)
	if _, err := s.file.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, nil, err
	}
	meta, state, bad := Decode(b, s.cluster)
	if bad != nil || !sameSnapshot(meta, receiving) {
		return 0, nil, s.begin(receiving)
	}
	if err := errors.Join(s.file.Sync(), s.Close()); err != nil {
		return 0, nil, err
	}
	if err := s.fs.Rename(filepath.Join(s.dir, incoming), filepath.Join(s.dir, name(meta))); err != nil {
		return 0, nil, err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return 0, nil, err
	}
	return arrived, state, s.removeOlder(meta)
}

// Close lets go of what is being received.
func (s *Store) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file, s.receiving, s.arrived = nil, raft.SnapshotMeta{}, 0
	return err
}
