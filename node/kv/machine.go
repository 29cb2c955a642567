package kv

import (
	"cmp"
	"container/list"
	"fmt"
	"maps"
	"slices"
)

// Limits of sessions, where nothing else is said.
const (
	MaxSessions         = 4096
	MaxSessionResponses = 1024
)

// Limits bound what sessions take. All replicas have to have the same: they apply the same commands in the same order, so it is the same
// session that goes everywhere.
type Limits struct {
	Sessions  int // the one that was not used for longest goes when there are more; 0: MaxSessions
	Responses int // answers that a client has not acknowledged; a session with more goes; 0: MaxSessionResponses
}

// Machine is the replicated state machine: the keys, and the sessions that make retried commands take effect once.
type Machine struct {
	store    *Store
	sessions map[uint64]*list.Element // of *session
	order    *list.List               // least recently used first
	limits   Limits
}

type session struct {
	id        uint64
	acked     uint64              // the client has had the answers up to this sequence number: they are not kept
	responses map[uint64]response // by sequence number, beyond acked
	shared    bool                // with a clone of the machine: to be copied before it is changed
}

type response struct {
	index  uint64
	result TxnResult
}

// NewMachine gives an empty state machine.
func NewMachine() *Machine {
	return (&Machine{store: NewStore(), sessions: map[uint64]*list.Element{}, order: list.New()}).Limited(Limits{})
}

// Limited has sessions bounded from the next command on, and returns the machine.
func (m *Machine) Limited(l Limits) *Machine {
	m.limits = Limits{Sessions: cmp.Or(l.Sessions, MaxSessions), Responses: cmp.Or(l.Responses, MaxSessionResponses)}
	return m
}

// Len is the number of keys, Sessions that of sessions.
func (m *Machine) Len() int      { return m.store.Len() }
func (m *Machine) Sessions() int { return len(m.sessions) }

// Bytes is what keys and values take.
func (m *Machine) Bytes() int { return m.store.bytes }

// Read runs a read-only transaction.
func (m *Machine) Read(t Txn) TxnResult { return m.store.Apply(t) }

// Apply runs the command of the entry at index. It returns the result, and the index at which the command took effect: an
// earlier one where it is a repetition.
func (m *Machine) Apply(index uint64, c Command) (TxnResult, uint64) {
	switch {
	case c.Kind == OpenSession:
		m.open(index)
		return TxnResult{Applied: true}, index
	case c.Session == 0:
		return m.store.Apply(c.Txn), index
	}
	return m.applyInSession(index, c)
}

func (m *Machine) open(id uint64) {
	m.sessions[id] = m.order.PushBack(&session{id: id, responses: map[uint64]response{}})
	if m.order.Len() > m.limits.Sessions {
		m.expire(m.order.Front())
	}
}

func (m *Machine) expire(element *list.Element) {
	delete(m.sessions, m.order.Remove(element).(*session).id)
}

func (m *Machine) applyInSession(index uint64, c Command) (TxnResult, uint64) {
	element, ok := m.sessions[c.Session]
	if !ok {
		return TxnResult{Expired: true, Reason: fmt.Sprintf("session %d has expired: whether the command took effect before is not known any more", c.Session)}, index
	}
	m.order.MoveToBack(element)
	s := m.own(element)
	if c.Acknowledged > s.acked {
		s.acked = c.Acknowledged
		maps.DeleteFunc(s.responses, func(sequence uint64, _ response) bool { return sequence <= s.acked })
	}
	if c.Sequence <= s.acked { // an attempt that comes late, after another one was answered: nobody waits for it
		return TxnResult{Expired: true, Reason: fmt.Sprintf("command %d of session %d was answered before, and its client has said so", c.Sequence, c.Session)}, index
	}
	if r, done := s.responses[c.Sequence]; done {
		return r.result, r.index
	}
	if len(s.responses) >= m.limits.Responses { // to refuse this attempt alone would let a later one take effect, of which the client was told that there is none
		m.expire(element)
		return TxnResult{Expired: true, Reason: fmt.Sprintf("session %d had %d answers that its client had not acknowledged, and is given up", c.Session, len(s.responses))}, index
	}
	result := m.store.Apply(c.Txn)
	s.responses[c.Sequence] = response{index, result}
	return result, index
}

// own is the session in an element of the list, to be changed.
func (m *Machine) own(element *list.Element) *session {
	s := element.Value.(*session)
	if s.shared {
		s = &session{id: s.id, acked: s.acked, responses: maps.Clone(s.responses)}
		element.Value = s
	}
	return s
}

// Clone copies the state, in a time that depends on the number of sessions alone. The two share what neither changes, and each may be used
// by a thread of its own.
func (m *Machine) Clone() *Machine {
	c := &Machine{store: m.store.clone(), sessions: make(map[uint64]*list.Element, len(m.sessions)), order: list.New(), limits: m.limits}
	for e := m.order.Front(); e != nil; e = e.Next() {
		s := e.Value.(*session)
		if !s.shared { // or another clone may be reading it
			s.shared = true
		}
		c.sessions[s.id] = c.order.PushBack(s)
	}
	return c
}

// sequences are the numbers of a session's responses, sorted.
func (s *session) sequences() []uint64 { return slices.Sorted(maps.Keys(s.responses)) }
