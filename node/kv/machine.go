package kv

import (
	"container/list"
	"fmt"
	"maps"
	"slices"
)

// Limits of sessions. The one that was not used for longest goes when there are too many: every replica applies the same
// commands in the same order, so it is the same one everywhere.
const (
	MaxSessions         = 4096
	MaxSessionResponses = 1024 // answers that a client has not acknowledged
)

// Machine is the replicated state machine: the keys, and the sessions that make retried commands take effect once.
type Machine struct {
	store    *Store
	sessions map[uint64]*list.Element // of *session
	order    *list.List               // least recently used first
}

type session struct {
	id        uint64
	responses map[uint64]response // by sequence number
}

type response struct {
	index  uint64
	result TxnResult
}

// NewMachine gives an empty state machine.
func NewMachine() *Machine {
	return &Machine{store: NewStore(), sessions: map[uint64]*list.Element{}, order: list.New()}
}

// Len is the number of keys, Sessions that of sessions.
func (m *Machine) Len() int      { return m.store.Len() }
func (m *Machine) Sessions() int { return len(m.sessions) }

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
	if m.order.Len() > MaxSessions {
		oldest := m.order.Remove(m.order.Front()).(*session)
		delete(m.sessions, oldest.id)
	}
}

func (m *Machine) applyInSession(index uint64, c Command) (TxnResult, uint64) {
	element, ok := m.sessions[c.Session]
	if !ok {
		return TxnResult{Expired: true, Reason: fmt.Sprintf("session %d has expired: whether the command took effect before is not known any more", c.Session)}, index
	}
	m.order.MoveToBack(element)
	s := element.Value.(*session)
	maps.DeleteFunc(s.responses, func(sequence uint64, _ response) bool { return sequence <= c.Acknowledged })
	if r, done := s.responses[c.Sequence]; done {
		return r.result, r.index
	}
	if len(s.responses) >= MaxSessionResponses {
		return TxnResult{Reason: fmt.Sprintf("session %d has %d answers that its client has not acknowledged", c.Session, MaxSessionResponses)}, index
	}
	result := m.store.Apply(c.Txn)
	s.responses[c.Sequence] = response{index, result}
	return result, index
}

// Clone copies the state. Values, which never change in place, are shared.
func (m *Machine) Clone() *Machine {
	c := NewMachine()
	c.store.values = maps.Clone(m.store.values)
	for e := m.order.Front(); e != nil; e = e.Next() {
		s := e.Value.(*session)
		c.sessions[s.id] = c.order.PushBack(&session{s.id, maps.Clone(s.responses)})
	}
	return c
}

// sequences are the numbers of a session's responses, sorted.
func (s *session) sequences() []uint64 { return slices.Sorted(maps.Keys(s.responses)) }
