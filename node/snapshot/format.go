package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ordeal-dev/ordeal/node/codec"
	"github.com/ordeal-dev/ordeal/raft"
)

// Layout of a file: magic, version (varint), cluster, last included index and term, configuration (with its length),
// state (with its length), CRC32C of all before it (4 bytes, little-endian). Numbers are unsigned varints.
const (
	magic   = "ORDEALSNAP"
	version = 1
	crcSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// State is what a snapshot holds: its size, and what writes as many bytes.
type State interface {
	StateSize() uint64
	WriteState(w io.Writer) error
}

// Load takes a state of size bytes from a snapshot. That they are what was written is known only when Load has returned.
type Load func(state io.Reader, size uint64) error

// write writes a snapshot's file.
func write(w io.Writer, cluster uint64, meta raft.SnapshotMeta, state State) error {
	sum := &summing{to: w}
	b := []byte(magic)
	b = binary.AppendUvarint(b, version)
	b = binary.AppendUvarint(b, cluster)
	b = binary.AppendUvarint(b, meta.LastIncludedIndex)
	b = binary.AppendUvarint(b, meta.LastIncludedTerm)
	b = codec.AppendBytes(b, meta.Configuration.Encode())
	size := state.StateSize()
	b = binary.AppendUvarint(b, size)
	if _, err := sum.Write(b); err != nil {
		return err
	}
	before := sum.bytes
	if err := state.WriteState(sum); err != nil {
		return err
	}
	if sum.bytes-before != size {
		return fmt.Errorf("a state of %d bytes has written %d", size, sum.bytes-before)
	}
	_, err := w.Write(binary.LittleEndian.AppendUint32(nil, sum.crc))
	return err
}

// summing passes bytes on, and adds them up.
type summing struct {
	to    io.Writer
	crc   uint32
	bytes uint64
}

func (s *summing) Write(p []byte) (int, error) {
	s.crc = crc32.Update(s.crc, castagnoli, p)
	s.bytes += uint64(len(p))
	return s.to.Write(p)
}

// badFile is why a file is no snapshot of the cluster's, badState why Load did not take the state of one that is. Other errors are the disk's.
type (
	badFile  struct{ error }
	badState struct{ error }
)

// read reads a snapshot's file of size bytes, which must belong to the cluster, and has load take the state.
func read(from io.Reader, size int64, cluster uint64, load Load) (raft.SnapshotMeta, error) {
	none, length := raft.SnapshotMeta{}, size-int64(len(magic)+crcSize)
	if length < 0 {
		return none, badFile{fmt.Errorf("no snapshot: it has %d bytes", size)}
	}
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(from, head); err != nil {
		return none, err
	}
	if string(head) != magic {
		return none, badFile{fmt.Errorf("no snapshot: it does not begin with %q", magic)}
	}
	body := &checked{from: io.LimitReader(from, length), crc: crc32.Checksum(head, castagnoli)}
	meta, wrong := readBody(body, uint64(length), cluster, load)
	if _, err := io.Copy(io.Discard, body); err != nil {
		return none, err
	}
	var sum [crcSize]byte
	if _, err := io.ReadFull(from, sum[:]); err != nil {
		return none, err
	}
	if body.crc != binary.LittleEndian.Uint32(sum[:]) { // then whatever else was wrong comes from that
		return none, badFile{fmt.Errorf("its checksum does not fit its %d bytes", size)}
	}
	if wrong != nil && !errors.As(wrong, new(badState)) {
		wrong = badFile{wrong}
	}
	return meta, wrong
}

func readBody(from io.Reader, size uint64, cluster uint64, load Load) (meta raft.SnapshotMeta, err error) {
	r := codec.NewStream(from, size)
	if v := r.Uvarint(); r.Err() == nil && v != version {
		return meta, fmt.Errorf("it has format version %d, this program knows %d", v, version)
	}
	if c := r.Uvarint(); r.Err() == nil && c != cluster {
		return meta, fmt.Errorf("it belongs to another cluster (%016x, not %016x)", c, cluster)
	}
	meta.LastIncludedIndex, meta.LastIncludedTerm = r.Uvarint(), r.Uvarint()
	configuration := r.Bytes()
	state := r.Uvarint()
	if r.Err() == nil && state != r.Left() {
		r.Fail(fmt.Sprintf("a state of %d bytes, of which %d are there", state, r.Left()))
	}
	if r.Err() != nil {
		return meta, r.End("snapshot")
	}
	if meta.Configuration, err = raft.DecodeConfiguration(configuration); err != nil {
		return meta, err
	}
	if err := load(r.Rest(), state); err != nil {
		return meta, badState{err}
	}
	return meta, nil
}

// checked adds up what is read through it.
type checked struct {
	from io.Reader
	crc  uint32
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.crc = crc32.Update(c.crc, castagnoli, p[:n])
	return n, err
}
