// Package codec holds the primitives of the node's binary formats: commands, results, messages, requests. They are
// one byte, unsigned and signed varints, and byte strings with their length before them. A Reader keeps its first
// error, names the byte it happened at and reads zeros from there on, so that decoders are straight lines and never
// panic, whatever the bytes.
package codec

import (
	"encoding/binary"
	"fmt"
)

// AppendBytes appends the length of s and s.
func AppendBytes[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendBool appends one byte, 0 or 1.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// Reader decodes from the front of a byte slice.
type Reader struct {
	rest []byte
	size int
	err  error
}

// NewReader reads b.
func NewReader(b []byte) Reader { return Reader{rest: b, size: len(b)} }

// Err is the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Fail makes what the error, unless there is one already, and ends the reading.
func (r *Reader) Fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s at byte %d of %d", what, r.size-len(r.rest), r.size)
	}
	r.rest = nil
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.rest) == 0 {
		r.Fail("cut off")
		return 0
	}
	v := r.rest[0]
	r.rest = r.rest[1:]
	return v
}

// Bool reads a byte that must be 0 or 1.
func (r *Reader) Bool() bool {
	v := r.Byte()
	if v > 1 {
		r.Fail("neither true nor false")
	}
	return v == 1
}

// Uvarint reads an unsigned number.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.Fail("bad number")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Varint reads a signed number.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.Fail("bad number")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Bytes reads a byte string, which shares the memory of what is read.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if n > uint64(len(r.rest)) {
		r.Fail("length beyond the end")
		return nil
	}
	v := r.rest[:n:n]
	r.rest = r.rest[n:]
	return v
}

// Copied reads a byte string into memory of its own; nil for an empty one.
func (r *Reader) Copied() []byte { return append([]byte(nil), r.Bytes()...) }

// Rest takes all that is left.
func (r *Reader) Rest() []byte {
	v := r.rest
	r.rest = nil
	return v
}

// Left is the number of bytes not yet read.
func (r *Reader) Left() int { return len(r.rest) }

// End reports the first error, or bytes left over, in a message that names what was read.
func (r *Reader) End(what string) error {
	if r.err == nil && len(r.rest) > 0 {
		r.Fail("bytes after the end")
	}
	if r.err != nil {
		return fmt.Errorf("%s: %w", what, r.err)
	}
	return nil
}
