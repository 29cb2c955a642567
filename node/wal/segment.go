package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/node/vfs"
)

const (
	segmentSuffix = ".wal"
	spareSuffix   = ".spare"
	temporaryName = "next.tmp" // a segment that is being made
)

func segmentName(sequence uint64) string { return fmt.Sprintf("%016d%s", sequence, segmentSuffix) }
func spareName(sequence uint64) string   { return fmt.Sprintf("%016d%s", sequence, spareSuffix) }

// segmentSequence reads a segment's number off its name.
func segmentSequence(name string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimSuffix(name, segmentSuffix), 10, 64)
	return n, err == nil && n > 0 && segmentName(n) == name
}

var zeros = make([]byte, 64<<10)

// sequence is the current segment's number.
func (l *Log) sequence() uint64 { return l.state.segments[len(l.state.segments)-1].sequence }

func (l *Log) current() string { return l.path(segmentName(l.sequence())) }

func (l *Log) path(name string) string { return filepath.Join(l.dir, name) }

// makeRoom makes sure that a record with such a payload fits in the segment, and begins a new one if it does not.
func (l *Log) makeRoom(payload int) error {
	size := int64(recordSize + padded(payload))
	if l.written+int64(len(l.buf))+size+recordSize <= l.limit {
		return nil
	}
	return l.roll(size)
}

// roll ends the segment and begins one that holds a record of the given size.
// The order matters: recovery takes a segment that has a successor to be synced whole.
func (l *Log) roll(size int64) error {
	if err := l.Sync(); err != nil {
		return err
	}
	old := sealing{file: l.file, end: l.written, limit: l.limit, chain: l.chain, sequence: l.sequence()}
	path := l.current()
	if err := l.create(old.sequence+1, uint32(old.end), size); err != nil {
		if l.file != old.file {
			old.file.Close()
		}
		return err
	}
	if err := errors.Join(old.seal(), old.file.Close()); err != nil {
		return l.poison(path, err)
	}
	return nil
}

// create makes the segment with this number the current one. Its name appears when all in it is synced.
func (l *Log) create(sequence uint64, prevEnd uint32, size int64) error {
	path := l.path(segmentName(sequence))
	file, from, err := l.blank()
	if err != nil {
		return l.poison(path, err)
	}
	h := header{
		cluster: l.opts.ClusterID, node: l.opts.NodeID, sequence: sequence,
		prevEnd: prevEnd, prevCRC: l.chain, recycled: from != temporaryName,
	}
	start := int64(headerSize + recordSize + padded(startLength))
	limit := max(l.opts.SegmentSize, start+size+recordSize)
	if limit > maxOffset {
		panic(fmt.Sprintf("wal: a segment of %d bytes", limit))
	}
	l.state.begin(sequence)
	l.file, l.limit, l.written, l.synced, l.marked = file, limit, 0, 0, false
	if l.zeroed, err = file.Size(); err == nil && l.zeroed > limit { // it held a batch larger than a segment
		l.zeroed, err = limit, file.Truncate(limit)
	}
	if err == nil {
		err = file.Reserve(limit)
	}
	if err != nil {
		return l.poison(path, err)
	}
	l.buf = append(l.buf[:0], h.encode()...)
	l.chain = headerCRC(l.buf)
	at := l.beginRecord(recordStart)
	l.buf = l.state.appendStart(l.buf)
	l.endRecord(at)
	if err := l.Sync(); err != nil {
		return err
	}
	if err := l.fs.Rename(l.path(from), path); err != nil {
		return l.poison(path, err)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.poison(l.dir, err)
	}
	return nil
}

// blank opens a file to be made a segment: a spare or a new one.
func (l *Log) blank() (file vfs.File, name string, err error) {
	if len(l.spares) > 0 {
		name = l.spares[0]
		l.spares = l.spares[1:]
		file, err = l.fs.Open(l.path(name))
		return file, name, err
	}
	file, err = l.fs.Create(l.path(temporaryName))
	return file, temporaryName, err
}

// sealing is a segment that was the current one.
type sealing struct {
	file       vfs.File
	end, limit int64
	chain      uint32
	sequence   uint64
}

// seal says in the segment that another follows, so that the loss of that one is noticed. A segment that was left
// early gives back what was reserved for it.
func (s sealing) seal() error {
	record := beginRecord(nil, recordSeal, s.chain, s.sequence, s.end, s.end)
	record, _ = endRecord(record, 0)
	if _, err := s.file.WriteAt(record, s.end); err != nil {
		return err
	}
	if end := s.end + int64(len(record)); end < s.limit/2 {
		if err := s.file.Truncate(end); err != nil {
			return err
		}
	}
	return s.file.Sync()
}

// drop removes the files that the position covers, the oldest first, each durably before the next, so that those
// that are left never have a gap.
func (l *Log) drop() error {
	for range l.state.covered() {
		sequence := l.state.segments[0].sequence
		if err := l.retire(sequence); err != nil {
			return l.poison(l.path(segmentName(sequence)), err)
		}
		if err := l.fs.SyncDir(l.dir); err != nil {
			return l.poison(l.dir, err)
		}
		l.state.segments = l.state.segments[1:]
	}
	return nil
}

// retire removes a segment or makes it a spare.
func (l *Log) retire(sequence uint64) error {
	path := l.path(segmentName(sequence))
	if len(l.spares) >= l.opts.Spares {
		return l.fs.Remove(path)
	}
	spare := spareName(sequence)
	if err := l.fs.Rename(path, l.path(spare)); err != nil {
		return err
	}
	l.spares = append(l.spares, spare)
	return nil
}

// beginRecord appends a record's header to the buffer and returns where it is.
func (l *Log) beginRecord(kind recordType) int {
	at := len(l.buf)
	l.buf = beginRecord(l.buf, kind, l.chain, l.sequence(), l.written+int64(at), l.synced)
	return at
}

// endRecord completes it, its payload being appended.
func (l *Log) endRecord(at int) {
	l.buf, l.chain = endRecord(l.buf, at)
	l.marked = false
}

// flush writes the buffer, and zeros ahead of it if it came to the end of those there are.
func (l *Log) flush() error {
	if len(l.buf) == 0 {
		return nil
	}
	if _, err := l.file.WriteAt(l.buf, l.written); err != nil {
		return l.poison(l.current(), err)
	}
	l.written += int64(len(l.buf))
	if cap(l.buf) > 4*l.opts.BufferSize+maxKept {
		l.buf = nil
	}
	l.buf = l.buf[:0]
	if l.written <= l.zeroed {
		return nil
	}
	end := max(l.written, min(l.limit, l.written+l.opts.ZeroAhead))
	if err := l.zero(l.written, end); err != nil {
		return l.poison(l.current(), err)
	}
	l.zeroed = end
	return nil
}

// maxKept is how large a buffer may stay in any case.
const maxKept = 64 << 10

func (l *Log) zero(from, to int64) error {
	for from < to {
		n := min(to-from, int64(len(zeros)))
		if _, err := l.file.WriteAt(zeros[:n], from); err != nil {
			return err
		}
		from += n
	}
	return nil
}
