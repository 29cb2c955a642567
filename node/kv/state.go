package kv

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/node/codec"
)

// stateVersion begins every encoded state.
const stateVersion = 1

// AppendState appends the encoding of the whole state to b. The same state gives the same bytes on every replica, so that
// the transfer of a snapshot can go on from another server.
//
//	version (1 byte); number of keys, then of each, sorted: key, value;
//	number of sessions, then of each, least recently used first: id, number of responses, then of each, sorted:
//	sequence number, index, result (AppendResult, with its length)
func (m *Machine) AppendState(b []byte) []byte {
	b = append(b, stateVersion)
	b = binary.AppendUvarint(b, uint64(len(m.store.values)))
	for _, key := range slices.Sorted(maps.Keys(m.store.values)) {
		b = codec.AppendBytes(b, key)
		b = codec.AppendBytes(b, m.store.values[key])
	}
	b = binary.AppendUvarint(b, uint64(m.order.Len()))
	for e := m.order.Front(); e != nil; e = e.Next() {
		b = e.Value.(*session).appendTo(b)
	}
	return b
}

func (s *session) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, s.id)
	b = binary.AppendUvarint(b, uint64(len(s.responses)))
	for _, sequence := range s.sequences() {
		r := s.responses[sequence]
		b = binary.AppendUvarint(b, sequence)
		b = binary.AppendUvarint(b, r.index)
		b = codec.AppendBytes(b, AppendResult(nil, r.result))
	}
	return b
}

// DecodeState reads what AppendState wrote. The result shares no memory with b.
func DecodeState(b []byte) (*Machine, error) {
	r := codec.NewReader(b)
	if v := r.Byte(); r.Err() == nil && v != stateVersion {
		return nil, fmt.Errorf("state has format version %d, this program knows %d", v, stateVersion)
	}
	m := NewMachine()
	for range countOf(&r, 2) {
		key := string(r.Bytes())
		m.store.values[key] = r.Copied()
	}
	for range countOf(&r, 2) {
		s := readSession(&r)
		if _, twice := m.sessions[s.id]; twice && r.Err() == nil {
			r.Fail(fmt.Sprintf("session %d twice", s.id))
		}
		m.sessions[s.id] = m.order.PushBack(s)
	}
	if err := r.End("state"); err != nil {
		return nil, err
	}
	return m, nil
}

// countOf reads the length of a list whose members take least bytes at least, so that a claim beyond what is there is
// refused before memory is taken for it.
func countOf(r *codec.Reader, least int) uint64 {
	n := r.Uvarint()
	if n > uint64(r.Left()/least) {
		r.Fail("more members than bytes")
		return 0
	}
	return n
}

func readSession(r *codec.Reader) *session {
	s := &session{id: r.Uvarint(), responses: map[uint64]response{}}
	for range countOf(r, 3) {
		sequence, index := r.Uvarint(), r.Uvarint()
		result, err := DecodeResult(r.Bytes())
		if err != nil && r.Err() == nil {
			r.Fail(err.Error())
		}
		s.responses[sequence] = response{index, result}
	}
	return s
}
