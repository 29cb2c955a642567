package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// MaxFrame bounds what one frame may make its receiver allocate.
const MaxFrame = 32 << 20

// frameHeader is the length of the payload and its CRC32C, both little-endian 32 bits.
const frameHeader = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// BeginFrame appends room for a header to b; the payload follows, then EndFrame with the position that this returns.
func BeginFrame(b []byte) ([]byte, int) {
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0), len(b)
}

// EndFrame fills in the header of the frame that began at start.
func EndFrame(b []byte, start int) []byte {
	payload := b[start+frameHeader:]
	if len(payload) > MaxFrame {
		panic(fmt.Sprintf("wire: frame of %d bytes", len(payload)))
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(payload, castagnoli))
	return b
}

// ErrCorrupt is a frame whose bytes are not those that were sent.
var ErrCorrupt = errors.New("wire: frame is corrupt (checksum differs)")

// ReadFrame reads one frame's payload into buf, which grows as needed, and returns it. io.EOF means the other end
// closed between frames.
func ReadFrame(r io.Reader, buf []byte) ([]byte, error) { return ReadFrameUpTo(r, buf, MaxFrame) }

// ReadFrameUpTo is ReadFrame for those who expect no more than limit bytes: a stranger's header allocates no more.
func ReadFrameUpTo(r io.Reader, buf []byte, limit int) ([]byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(header[:])
	if uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("wire: frame of %d bytes, at most %d are allowed", n, limit)
	}
	if cap(buf) < int(n) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if crc32.Checksum(buf, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return nil, ErrCorrupt
	}
	return buf, nil
}

// HasFrame reports whether r holds a whole frame, or a header that no frame has, so that reading one does not wait.
func HasFrame(r *bufio.Reader) bool {
	if r.Buffered() < frameHeader {
		return false
	}
	header, err := r.Peek(frameHeader)
	if err != nil {
		return false
	}
	n := binary.LittleEndian.Uint32(header)
	return uint64(n) <= uint64(r.Buffered()-frameHeader) || n > MaxFrame
}
