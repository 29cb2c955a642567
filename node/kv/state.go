package kv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ordeal-dev/ordeal/node/codec"
)

// stateVersion begins every encoded state. Before version 2 sessions did not say what their clients had acknowledged: that is taken for
// nothing.
const stateVersion = 2

// AppendState appends the encoding of the whole state to b. The same state gives the same bytes on every replica, so that
// the transfer of a snapshot can go on from another server.
//
//	version (1 byte); number of keys, then of each, sorted: key, value;
//	number of sessions, then of each, least recently used first: id, acknowledged sequence number, number of responses, then of each, sorted:
//	sequence number, index, result (AppendResult, with its length)
func (m *Machine) AppendState(b []byte) []byte {
	return m.encode(b, func(b []byte) []byte { return b })
}

// encode appends the state to b. It passes what there is so far to flush now and then, and goes on with what that returns.
func (m *Machine) encode(b []byte, flush func([]byte) []byte) []byte {
	b = append(b, stateVersion)
	b = binary.AppendUvarint(b, uint64(m.store.Len()))
	m.store.values.Scan(func(key string, value []byte) bool {
		b = codec.AppendBytes(b, key)
		b = flush(codec.AppendBytes(b, value))
		return true
	})
	b = binary.AppendUvarint(b, uint64(m.order.Len()))
	for e := m.order.Front(); e != nil; e = e.Next() {
		b = flush(e.Value.(*session).appendTo(b))
	}
	return b
}

// pieceBytes is about how much of a state is in memory at a time while it is written.
const pieceBytes = 64 << 10

// WriteState writes what AppendState appends, in pieces.
func (m *Machine) WriteState(w io.Writer) error {
	var failed error
	write := func(b []byte) []byte {
		if failed == nil {
			_, failed = w.Write(b)
		}
		return b[:0]
	}
	write(m.encode(nil, func(b []byte) []byte {
		if len(b) < pieceBytes {
			return b
		}
		return write(b)
	}))
	return failed
}

// StateSize is how many bytes WriteState writes.
func (m *Machine) StateSize() uint64 {
	n := 0
	rest := m.encode(nil, func(b []byte) []byte {
		n += len(b)
		return b[:0]
	})
	return uint64(n + len(rest))
}

func (s *session) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, s.id)
	b = binary.AppendUvarint(b, s.acked)
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
	return ReadState(bytes.NewReader(b), uint64(len(b)))
}

// ReadState reads the state of which from has size bytes.
func ReadState(from io.Reader, size uint64) (*Machine, error) {
	r := codec.NewStream(from, size)
	version := r.Byte()
	if r.Err() == nil && (version == 0 || version > stateVersion) {
		return nil, fmt.Errorf("state has format version %d, this program knows those up to %d", version, stateVersion)
	}
	m := NewMachine()
	for range countOf(r, 2) {
		key := r.String()
		value := r.Bytes()
		if r.Err() != nil {
			break
		}
		m.store.load(key, value)
	}
	for range countOf(r, 2) {
		s := readSession(r, version)
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

// load sets a key. Keys that come in their order are taken faster.
func (s *Store) load(key string, value []byte) {
	if old, twice := s.values.Load(key, value); twice {
		s.bytes -= len(key) + len(old)
	}
	s.bytes += len(key) + len(value)
}

// countOf reads the length of a list whose members take least bytes at least, so that a claim beyond what is there is
// refused before memory is taken for it.
func countOf(r *codec.Stream, least uint64) uint64 {
	n := r.Uvarint()
	if n > r.Left()/least {
		r.Fail("more members than bytes")
		return 0
	}
	return n
}

func readSession(r *codec.Stream, version byte) *session {
	s := &session{id: r.Uvarint(), responses: map[uint64]response{}}
	if version > 1 {
		s.acked = r.Uvarint()
	}
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
