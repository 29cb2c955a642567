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
	synced    uint64 // of them, by and by
	file      vfs.File
}

// Open finds the newest snapshot in dir, which it makes if it has to, has load take its state, and removes older ones and what was left half
// done. LastIncludedIndex 0: there is none.
func Open(fs vfs.FS, dir string, cluster uint64, load Load) (*Store, raft.SnapshotMeta, error) {
	none := raft.SnapshotMeta{}
	s := &Store{fs: fs, dir: dir, cluster: cluster}
	if err := fs.MkdirAll(dir); err != nil {
		return nil, none, err
	}
	names, err := fs.List(dir)
	if err != nil {
		return nil, none, err
	}
	newest := ""
	for _, name := range names {
		if strings.HasSuffix(name, suffix) {
			newest = max(newest, name) // the index, with leading zeros, comes first
		}
	}
	if newest == "" {
		return s, none, s.sweep("")
	}
	// Who wrote it may have ended between giving it its name and making that durable. What this process does from now on counts on the
	// snapshot: older ones go, and so does the log before it.
	if err := fs.SyncDir(dir); err != nil {
		return nil, none, err
	}
	path := filepath.Join(dir, newest)
	meta, err := readFile(fs, path, cluster, load)
	if err == nil && name(meta) != newest {
		err = fmt.Errorf("it covers entry %d of term %d, which is not what its name says", meta.LastIncludedIndex, meta.LastIncludedTerm)
	}
	if err != nil {
		return nil, none, fmt.Errorf("snapshot %s is not usable: %w; the log before it is gone: restore the file, or remove this node's data and add it to the cluster anew", path, err)
	}
	return s, meta, s.sweep(newest)
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

// readFile reads a snapshot's file.
func readFile(fs vfs.FS, path string, cluster uint64, load Load) (meta raft.SnapshotMeta, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return meta, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return meta, err
	}
	return read(io.NewSectionReader(f, 0, size), size, cluster, load)
}

// Save writes a snapshot of this node's own, durably, and removes older ones.
func (s *Store) Save(meta raft.SnapshotMeta, state State) error {
	err := vfs.Replace(s.fs, filepath.Join(s.dir, name(meta)), func(w io.Writer) error { return write(w, s.cluster, meta, state) })
	if err != nil {
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

// Receive stores a chunk of a snapshot that another node sends. It returns from which byte to go on, and whether the snapshot is whole, durable
// and checked; load has then taken its state. A chunk that does not continue what has arrived changes nothing; one that
// begins another snapshot begins anew. A whole snapshot that does not check is thrown away, and asked for again; what load took
// of it means nothing.
func (s *Store) Receive(ch raft.Chunk, load Load) (next uint64, whole bool, err error) {
	if !sameSnapshot(s.receiving, ch.Meta) {
		if err := s.begin(ch.Meta); err != nil {
			return 0, false, err
		}
	}
	if ch.Offset != s.arrived {
		return s.arrived, false, nil
	}
	if _, err := s.file.WriteAt(ch.Data, int64(ch.Offset)); err != nil {
		return 0, false, err
	}
	s.arrived += uint64(len(ch.Data))
	if ch.Done {
		return s.complete(load)
	}
	if s.arrived-s.synced < vfs.SyncBytes {
		return s.arrived, false, nil
	}
	s.synced = s.arrived
	return s.arrived, false, s.file.Sync()
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
	s.file, s.receiving, s.arrived, s.synced = f, meta, 0, 0
	return nil
}

// complete checks what has arrived and makes it a snapshot.
func (s *Store) complete(load Load) (next uint64, whole bool, err error) {
	arrived, receiving := s.arrived, s.receiving
	meta, err := read(io.NewSectionReader(s.file, 0, int64(arrived)), int64(arrived), s.cluster, load)
	if errors.As(err, new(badFile)) || err == nil && !sameSnapshot(meta, receiving) {
		return 0, false, s.begin(receiving)
	}
	if err != nil {
		return 0, false, fmt.Errorf("the snapshot at entry %d, as another node sent it: %w", receiving.LastIncludedIndex, err)
	}
	if err := errors.Join(s.file.Sync(), s.Close()); err != nil {
		return 0, false, err
	}
	if err := s.fs.Rename(filepath.Join(s.dir, incoming), filepath.Join(s.dir, name(meta))); err != nil {
		return 0, false, err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return 0, false, err
	}
	return arrived, true, s.removeOlder(meta)
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
