package node

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/raft"
)

// The driver is one thread at a time, and not always the same: who brings something while nobody drives has the driver do at once what it
// leads to, which spares changes of threads. While somebody drives, what arrives is left for the driver's own goroutine, and so
// becomes a batch.

// arrived is called by whoever has put something into the inbox.
func (s *Server) arrived(canWait bool) {
	if canWait && s.awaiting.Load() {
		s.linger()
		return
	}
	if !s.turning.TryLock() {
		s.inbox.leaveToken()
		return
	}
	s.turn()
	early := int64(s.driver.Deadline()) < s.armed.Load()
	again := early || s.driver.Removed()
	s.turning.Unlock()
	some, urgent := s.inbox.holds()
	switch {
	case again || urgent || some && !s.awaiting.Load():
		s.inbox.leaveToken()
	case some:
		s.linger()
	}
}

// turn has the driver take what has arrived, and its messages and answers written. s.turning is held.
func (s *Server) turn() {
	s.Turn(s.now)
	s.flushMessages()
	s.awaiting.Store(s.driver.pending() > 0) // before the answers leave: the next request may be here at once
	s.toFlush.flush()
}

// maxLinger bounds how long requests wait for what is under way, so that one more round does not wait for the answer of a server
// that is far away or gone.
const maxLinger = time.Millisecond

// linger sees to it that what waits in the inbox is taken soon, even if nothing else arrives.
func (s *Server) linger() {
	if !s.lingering.Swap(true) {
		time.AfterFunc(maxLinger, func() {
			s.lingering.Store(false)
			if some, _ := s.inbox.holds(); some {
				s.inbox.leaveToken()
			}
		})
	}
}

// drive is the driver's own goroutine.
func (s *Server) drive(ctx context.Context) error {
	timer := time.NewTimer(0)
	for {
		s.turning.Lock()
		deadline := s.driver.Deadline()
		s.armed.Store(int64(deadline))
		s.turning.Unlock()
		timer.Reset(s.clock.Until(deadline))
		select {
		case <-ctx.Done():
			return nil
		case <-s.clock.Changed():
			continue
		case <-s.inbox.notify:
		case <-timer.C:
		}
		s.armed.Store(math.MinInt64) // awake: nobody needs to wake it
		s.turning.Lock()
		s.turn()
		removed := s.driver.Removed()
		s.turning.Unlock()
		if removed {
			select { // what a leader says at its leaving is on its way
			case <-ctx.Done():
			case <-time.After(2 * s.options.Heartbeat):
			}
			return errRemoved
		}
	}
}

// Send is for the driver.
func (s *Server) Send(m raft.Message) {
	s.mu.Lock()
	sender := s.senders[m.To]
	s.mu.Unlock()
	if sender == nil {
		return
	}
	sender.Send(m)
	if !slices.Contains(s.spoken, sender) {
		s.spoken = append(s.spoken, sender)
	}
}

// Write is for the driver: followers are sent entries before this disk begins to write them, so that they write at the same time
// (thesis 10.2.1).
func (s *Server) Write(w Write) {
	s.flushMessages()
	s.Engine.Write(w)
}

// flushMessages has what was said to others written.
func (s *Server) flushMessages() {
	for _, sender := range s.spoken {
		sender.Flush()
	}
	clear(s.spoken)
	s.spoken = s.spoken[:0]
}

// flushList holds connections that have answers to be written.
type flushList struct {
	mu    sync.Mutex
	conns []*clientConn
	spare []*clientConn
}

func (l *flushList) add(c *clientConn) {
	l.mu.Lock()
	l.conns = append(l.conns, c)
	l.mu.Unlock()
}

func (l *flushList) flush() {
	l.mu.Lock()
	conns := l.conns
	l.conns = l.spare[:0]
	l.mu.Unlock()
	for _, c := range conns {
		c.flush()
	}
	clear(conns)
	l.mu.Lock()
	l.spare = conns
	l.mu.Unlock()
}
