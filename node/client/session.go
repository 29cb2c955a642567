package client

import (
	"context"
	"errors"
	"sync"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
)

// ErrExpired: the cluster does not know the session any more. The next transaction begins a new one.
type ErrExpired struct{ Reason string }

func (e ErrExpired) Error() string { return e.Reason }

// clientSession is the client's side of a session (thesis 6.3).
type clientSession struct {
	opening sync.Mutex // one at a time opens

	mu    sync.Mutex
	id    uint64          // 0: none is open
	last  uint64          // sequence number given out
	under map[uint64]bool // sequence numbers not yet answered
}

// next draws a sequence number, and tells up to where all are answered. Session 0: none is open.
func (s *clientSession) next() (session, sequence, acknowledged uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == 0 {
		return 0, 0, 0
	}
	s.last++
	s.under[s.last] = true
	acknowledged = s.last - 1
	for number := range s.under { // a minimum: the order does not matter
		acknowledged = min(acknowledged, number-1)
	}
	return s.id, s.last, acknowledged
}

func (s *clientSession) answered(session, sequence uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == session {
		delete(s.under, sequence)
	}
}

// forget drops the session, unless another took its place.
func (s *clientSession) forget(session uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == session {
		s.id = 0
	}
}

func (s *clientSession) begin(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.last, s.under = id, 0, map[uint64]bool{}
}

func (s *clientSession) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id != 0
}

// doInSession runs a transaction that takes effect once, however often it is asked for.
func (c *Client) doInSession(ctx context.Context, t kv.Txn) (Result, error) {
	session, sequence, acknowledged := c.session.next()
	for session == 0 {
		if err := c.openSession(ctx); err != nil {
			return Result{}, err
		}
		session, sequence, acknowledged = c.session.next()
	}
	command := kv.Command{Kind: kv.Transact, Txn: t, Session: session, Sequence: sequence, Acknowledged: acknowledged}
	r, err := c.pursue(ctx, wire.Request{Kind: wire.Transact, Txn: kv.AppendCommand(nil, command)}, true)
	if err == nil {
		c.session.answered(session, sequence)
	} else {
		// Whether it took effect is not known, and will not be asked any more; and it may be that the cluster does not know the session.
		c.session.forget(session)
	}
	return r, err
}

// openSession sees that there is a session. To open two by mistake does no harm.
func (c *Client) openSession(ctx context.Context) error {
	c.session.opening.Lock()
	defer c.session.opening.Unlock()
	if c.session.isOpen() {
		return nil
	}
	r, err := c.pursue(ctx, wire.Request{Kind: wire.Transact, Txn: kv.AppendCommand(nil, kv.Command{Kind: kv.OpenSession})}, true)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.Definite = true // the transaction itself was never sent
		}
		return err
	}
	c.session.begin(r.LogIndex)
	return nil
}
