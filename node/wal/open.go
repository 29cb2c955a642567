package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// Recovered is what a log holds when it is opened. All of it is durable.
type Recovered struct {
	HardState raft.HardState
	// Snapshot is the entry up to which a snapshot covers the log, (0, 0) if none does. If the newest snapshot there is
	// goes further, the node stopped between writing it and Compact or Reset, and calls that now.
	Snapshot Position
	// Entries follow Snapshot without a gap.
	Entries []raft.Entry
	// Notes are for the node's own log: what was out of the ordinary and harmless.
	Notes []string
}

// Open opens the log in a folder, which it makes if it is not there, and recovers what is in it.
// A folder that another process has open gives vfs.ErrLocked; a damaged log a *CorruptError, one of another format a
// *VersionError, one of another node an *IdentityError, and nothing is changed.
func Open(fs vfs.FS, dir string, opts Options) (*Log, Recovered, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return nil, Recovered{}, err
	}
	if err := fs.MkdirAll(dir); err != nil {
		return nil, Recovered{}, fmt.Errorf("wal: %w", err)
	}
	lock, err := fs.Lock(dir)
	if err != nil {
		return nil, Recovered{}, fmt.Errorf("wal: %s: %w: one node at a time may use it", dir, err)
	}
	l := &Log{fs: fs, dir: dir, opts: opts, lock: lock}
	recovered, err := l.open()
	if err != nil {
		return nil, Recovered{}, errors.Join(err, l.release())
	}
	return l, recovered, nil
}

func (l *Log) open() (Recovered, error) {
	names, err := l.list()
	if err != nil {
		return Recovered{}, err
	}
	if len(names) == 0 {
		return Recovered{Notes: []string{"no log in " + l.dir + ": begun"}}, l.create(1, 0, 0)
	}
	r := &recovery{fs: l.fs, dir: l.dir, opts: l.opts}
	if err := r.run(names); err != nil {
		return Recovered{}, err
	}
	if err := l.resume(r); err != nil {
		return Recovered{}, err
	}
	return Recovered{
		HardState: r.state.hard, Snapshot: r.state.position, Entries: r.entries, Notes: r.notes,
	}, nil
}

// list finds the segments, in order, and the spares.
func (l *Log) list() ([]uint64, error) {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	var sequences []uint64
	for _, name := range names { // sorted, and so are the numbers
		switch {
		case strings.HasSuffix(name, spareSuffix):
			l.spares = append(l.spares, name)
		case strings.HasSuffix(name, segmentSuffix):
			sequence, ok := segmentSequence(name)
			if !ok {
				return nil, &CorruptError{l.path(name), 0, "not the name of a segment"}
			}
			if n := len(sequences); n > 0 && sequence != sequences[n-1]+1 {
				return nil, &CorruptError{l.path(segmentName(sequences[n-1] + 1)), 0, "the segment is missing, " + name + " is there"}
			}
			sequences = append(sequences, sequence)
		}
	}
	if len(sequences) == 0 && len(l.spares) > 0 {
		return nil, &CorruptError{l.path(l.spares[0]), 0, "all segments are missing, but here is one that was used before"}
	}
	return sequences, nil
}

// resume makes durable what was recovered and readies the log for more.
//
// What is not known to be synced is written again before the sync: after a failed sync the kernel takes pages for
// clean that never reached the disk, and they are what recovery has read.
func (l *Log) resume(r *recovery) error {
	t := r.tail
	l.state, l.chain = r.state, r.chain
	path := l.current()
	file, err := l.fs.Open(path)
	if err != nil {
		return l.poison(path, err)
	}
	l.file, l.limit = file, max(l.opts.SegmentSize, t.end+recordSize)
	l.written, l.synced, l.zeroed, l.marked = t.end, t.end, t.size, t.marked
	if len(t.unsynced) > 0 {
		if _, err := file.WriteAt(t.unsynced, t.end-int64(len(t.unsynced))); err != nil {
			return l.poison(path, err)
		}
	}
	if err := file.Sync(); err != nil {
		return l.poison(path, err)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.poison(l.dir, err)
	}
	if t.torn { // none of the torn bytes may ever be taken for records
		if err := l.roll(0); err != nil {
			return err
		}
	} else if err := l.mark(); err != nil {
		return err
	}
	return l.drop()
}

func (r *recovery) path(sequence uint64) string {
	return filepath.Join(r.dir, segmentName(sequence))
}
