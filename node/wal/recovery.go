package wal

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

// recovery reads the segments in order into a state and the entries.
type recovery struct {
	fs   vfs.FS
	dir  string
	opts Options

	state   state
	entries []raft.Entry
	notes   []string
	chain   uint32 // checksum of the last record
	tail    tail
	buf     []byte // a segment
}

// tail is how the last segment ends.
type tail struct {
	end      int64  // of the records that are taken
	size     int64  // of the file
	unsynced []byte // records up to end that are not known to be synced
	marked   bool   // the last record is a mark
	torn     bool   // there are traces of later ones
}

// scan is the place in one segment where recovery reads.
type scan struct {
	path   string
	header header
	data   []byte
	offset int64  // of the next record
	synced uint32 // all before it is synced, by what the records say
	marked bool
}

func (s *scan) corrupt(format string, args ...any) error {
	return &CorruptError{s.path, s.offset, fmt.Sprintf(format, args...)}
}

func (r *recovery) run(sequences []uint64) error {
	headers, err := r.headers(sequences)
	if err != nil {
		return err
	}
	for i, sequence := range sequences {
		s := &scan{path: r.path(sequence), header: headers[i]}
		if s.data, err = r.read(s.path); err != nil {
			return err
		}
		if i+1 < len(sequences) {
			err = r.replayInner(s, headers[i+1])
		} else {
			err = r.replayLast(s)
		}
		if err != nil {
			return err
		}
	}
	return r.finish()
}

// headers reads all headers first: each says where the segment before it ends.
func (r *recovery) headers(sequences []uint64) ([]header, error) {
	headers := make([]header, len(sequences))
	for i, sequence := range sequences {
		path := r.path(sequence)
		file, err := r.fs.Open(path)
		if err != nil {
			return nil, fmt.Errorf("wal: %w", err)
		}
		b := make([]byte, headerSize)
		n, readErr := file.ReadAt(b, 0)
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("wal: %s: %w", path, err)
		}
		if n < headerSize && readErr != io.EOF {
			return nil, fmt.Errorf("wal: %s, offset 0: %w", path, readErr)
		}
		if headers[i], err = r.checkHeader(path, b[:n], sequence); err != nil {
			return nil, err
		}
	}
	return headers, nil
}

func (r *recovery) checkHeader(path string, b []byte, sequence uint64) (header, error) {
	h, err := decodeHeader(b)
	var version *VersionError
	switch {
	case errors.As(err, &version):
		version.File = path
		return h, version
	case err != nil:
		return h, &CorruptError{path, 0, err.Error()}
	case h.cluster != r.opts.ClusterID || h.node != r.opts.NodeID:
		return h, &IdentityError{path, h.cluster, uint64(h.node), r.opts.ClusterID, uint64(r.opts.NodeID)}
	case h.sequence != sequence:
		return h, &CorruptError{path, 0, fmt.Sprintf("the file holds segment %d", h.sequence)}
	}
	return h, nil
}

func (r *recovery) read(path string) ([]byte, error) {
	file, err := r.fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	r.buf, err = vfs.ReadAll(file, r.buf)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("wal: %s: %w", path, err)
	}
	return r.buf, nil
}

// replayInner takes a segment that another follows: all up to the end that one tells must be there.
func (r *recovery) replayInner(s *scan, next header) error {
	if err := r.replayStart(s); err != nil {
		return err
	}
	for s.offset < int64(next.prevEnd) {
		record, err := parseRecord(s.data, s.offset, s.header.sequence)
		if err != nil {
			return s.corrupt("%v, and segment %d follows", err, next.sequence)
		}
		if err := r.take(s, record); err != nil {
			return err
		}
	}
	if s.offset != int64(next.prevEnd) || r.chain != next.prevCRC {
		return s.corrupt("segment %d follows another end: offset %d, checksum %08x, not %08x", next.sequence, next.prevEnd, next.prevCRC, r.chain)
	}
	return nil
}

// replayLast takes the last segment as far as it goes.
func (r *recovery) replayLast(s *scan) error {
	if err := r.replayStart(s); err != nil {
		return err
	}
	for {
		record, err := parseRecord(s.data, s.offset, s.header.sequence)
		if err != nil {
			return r.cut(s, err)
		}
		if record.kind == recordSeal && record.prev == r.chain {
			return s.corrupt("segment %d, which follows, is missing", s.header.sequence+1)
		}
		if err := r.take(s, record); err != nil {
			return err
		}
	}
}

// cut ends the log at a record that is not sound, if that can be the trace of a crash.
func (r *recovery) cut(s *scan, reason error) error {
	later, synced, found := findLater(s.data, s.offset, s.header.sequence)
	if found && synced > s.offset {
		return s.corrupt("%v, and the record at offset %d was written when all before offset %d was synced", reason, later, synced)
	}
	r.tail = tail{
		end: s.offset, size: int64(len(s.data)), marked: s.marked,
		torn: found || s.trace(),
	}
	r.tail.unsynced = slices.Clone(s.data[min(int64(s.synced), s.offset):s.offset])
	if r.tail.torn {
		r.notes = append(r.notes, fmt.Sprintf("cut a torn tail at %s offset %d: %v", s.path, s.offset, reason))
	}
	return nil
}

// trace tells whether something was begun to be written at the end of the records: in a file that was new, anything
// but zeros; in a recycled one, the segment's number where a record would have it.
func (s *scan) trace() bool {
	rest := s.data[s.offset:]
	if s.header.recycled {
		return len(rest) >= recordSize && order.Uint64(rest[8:]) == s.header.sequence
	}
	return slices.ContainsFunc(rest, func(b byte) bool { return b != 0 })
}

// findLater looks for sound records after a bad one: the one that says that most was synced.
func findLater(data []byte, bad int64, sequence uint64) (offset, synced int64, found bool) {
	for at := bad + alignment; at+recordSize <= int64(len(data)); at += alignment {
		if order.Uint64(data[at+8:]) != sequence || int64(order.Uint32(data[at+16:])) != at {
			continue
		}
		record, err := parseRecord(data, at, sequence)
		if err != nil {
			continue
		}
		if !found || int64(record.synced) > synced {
			offset, synced, found = at, int64(record.synced), true
		}
		at = record.end - alignment
	}
	return offset, synced, found
}

// replayStart takes the first record, which was synced before the segment got its name.
func (r *recovery) replayStart(s *scan) error {
	s.offset = headerSize
	first, err := parseRecord(s.data, s.offset, s.header.sequence)
	if err != nil {
		return s.corrupt("%v, in the first record", err)
	}
	if first.kind != recordStart || first.prev != headerCRC(s.data) {
		return s.corrupt("the first record does not belong to the header")
	}
	start, err := decodeStart(first.payload)
	if err != nil {
		return s.corrupt("%v", err)
	}
	if len(r.state.segments) == 0 {
		r.state = start
	} else if err := start.follows(&r.state); err != nil {
		return s.corrupt("%v", err)
	}
	r.state.last = start.last // its term may have been unknown
	r.state.begin(s.header.sequence)
	r.chain, s.offset = first.crc, first.end
	s.synced = uint32(first.end)
	return nil
}

// take applies a sound record.
func (r *recovery) take(s *scan, record record) error {
	if record.prev != r.chain {
		return s.corrupt("a record that follows another one, with checksum %08x, not %08x", record.prev, r.chain)
	}
	if int64(record.synced) > record.offset {
		return s.corrupt("a record that says it was synced before it was written")
	}
	if err := r.apply(record); err != nil {
		return s.corrupt("%v", err)
	}
	r.chain, s.offset = record.crc, record.end
	s.synced = max(s.synced, record.synced)
	s.marked = record.kind == recordMark
	return nil
}

func (r *recovery) apply(record record) error {
	switch record.kind {
	case recordBatch:
		c, err := decodeBatch(record.payload)
		if err != nil {
			return err
		}
		return r.applyBatch(c)
	case recordCompact, recordReset:
		reader := &reader{b: record.payload}
		p := Position{reader.uint64(), reader.uint64()}
		if err := reader.done(); err != nil {
			return err
		}
		return r.applyPosition(record.kind, p)
	case recordMark:
		return nil
	}
	return fmt.Errorf("a record of type %d in this place", record.kind)
}

func (r *recovery) applyBatch(c change) error {
	if err := r.state.apply(c); err != nil {
		return err
	}
	if c.truncate {
		r.entries = r.entries[:r.find(c.keep+1)]
	}
	r.entries = append(r.entries, c.entries...)
	return nil
}

func (r *recovery) applyPosition(kind recordType, p Position) error {
	if kind == recordReset {
		r.entries = nil
		return r.state.reset(p)
	}
	if err := r.state.compact(p); err != nil {
		return err
	}
	r.entries = r.entries[r.find(p.Index+1):]
	return nil
}

// find is where the entry with this index, or the first one after it, is among the entries.
func (r *recovery) find(index uint64) int {
	if len(r.entries) == 0 || index <= r.entries[0].Index {
		return 0
	}
	return int(min(index-r.entries[0].Index, uint64(len(r.entries))))
}

// finish checks that nothing before the first segment is needed.
func (r *recovery) finish() error {
	first := r.state.segments[0]
	if first.before > r.state.position.Index {
		return &CorruptError{r.path(first.sequence - 1), 0, fmt.Sprintf("the segment is missing: entries up to %d stand in it and before it, the snapshot covers those up to %d", first.before, r.state.position.Index)}
	}
	r.entries = slices.Clip(r.entries)
	return nil
}
