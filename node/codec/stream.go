package codec

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Stream decodes like Reader, from bytes that need not be in memory all at once.
type Stream struct {
	from    *bufio.Reader
	left    uint64
	size    uint64
	scratch []byte
	err     error
}

// NewStream reads size bytes.
func NewStream(from io.Reader, size uint64) *Stream {
	return &Stream{from: bufio.NewReaderSize(io.LimitReader(from, int64(min(size, 1<<62))), 64<<10), left: size, size: size}
}

// Err is the first error, or nil.
func (s *Stream) Err() error { return s.err }

// Fail makes what the error, unless there is one already, and ends the reading.
func (s *Stream) Fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("%s at byte %d of %d", what, s.size-s.left, s.size)
	}
	s.left = 0
}

// Left is the number of bytes not yet read.
func (s *Stream) Left() uint64 { return s.left }

// ReadByte implements io.ByteReader.
func (s *Stream) ReadByte() (byte, error) {
	if s.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	b, err := s.from.ReadByte()
	if err == nil {
		s.left--
	}
	return b, err
}

// Byte reads one byte.
func (s *Stream) Byte() byte {
	b, err := s.ReadByte()
	if err != nil {
		s.Fail("cut off")
		return 0
	}
	return b
}

// Uvarint reads an unsigned number.
func (s *Stream) Uvarint() uint64 {
	v, err := binary.ReadUvarint(s)
	if err != nil {
		s.Fail("bad number")
		return 0
	}
	return v
}

// Bytes reads a byte string into memory of its own; nil for an empty one.
func (s *Stream) Bytes() []byte {
	n := s.Uvarint()
	if n > s.left {
		s.Fail("length beyond the end")
		return nil
	}
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	if !s.read(b) {
		return nil
	}
	return b
}

// String reads a byte string.
func (s *Stream) String() string {
	n := s.Uvarint()
	if n > s.left {
		s.Fail("length beyond the end")
		return ""
	}
	if uint64(cap(s.scratch)) < n {
		s.scratch = make([]byte, n)
	}
	if b := s.scratch[:n]; s.read(b) {
		return string(b)
	}
	return ""
}

func (s *Stream) read(b []byte) bool {
	if _, err := io.ReadFull(s.from, b); err != nil {
		s.Fail("cut off: " + err.Error())
		return false
	}
	s.left -= uint64(len(b))
	return true
}

// Rest gives what is left to somebody else, who reads it before anything more is asked of the stream. What is left is then not known any
// more.
func (s *Stream) Rest() io.Reader { return s.from }

// End reports the first error, or bytes left over, in a message that names what was read.
func (s *Stream) End(what string) error {
	if s.err == nil && s.left > 0 {
		s.Fail("bytes after the end")
	}
	if s.err != nil {
		return fmt.Errorf("%s: %w", what, s.err)
	}
	return nil
}
