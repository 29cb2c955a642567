package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/ordeal-dev/ordeal/node/codec"
	"github.com/ordeal-dev/ordeal/raft"
)

// Consistency says how a read-only transaction is served (R20). Others go through the log whatever it says.
type Consistency uint8

const (
	// ReadIndex confirms leadership with a quorum, then reads: linearizable (thesis 6.4).
	ReadIndex Consistency = iota
	// ThroughLog makes the read an entry of the log: linearizable.
	ThroughLog
	// Lease reads without asking while the leader's lease holds: linearizable as long as clocks keep the stated
	// bound (thesis 6.4.1). Where no lease holds, or the node was told of no bound, it is confirmed as ReadIndex is.
	Lease
	// Stale reads what this replica has applied, whatever it is.
	Stale
)

// RequestKind says what a client asks for.
type RequestKind uint8

const (
	// Transact asks for a transaction.
	Transact RequestKind = iota + 1
	// WhoLeads asks for nothing but who the leader is: OK from the leader itself, NotLeader from others (R14).
	WhoLeads
)

// Request is what a client asks of a node.
type Request struct {
	ID          uint64 // the client's, unique on its connection; the response repeats it
	Kind        RequestKind
	Consistency Consistency
	Txn         []byte // as kv.AppendTxn encodes it
}

// Status says what became of a request. Only Unknown leaves open whether it took effect.
type Status uint8

const (
	// OK: it took effect, the result follows.
	OK Status = iota + 1
	// NotLeader: it had no effect; Leader is who may serve it, 0 where nobody is known.
	NotLeader
	// Refused: it had no effect, now or later; Error says why.
	Refusal
	// Unknown: it may take effect, or not; Error says why.
	Unknown
)

// Response answers a request.
type Response struct {
	ID       uint64
	Status   Status
	Leader   raft.NodeID // NotLeader
	Term     uint64      // WhoLeads: the node's current term
	LogIndex uint64      // OK: of the entry that it was; of reads, the last entry they saw
	Result   []byte      // OK: as kv.AppendResult encodes it
	Error    string      // Refusal, Unknown
}

// AppendRequest appends a request's payload to b.
func AppendRequest(b []byte, q Request) []byte {
	b = binary.AppendUvarint(b, q.ID)
	b = append(b, byte(q.Kind), byte(q.Consistency))
	return append(b, q.Txn...)
}

// DecodeRequest reads a request's payload; Txn shares its memory.
func DecodeRequest(payload []byte) (Request, error) {
	r := codec.NewReader(payload)
	q := Request{ID: r.Uvarint(), Kind: RequestKind(r.Byte()), Consistency: Consistency(r.Byte())}
	if r.Err() == nil && (q.Kind < Transact || q.Kind > WhoLeads || q.Consistency > Stale) {
		r.Fail(fmt.Sprintf("unknown kind %d or consistency %d", q.Kind, q.Consistency))
	}
	q.Txn = r.Rest()
	return q, r.End("request")
}

// AppendResponse appends a response's payload to b.
func AppendResponse(b []byte, p Response) []byte {
	b = binary.AppendUvarint(b, p.ID)
	b = append(b, byte(p.Status))
	b = binary.AppendUvarint(b, uint64(p.Leader))
	b = binary.AppendUvarint(b, p.Term)
	b = binary.AppendUvarint(b, p.LogIndex)
	b = codec.AppendBytes(b, p.Error)
	return append(b, p.Result...)
}

// DecodeResponse reads a response's payload; Result shares its memory.
func DecodeResponse(payload []byte) (Response, error) {
	r := codec.NewReader(payload)
	p := Response{ID: r.Uvarint(), Status: Status(r.Byte()), Leader: raft.NodeID(r.Uvarint()), Term: r.Uvarint(), LogIndex: r.Uvarint(), Error: string(r.Bytes())}
	if r.Err() == nil && (p.Status < OK || p.Status > Unknown) {
		r.Fail(fmt.Sprintf("unknown status %d", p.Status))
	}
	p.Result = r.Rest()
	return p, r.End("response")
}
