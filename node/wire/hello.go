package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ordeal-dev/ordeal/node/codec"
	"github.com/ordeal-dev/ordeal/raft"
)

// Version of the protocol. Ends with different versions refuse each other.
const Version = 1

const magic = "ORDEAL"

// Purpose says what a connection is for.
type Purpose uint8

const (
	ForPeer   Purpose = iota + 1 // Raft messages from one node to another
	ForClient                    // requests and responses
)

// Hello is the first frame in both directions.
type Hello struct {
	Purpose   Purpose
	ClusterID string      // clients may leave it empty: any cluster
	From      raft.NodeID // 0: a client
	To        raft.NodeID // whom the sender means to talk to; 0: whoever answers
}

// MaxClusterID bounds the length of a cluster's id, in bytes.
const MaxClusterID = 256

// maxHello bounds the payload of a hello or a refusal, in bytes.
const maxHello = 4096

// WriteHello sends h.
func WriteHello(w io.Writer, h Hello) error {
	b, start := BeginFrame(nil)
	b = append(b, magic...)
	b = binary.AppendUvarint(b, Version)
	b = append(b, byte(h.Purpose))
	b = codec.AppendBytes(b, h.ClusterID)
	b = binary.AppendUvarint(b, uint64(h.From))
	b = binary.AppendUvarint(b, uint64(h.To))
	_, err := w.Write(EndFrame(b, start))
	return err
}

// WriteRefusal answers a hello with the reason why the connection is refused.
func WriteRefusal(w io.Writer, reason string) error {
	b, start := BeginFrame(nil)
	b = append(b, magic...)
	b = binary.AppendUvarint(b, Version)
	b = append(b, 0)
	b = codec.AppendBytes(b, reason)
	_, err := w.Write(EndFrame(b, start))
	return err
}

// Refused is the other end's reason to refuse the connection.
type Refused struct{ Reason string }

func (e Refused) Error() string { return "refused: " + e.Reason }

// ErrNoHello says that the connection ended or timed out before a whole hello had come, or was no such connection.
var ErrNoHello = errors.New("no hello")

// ReadHello reads the other end's hello. Its error is Refused, ErrNoHello, or says what is wrong with the hello.
func ReadHello(r io.Reader) (Hello, error) {
	payload, err := ReadFrameUpTo(r, nil, maxHello)
	if err != nil {
		return Hello{}, fmt.Errorf("%w: %w", ErrNoHello, err)
	}
	return DecodeHello(payload)
}

// DecodeHello reads the payload of a hello.
func DecodeHello(payload []byte) (Hello, error) {
	if len(payload) < len(magic) || string(payload[:len(magic)]) != magic {
		return Hello{}, fmt.Errorf("not an ordeal node or client: the connection does not begin with %q", magic)
	}
	r := codec.NewReader(payload[len(magic):])
	if v := r.Uvarint(); r.Err() == nil && v != Version {
		return Hello{}, fmt.Errorf("the other end speaks protocol version %d, this one %d: run the same version of ordeal on both", v, Version)
	}
	purpose := Purpose(r.Byte())
	if r.Err() == nil && purpose == 0 {
		reason := string(r.Bytes())
		if err := r.End("refusal"); err != nil {
			return Hello{}, err
		}
		return Hello{}, Refused{reason}
	}
	h := Hello{Purpose: purpose, ClusterID: string(r.Bytes()), From: raft.NodeID(r.Uvarint()), To: raft.NodeID(r.Uvarint())}
	if err := r.End("hello"); err != nil {
		return Hello{}, err
	}
	if h.Purpose > ForClient || len(h.ClusterID) > MaxClusterID {
		return Hello{}, fmt.Errorf("hello: purpose %d with a cluster id of %d bytes", h.Purpose, len(h.ClusterID))
	}
	return h, nil
}
