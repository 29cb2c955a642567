package wal

import (
	"encoding/binary"
	"fmt"

	"github.com/ordeal-dev/ordeal/raft"
)

// Bits of the first byte of a batch, which is followed by what they announce, in this order.
const (
	batchHardState = 1 << iota // term 8, vote 8
	batchTruncate              // index of the last entry that stays 8
	batchEntries               // first index 8, count 4, then each: term 8, length 4, kind 1, data
	batchAll       = batchHardState | batchTruncate | batchEntries
)

// change is what one record does to the log. Of the fields those that the record has are set.
type change struct {
	hard     *raft.HardState
	truncate bool
	keep     uint64 // with truncate: the last index that stays
	entries  []raft.Entry
}

func (c change) size() int {
	n := 1
	if c.hard != nil {
		n += 16
	}
	if c.truncate {
		n += 8
	}
	if len(c.entries) > 0 {
		n += 12
	}
	for i := range c.entries {
		n += entrySize + len(c.entries[i].Data)
	}
	return n
}

func (c change) append(buf []byte) []byte {
	at := len(buf)
	buf = append(buf, 0)
	if c.hard != nil {
		buf[at] |= batchHardState
		buf = appendPair(buf, c.hard.Term, uint64(c.hard.Vote))
	}
	if c.truncate {
		buf[at] |= batchTruncate
		buf = order.AppendUint64(buf, c.keep)
	}
	if len(c.entries) == 0 {
		return buf
	}
	buf[at] |= batchEntries
	buf = order.AppendUint64(buf, c.entries[0].Index)
	buf = order.AppendUint32(buf, uint32(len(c.entries)))
	for i := range c.entries {
		e := &c.entries[i]
		buf = order.AppendUint64(buf, e.Term)
		buf = order.AppendUint32(buf, uint32(len(e.Data)))
		buf = append(buf, byte(e.Kind))
		buf = append(buf, e.Data...)
	}
	return buf
}

func appendPair(buf []byte, a, b uint64) []byte {
	return order.AppendUint64(order.AppendUint64(buf, a), b)
}

// reader takes numbers off a payload; the first that is not there makes all later ones zero.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if r.short || n > len(r.b) {
		r.short = true
		return make([]byte, binary.MaxVarintLen64)
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) uint64() uint64 { return order.Uint64(r.take(8)) }
func (r *reader) uint32() uint32 { return order.Uint32(r.take(4)) }
func (r *reader) byte() byte     { return r.take(1)[0] }

// done is the error of a payload that ended early or goes on.
func (r *reader) done() error {
	switch {
	case r.short:
		return fmt.Errorf("a record ends early")
	case len(r.b) > 0:
		return fmt.Errorf("a record has %d bytes too many", len(r.b))
	}
	return nil
}

// decodeBatch reads a batch's payload. The entries' data is a copy: one for the whole batch.
func decodeBatch(payload []byte) (change, error) {
	r := &reader{b: append([]byte(nil), payload...)}
	flags := r.byte()
	if flags&^byte(batchAll) != 0 {
		return change{}, fmt.Errorf("a batch with unknown parts %#x", flags)
	}
	var c change
	if flags&batchHardState != 0 {
		c.hard = &raft.HardState{Term: r.uint64(), Vote: raft.NodeID(r.uint64())}
	}
	if flags&batchTruncate != 0 {
		c.truncate, c.keep = true, r.uint64()
	}
	if flags&batchEntries != 0 {
		if err := c.decodeEntries(r); err != nil {
			return change{}, err
		}
	}
	return c, r.done()
}

func (c *change) decodeEntries(r *reader) error {
	first, count := r.uint64(), int(r.uint32())
	if count > len(r.b)/entrySize { // also guards the allocation
		return fmt.Errorf("a batch of %d entries in %d bytes", count, len(r.b))
	}
	c.entries = make([]raft.Entry, count)
	for i := range c.entries {
		e := raft.Entry{Term: r.uint64(), Index: first + uint64(i)}
		length := r.uint32()
		e.Kind = raft.EntryKind(r.byte())
		if length > 0 {
			e.Data = r.take(int(length))
		}
		c.entries[i] = e
	}
	return nil
}
