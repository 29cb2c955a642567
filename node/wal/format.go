package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/ordeal-dev/ordeal/raft"
)

// formatVersion is what this package writes, and all it reads.
const formatVersion = 1

const (
	headerSize  = 64
	recordSize  = 32 // of a record's own header
	entrySize   = 13 // of an entry without its data
	alignment   = 8  // of records
	maxOffset   = math.MaxUint32
	maxBatch    = 1 << 30
	startLength = 6 * 8
)

var (
	magic    = []byte("ordealog")
	crcTable = crc32.MakeTable(crc32.Castagnoli)
	order    = binary.LittleEndian
)

// recordType says what a record holds.
type recordType uint8

const (
	// recordStart is the first of a segment: hard state, position and last entry before it. 6 uint64.
	recordStart recordType = iota + 1
	// recordBatch is one Batch.
	recordBatch
	// recordCompact moves the position forward: index and term.
	recordCompact
	// recordReset empties the log and sets the position: index and term.
	recordReset
	// recordMark holds nothing; its synced offset protects what is before it.
	recordMark
	// recordSeal holds nothing; a segment follows the one it is in.
	recordSeal
)

// header is the beginning of a segment:
//
//	magic 8 | version 4 | crc 4 | cluster 8 | node 8 | sequence 8 | previous end 4 | previous crc 4 | recycled 4 | zero 12
type header struct {
	cluster  uint64
	node     raft.NodeID
	sequence uint64
	prevEnd  uint32 // where the records of the segment before end; 0 in the first
	prevCRC  uint32 // checksum of the last record there
	recycled bool   // the file held another segment before: there are strange bytes after the records
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	order.PutUint32(b[8:], formatVersion)
	order.PutUint64(b[16:], h.cluster)
	order.PutUint64(b[24:], uint64(h.node))
	order.PutUint64(b[32:], h.sequence)
	order.PutUint32(b[40:], h.prevEnd)
	order.PutUint32(b[44:], h.prevCRC)
	if h.recycled {
		order.PutUint32(b[48:], 1)
	}
	order.PutUint32(b[12:], headerCRC(b))
	return b
}

// headerCRC covers all but itself. It is also what the segment's first record is chained to.
func headerCRC(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], crcTable), crcTable, b[16:headerSize])
}

func decodeHeader(b []byte) (header, error) {
	if len(b) < headerSize {
		return header{}, fmt.Errorf("the header is cut off: %d bytes of %d", len(b), headerSize)
	}
	if !bytes.Equal(b[:8], magic) {
		return header{}, fmt.Errorf("not a log segment: it begins with %q", b[:8])
	}
	if v := order.Uint32(b[8:]); v != formatVersion {
		return header{}, &VersionError{Version: v}
	}
	if order.Uint32(b[12:]) != headerCRC(b) {
		return header{}, fmt.Errorf("the header's checksum is wrong")
	}
	return header{
		cluster:  order.Uint64(b[16:]),
		node:     raft.NodeID(order.Uint64(b[24:])),
		sequence: order.Uint64(b[32:]),
		prevEnd:  order.Uint32(b[40:]),
		prevCRC:  order.Uint32(b[44:]),
		recycled: order.Uint32(b[48:]) == 1,
	}, nil
}

// record is one record as read:
//
//	crc 4 | crc of the record before 4 | sequence 8 | offset 4 | synced 4 | length 4 | type 1 | zero 3 | payload, padded to 8
//
// The checksum covers all after it, the padding included.
type record struct {
	crc, prev uint32
	offset    int64
	end       int64 // where the next record begins
	synced    uint32
	kind      recordType
	payload   []byte
}

func padded(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

// parseRecord reads the record at an offset of a segment. It does not look at the chain.
func parseRecord(data []byte, offset int64, sequence uint64) (record, error) {
	if int64(len(data))-offset < recordSize {
		return record{}, fmt.Errorf("the file ends within a record")
	}
	b := data[offset:]
	if got := order.Uint64(b[8:]); got != sequence {
		return record{}, fmt.Errorf("a record of segment %d in segment %d", got, sequence)
	}
	if got := order.Uint32(b[16:]); int64(got) != offset {
		return record{}, fmt.Errorf("a record that was written at offset %d", got)
	}
	length := int64(order.Uint32(b[24:]))
	if length > int64(len(b))-recordSize {
		return record{}, fmt.Errorf("the file ends within a record of %d bytes", length)
	}
	size := recordSize + (length+alignment-1)&^(alignment-1)
	if size > int64(len(b)) {
		return record{}, fmt.Errorf("the file ends within a record of %d bytes", length)
	}
	crc := order.Uint32(b)
	if crc32.Checksum(b[4:size], crcTable) != crc {
		return record{}, fmt.Errorf("a record's checksum is wrong")
	}
	return record{
		crc: crc, prev: order.Uint32(b[4:]), offset: offset, end: offset + size,
		synced: order.Uint32(b[20:]), kind: recordType(b[28]), payload: b[recordSize : recordSize+length],
	}, nil
}

// beginRecord appends the header of a record, to be completed by endRecord once the payload is appended.
func beginRecord(buf []byte, kind recordType, prev uint32, sequence uint64, offset int64, synced int64) []byte {
	buf = append(buf, 0, 0, 0, 0)
	buf = order.AppendUint32(buf, prev)
	buf = order.AppendUint64(buf, sequence)
	buf = order.AppendUint32(buf, uint32(offset))
	buf = order.AppendUint32(buf, uint32(synced))
	return append(buf, 0, 0, 0, 0, byte(kind), 0, 0, 0)
}

// endRecord completes the record that begins at start of buf and returns its checksum.
func endRecord(buf []byte, start int) ([]byte, uint32) {
	length := len(buf) - start - recordSize
	for range padded(length) - length {
		buf = append(buf, 0)
	}
	order.PutUint32(buf[start+24:], uint32(length))
	crc := crc32.Checksum(buf[start+4:], crcTable)
	order.PutUint32(buf[start:], crc)
	return buf, crc
}
