package raft

import (
	"slices"
	"time"
)

// server is a Core with a disk: a driver in slow motion, which a test can stop between any two steps.
type server struct {
	config  Config // of every start; HardState, Entries and Now come from the disk and the clock
	core    *Core  // nil while the server is down
	disk    disk
	queue   []diskWrite // given out by the core and not yet durable, oldest first
	applied []Entry     // by the state machine, since the start
	reads   []ReadResult
}

// disk is what survives a loss of power.
type disk struct {
	hardState HardState
	entries   []Entry
}

// diskWrite is a write under way and the messages that wait for it.
type diskWrite struct {
	number    uint64
	hardState *HardState
	entries   []Entry
	after     []Message
}

func (d *disk) write(w diskWrite) {
	if w.hardState != nil {
		d.hardState = *w.hardState
	}
	if len(w.entries) > 0 {
		d.entries = append(slices.Clone(d.entries[:w.entries[0].Index-1]), w.entries...)
	}
}

// holds reports whether the disk has entry (index, term).
func (d *disk) holds(index, term uint64) bool {
	return index <= uint64(len(d.entries)) && d.entries[index-1].Term == term
}

// start starts the server, or starts it again, from its disk.
func (s *server) start(now time.Duration) error {
	config := s.config
	config.HardState, config.Entries, config.Now = s.disk.hardState, slices.Clone(s.disk.entries), now
	core, err := New(config)
	if err != nil {
		return err
	}
	s.core, s.queue, s.applied, s.reads = core, nil, nil, nil
	return nil
}

// crash cuts the power: of the writes under way the first survive reach the disk, the others are lost. So are all
// messages that waited for them.
func (s *server) crash(survive int) {
	for _, w := range s.queue[:survive] {
		s.disk.write(w)
	}
	s.core, s.queue = nil, nil
}

// work takes a Ready from the core, queues its write, and returns it with the messages that may leave now.
func (s *server) work() (r Ready, send []Message, busy bool) {
	r, busy = s.core.Ready()
	send = r.Messages
	switch {
	case r.HasWrite() || len(s.queue) > 0 && len(r.AfterWrite) > 0:
		s.queue = append(s.queue, diskWrite{r.Write, r.HardState, r.Entries, r.AfterWrite})
	default:
		send = append(send, r.AfterWrite...)
	}
	s.applied = append(s.applied, r.Committed...)
	s.reads = append(s.reads, r.Reads...)
	return r, send, busy
}

// persist makes the first n writes under way durable, and returns the messages that waited for them.
func (s *server) persist(n int) (send []Message) {
	if n == 0 {
		return nil
	}
	for _, w := range s.queue[:n] {
		s.disk.write(w)
		send = append(send, w.after...)
	}
	number := s.queue[n-1].number
	s.queue = s.queue[n:]
	s.core.Persisted(number)
	return send
}
