package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// Options say whose log it is and how it is laid out. Sizes are in bytes; a zero takes the default.
type Options struct {
	ClusterID uint64
	NodeID    raft.NodeID

	SegmentSize int64 // of a file; 16 MiB. A batch that is larger gets a file of its own
	ZeroAhead   int64 // how far ahead of the records a new file is filled with zeros; 1 MiB
	BufferSize  int   // how much is gathered before it is written without a Sync; 1 MiB
	Spares      int   // how many files are kept to be written again; 2, negative for none
}

func (o Options) withDefaults() Options {
	if o.SegmentSize == 0 {
		o.SegmentSize = 16 << 20
	}
	if o.ZeroAhead == 0 {
		o.ZeroAhead = 1 << 20
	}
	if o.BufferSize == 0 {
		o.BufferSize = 1 << 20
	}
	if o.Spares == 0 {
		o.Spares = 2
	}
	return o
}

func (o Options) check() error {
	if o.SegmentSize < 512 || o.SegmentSize > 1<<30 {
		return fmt.Errorf("wal: segment size %d: choose 512 bytes to 1 GiB", o.SegmentSize)
	}
	if o.ZeroAhead < 0 || o.BufferSize < 0 {
		return fmt.Errorf("wal: ZeroAhead %d and BufferSize %d must not be negative", o.ZeroAhead, o.BufferSize)
	}
	return nil
}

// Batch is what becomes durable together: recovered whole or not at all.
type Batch struct {
	HardState *raft.HardState // nil for no change; one that changes nothing is not written
	// Entries have ascending indexes without gaps. If the first is at or before the last entry of the log, the log from
	// there on is replaced. They must not reach back to the position.
	Entries []raft.Entry
}

// Log is an open log. It is not safe for concurrent use: one thread owns it.
//
// After the first failed write the log is poisoned: every call returns that first error.
// Batches that no log may hold (a gap in the indexes, terms that descend, a term that goes back, a change to what a
// snapshot covers) are the caller's bugs and panic.
type Log struct {
	fs   vfs.FS
	dir  string
	opts Options
	lock io.Closer
	err  error

	state  state
	spares []string // file names

	// The segment that is written to.
	file    vfs.File
	limit   int64  // records end before it, with room for a seal
	written int64  // offset up to which records are written
	synced  int64  // offset up to which they are durable
	zeroed  int64  // the file's length
	chain   uint32 // checksum of the last record
	marked  bool   // the last record is a mark
	buf     []byte // records to be written at written
}

// Append takes a batch. It is durable after the next Sync that returns nil. The entries' data is copied.
func (l *Log) Append(b Batch) error {
	if l.err != nil {
		return l.err
	}
	c := change{entries: b.Entries}
	if b.HardState != nil && *b.HardState != l.state.hard {
		c.hard = b.HardState
	}
	if len(c.entries) > 0 && c.entries[0].Index <= l.state.last.Index {
		c.truncate, c.keep = true, max(c.entries[0].Index, 1)-1
	}
	if c.hard == nil && len(c.entries) == 0 {
		return nil
	}
	size := c.size()
	if size > maxBatch {
		return fmt.Errorf("wal: a batch of %d bytes; at most %d can be taken at once: split it", size, maxBatch)
	}
	if err := l.makeRoom(size); err != nil {
		return err
	}
	must(l.state.apply(c))
	start := l.beginRecord(recordBatch)
	l.buf = c.append(l.buf)
	l.endRecord(start)
	if len(l.buf) >= l.opts.BufferSize {
		return l.flush()
	}
	return nil
}

func must(err error) {
	if err != nil {
		panic("wal: " + err.Error())
	}
}

// Sync makes all batches appended so far durable. If nothing is waiting it does nothing.
func (l *Log) Sync() error {
	if l.err != nil {
		return l.err
	}
	if err := l.flush(); err != nil {
		return err
	}
	if l.synced == l.written {
		return nil
	}
	if err := l.file.Sync(); err != nil {
		return l.poison(l.current(), err)
	}
	l.synced = l.written
	return nil
}

// Compact records that a snapshot, which must be durable already, covers the log up to and including an entry, and
// drops the files that are needed no more. It syncs. An index before the position changes nothing.
func (l *Log) Compact(index, term uint64) error {
	if l.err != nil {
		return l.err
	}
	if index <= l.state.position.Index {
		return nil
	}
	return l.move(recordCompact, Position{index, term})
}

// Reset replaces the whole log by a snapshot, which must be durable already: the log is empty and the next entry is
// index+1. It syncs. What was appended before, a hard state say, becomes durable with it.
func (l *Log) Reset(index, term uint64) error {
	if l.err != nil {
		return l.err
	}
	return l.move(recordReset, Position{index, term})
}

func (l *Log) move(kind recordType, p Position) error {
	if err := l.makeRoom(16); err != nil {
		return err
	}
	if kind == recordCompact {
		must(l.state.compact(p))
	} else {
		must(l.state.reset(p))
	}
	start := l.beginRecord(kind)
	l.buf = appendPair(l.buf, p.Index, p.Term)
	l.endRecord(start)
	if err := l.Sync(); err != nil {
		return err
	}
	return l.drop()
}

// Close syncs, marks the end, and gives the folder free.
func (l *Log) Close() error {
	if l.err == ErrClosed {
		return nil
	}
	err := l.Sync()
	if err == nil {
		err = l.mark()
	}
	err = errors.Join(err, l.release())
	l.err = ErrClosed
	return err
}

// release closes what is open.
func (l *Log) release() error {
	var err error
	if l.file != nil {
		err = l.file.Close()
	}
	return errors.Join(err, l.lock.Close())
}

// mark protects the last records: it says that they were synced.
func (l *Log) mark() error {
	if l.marked {
		return nil
	}
	l.endRecord(l.beginRecord(recordMark))
	l.marked = true
	return l.Sync()
}

func (l *Log) poison(file string, err error) error {
	l.err = writeError(file, err)
	return l.err
}
