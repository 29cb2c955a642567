package raft

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// server is a Core with a disk and a state machine: a driver in slow motion, which a test can stop between any two steps.
type server struct {
	config    Config // of every start; what is on stable storage and Now come from the disk and the clock
	chunkSize int    // of snapshots sent, bytes
	core      *Core  // nil while the server is down
	disk      disk
	queue     []diskWrite // given out and not yet durable, oldest first
	machine   machine
	applied   []Entry // by the state machine, since the start
	reads     []ReadResult
	installs  int // snapshots that replaced the state machine, since the start
	rare      rareStates

	interrupted bool // there was a part of a snapshot at the start
}

// rareStates counts what a run went through.
type rareStates struct {
	installed, kept, resumed, otherLeader, finished, joint, left, rolledBack, removed int
}

func (r *rareStates) add(o rareStates) {
	r.installed, r.kept, r.resumed, r.otherLeader = r.installed+o.installed, r.kept+o.kept, r.resumed+o.resumed, r.otherLeader+o.otherLeader
	r.finished, r.joint, r.left = r.finished+o.finished, r.joint+o.joint, r.left+o.left
	r.rolledBack, r.removed = r.rolledBack+o.rolledBack, r.removed+o.removed
}

func (r rareStates) String() string {
	return fmt.Sprintf("%d snapshots installed, %d of them over a log that went on, %d transfers resumed after a restart, %d by another leader, "+
		"%d installations finished at a start, %d snapshots while joint, %d leaders removed, %d configurations rolled back, %d servers stopped by themselves",
		r.installed, r.kept, r.resumed, r.otherLeader, r.finished, r.joint, r.left, r.rolledBack, r.removed)
}

// machine is a state machine whose state is the digest of all entries that it applied, in their order.
type machine struct {
	index, term uint64 // of the last entry applied
	digest      uint64
}

func (m *machine) apply(e Entry) {
	if e.Index != m.index+1 {
		panic(fmt.Sprintf("state machine safety: entry %d applied after entry %d", e.Index, m.index))
	}
	*m = machine{e.Index, e.Term, digest(m.digest, e)}
}

// snapshot is a file: the same on all servers for the same position.
type snapshot struct {
	meta SnapshotMeta
	data []byte
}

const snapshotSize = 64

func (m machine) encode() []byte {
	b := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, m.index), m.digest)
	return append(b, bytes.Repeat([]byte{byte(m.digest)}, snapshotSize-len(b))...)
}

func (s snapshot) machine() machine {
	m := machine{index: binary.LittleEndian.Uint64(s.data), term: s.meta.LastIncludedTerm, digest: binary.LittleEndian.Uint64(s.data[8:])}
	if m.index != s.meta.LastIncludedIndex || !bytes.Equal(s.data, m.encode()) {
		panic(fmt.Sprintf("snapshot at %d holds the wrong bytes", s.meta.LastIncludedIndex))
	}
	return m
}

// disk is what survives a loss of power.
type disk struct {
	hardState HardState
	start     LogStart
	entries   []Entry    // after start
	snapshots []snapshot // the newest is last
	partial   snapshot   // of which the first bytes have come
	from      NodeID     // whose chunk was the last
}

// diskWrite is a write under way and the messages that wait for it.
type diskWrite struct {
	number    uint64 // 0: not one that the core numbered
	hardState *HardState
	installed *SnapshotMeta
	keepLog   bool
	entries   []Entry
	after     []Message

	chunk   *Chunk
	save    *snapshot
	retain  uint64 // with save
	compact *LogStart
}

func (d *disk) lastIndex() uint64 { return d.start.Index + uint64(len(d.entries)) }

func (d *disk) newest() snapshot {
	if len(d.snapshots) == 0 {
		return snapshot{}
	}
	return d.snapshots[len(d.snapshots)-1]
}

func (d *disk) write(w diskWrite) {
	if w.hardState != nil {
		d.hardState = *w.hardState
	}
	if w.installed != nil {
		d.install(*w.installed, w.keepLog)
	}
	if w.compact != nil {
		d.compact(*w.compact)
	}
	if len(w.entries) > 0 {
		first := w.entries[0].Index
		if first <= d.start.Index || first > d.lastIndex()+1 {
			panic(fmt.Sprintf("entries from %d are written to a log of %d to %d", first, d.start.Index+1, d.lastIndex()))
		}
		d.entries = append(slices.Clone(d.entries[:first-d.start.Index-1]), w.entries...)
	}
	if w.save != nil {
		d.keep(*w.save)
	}
}

func (d *disk) install(meta SnapshotMeta, keepLog bool) {
	start := LogStart{meta.LastIncludedIndex, meta.LastIncludedTerm}
	if d.newest().meta.LastIncludedIndex < start.Index {
		panic(fmt.Sprintf("the log makes way for a snapshot at %d that is not on disk", start.Index))
	}
	if keepLog {
		d.compact(start)
		return
	}
	d.start, d.entries = start, nil
}

// compact drops the log up to start, which it must hold and a snapshot must cover.
func (d *disk) compact(start LogStart) {
	if start.Index <= d.start.Index {
		return
	}
	if start.Index > d.newest().meta.LastIncludedIndex || start.Index > d.lastIndex() || d.entries[start.Index-d.start.Index-1].Term != start.Term {
		panic(fmt.Sprintf("the log from %d to %d, with a snapshot at %d, is to begin at %d/%d", d.start.Index+1, d.lastIndex(),
			d.newest().meta.LastIncludedIndex, start.Index, start.Term))
	}
	d.start, d.entries = start, slices.Clone(d.entries[start.Index-d.start.Index:])
}

// keep adds a whole snapshot: the newest is the one with the greatest index.
func (d *disk) keep(s snapshot) {
	at, found := slices.BinarySearchFunc(d.snapshots, s, func(a, b snapshot) int {
		return cmp.Compare(a.meta.LastIncludedIndex, b.meta.LastIncludedIndex)
	})
	if !found {
		d.snapshots = slices.Insert(slices.Clone(d.snapshots), at, s)
	}
}

// snapshotAt is the snapshot at index, which must be here.
func (d *disk) snapshotAt(index uint64) snapshot {
	for _, s := range d.snapshots {
		if s.meta.LastIncludedIndex == index {
			return s
		}
	}
	panic(fmt.Sprintf("no snapshot at %d on disk", index))
}

// storeChunk stores what follows the bytes that are here, and returns the next byte wanted and whether all are here.
func (d *disk) storeChunk(ch Chunk) (next uint64, whole bool) {
	if d.partial.meta.LastIncludedIndex != ch.Meta.LastIncludedIndex || d.partial.meta.LastIncludedTerm != ch.Meta.LastIncludedTerm {
		d.partial, d.from = snapshot{meta: ch.Meta}, 0
	}
	have := uint64(len(d.partial.data))
	if ch.Offset > have {
		return have, false
	}
	if end := ch.Offset + uint64(len(ch.Data)); end > have {
		d.partial.data = append(slices.Clone(d.partial.data), ch.Data[have-ch.Offset:]...)
		d.from = ch.From
		if ch.Done {
			d.keep(d.partial)
			d.partial, d.from = snapshot{}, 0
			return end, true
		}
	}
	return uint64(len(d.partial.data)), false
}

// holds reports whether the disk has entry (index, term), or a snapshot that covers it.
func (d *disk) holds(index, term uint64) bool {
	if index <= d.start.Index || index <= d.newest().meta.LastIncludedIndex {
		return true // the digest of the state in it is checked elsewhere
	}
	return index <= d.lastIndex() && d.entries[index-d.start.Index-1].Term == term
}

// start starts the server, or starts it again, from its disk.
func (s *server) start(now time.Duration) error {
	config, newest := s.config, s.disk.newest()
	config.HardState, config.Entries, config.Now = s.disk.hardState, slices.Clone(s.disk.entries), now
	config.Snapshot, config.LogStart = newest.meta, s.disk.start
	core, err := New(config)
	if err != nil {
		return err
	}
	s.core, s.queue, s.applied, s.reads, s.installs, s.machine = core, nil, nil, nil, 0, machine{}
	if len(s.disk.snapshots) > 0 {
		s.machine = newest.machine()
	}
	s.interrupted = len(s.disk.partial.data) > 0
	if core.installed != nil {
		s.rare.finished++
	}
	return nil
}

// crash cuts the power: of the writes under way the first survive reach the disk, the others are lost. So are all
// messages that waited for them.
func (s *server) crash(survive int) {
	for _, w := range s.queue[:survive] {
		s.disk.write(w)
		if w.chunk != nil {
			s.disk.storeChunk(*w.chunk)
		}
	}
	s.core, s.queue = nil, nil
}

// work takes a Ready from the core, queues its writes, and returns it with the messages that may leave now.
func (s *server) work() (r Ready, send []Message, busy bool) {
	r, busy = s.core.Ready()
	for _, m := range r.Messages {
		if m.Kind != InstallSnapshot || s.fill(&m) {
			send = append(send, m)
		}
	}
	switch {
	case r.HasWrite() || len(s.queue) > 0 && len(r.AfterWrite) > 0:
		s.queue = append(s.queue, diskWrite{number: r.Write, hardState: r.HardState, installed: r.Installed, keepLog: r.KeepLog,
			entries: r.Entries, after: r.AfterWrite})
	default:
		send = append(send, r.AfterWrite...)
	}
	for _, ch := range r.Chunks {
		s.queue = append(s.queue, diskWrite{chunk: &ch})
	}
	for _, e := range r.Committed {
		s.machine.apply(e)
	}
	s.applied = append(s.applied, r.Committed...)
	s.reads = append(s.reads, r.Reads...)
	return r, send, busy
}

// fill puts the bytes of a chunk into m, if the snapshot is still here.
func (s *server) fill(m *Message) bool {
	for _, file := range s.disk.snapshots {
		if file.meta.LastIncludedIndex == m.Snapshot.LastIncludedIndex && m.Offset < uint64(len(file.data)) {
			rest := file.data[m.Offset:]
			m.Chunk = rest[:min(len(rest), s.chunkSize)]
			m.Done = len(m.Chunk) == len(rest)
			return true
		}
	}
	return false
}

// takeSnapshot begins to save the state, and leaves retain entries before it in the log.
func (s *server) takeSnapshot(retain uint64) {
	if s.machine.index == 0 {
		return
	}
	meta := SnapshotMeta{s.machine.index, s.machine.term, s.core.ConfigurationAt(s.machine.index)}
	if meta.Configuration.Joint() {
		s.rare.joint++
	}
	s.queue = append(s.queue, diskWrite{save: &snapshot{meta, s.machine.encode()}, retain: retain})
}

// persist makes the first n writes under way durable, and returns the messages that waited for them.
func (s *server) persist(n int) (send []Message) {
	done := s.queue[:n]
	s.queue = s.queue[n:]
	for _, w := range done {
		s.disk.write(w)
		send = append(send, w.after...)
		switch {
		case w.number > 0:
			s.core.Persisted(w.number)
		case w.save != nil:
			start := s.core.Compact(w.save.meta, w.retain)
			s.queue = append(s.queue, diskWrite{compact: &start})
		case w.chunk != nil:
			s.chunkStored(*w.chunk)
		}
	}
	return send
}

func (s *server) chunkStored(ch Chunk) {
	if have := s.disk.partial; have.meta.LastIncludedIndex == ch.Meta.LastIncludedIndex && ch.Offset > 0 && len(have.data) > 0 && ch.Offset == uint64(len(have.data)) {
		if s.interrupted {
			s.rare.resumed++
		}
		s.interrupted = false
		if s.disk.from != ch.From {
			s.rare.otherLeader++
		}
	}
	next, whole := s.disk.storeChunk(ch)
	if !whole {
		s.core.ChunkStored(ch, next)
		return
	}
	if s.core.InstallSnapshot(ch) {
		s.machine = s.disk.snapshotAt(ch.Meta.LastIncludedIndex).machine()
		s.installs++
		s.rare.installed++
		if s.core.log.lastIndex() > ch.Meta.LastIncludedIndex {
			s.rare.kept++
		}
	}
}
