package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

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

func encode(cluster uint64, meta raft.SnapshotMeta, state []byte) []byte {
	b := append(make([]byte, 0, len(state)+256), magic...)
	b = binary.AppendUvarint(b, version)
	b = binary.AppendUvarint(b, cluster)
	b = binary.AppendUvarint(b, meta.LastIncludedIndex)
	b = binary.AppendUvarint(b, meta.LastIncludedTerm)
	b = codec.AppendBytes(b, meta.Configuration.Encode())
	b = codec.AppendBytes(b, state)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// Decode reads the bytes of a snapshot file; state shares their memory. Cluster is the one that it must belong to.
func Decode(b []byte, cluster uint64) (meta raft.SnapshotMeta, state []byte, err error) {
	if len(b) < len(magic)+crcSize || string(b[:len(magic)]) != magic {
		return meta, nil, fmt.Errorf("no snapshot: it does not begin with %q", magic)
	}
	body, sum := b[:len(b)-crcSize], b[len(b)-crcSize:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return meta, nil, fmt.Errorf("its checksum does not fit its %d bytes", len(b))
	}
	r := codec.NewReader(body[len(magic):])
	if v := r.Uvarint(); r.Err() == nil && v != version {
		return meta, nil, fmt.Errorf("it has format version %d, this program knows %d", v, version)
	}
	if c := r.Uvarint(); r.Err() == nil && c != cluster {
		return meta, nil, fmt.Errorf("it belongs to another cluster (%016x, not %016x)", c, cluster)
	}
	meta.LastIncludedIndex, meta.LastIncludedTerm = r.Uvarint(), r.Uvarint()
	configuration := r.Bytes()
	state = r.Bytes()
	if err := r.End("snapshot"); err != nil {
		return meta, nil, err
	}
	meta.Configuration, err = raft.DecodeConfiguration(configuration)
	return meta, state, err
}
