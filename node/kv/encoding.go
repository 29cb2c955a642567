package kv

import (
	"encoding/binary"
	"fmt"

	"github.com/ordeal-dev/ordeal/node/codec"
)

// commandVersion begins every encoded command, so that a later format can be told apart.
const commandVersion = 1

// AppendTxn appends the encoding of t, the Data of a command entry, to b:
//
//	version (1 byte), number of operations, then of each: kind (1 byte), key, and by kind
//	put, append: value; cas: 1 byte (1: expects absence), expected, value; add: delta (signed varint)
//
// Numbers are unsigned varints, byte strings are a length and bytes.
func AppendTxn(b []byte, t Txn) []byte {
	b = append(b, commandVersion)
	b = binary.AppendUvarint(b, uint64(len(t.Ops)))
	for _, op := range t.Ops {
		b = append(b, byte(op.Kind))
		b = codec.AppendBytes(b, op.Key)
		switch op.Kind {
		case Put, Append:
			b = codec.AppendBytes(b, op.Value)
		case CompareAndSet:
			b = codec.AppendBool(b, op.ExpectAbsent)
			b = codec.AppendBytes(b, op.Expected)
			b = codec.AppendBytes(b, op.Value)
		case Add:
			b = binary.AppendVarint(b, op.Delta)
		}
	}
	return b
}

// DecodeTxn reads what AppendTxn wrote. The result shares no memory with b.
func DecodeTxn(b []byte) (Txn, error) {
	d := codec.NewReader(b)
	if v := d.Byte(); d.Err() == nil && v != commandVersion {
		return Txn{}, fmt.Errorf("command has format version %d, this program knows %d", v, commandVersion)
	}
	n := d.Uvarint()
	if d.Err() == nil && (n == 0 || n > MaxOps) {
		return Txn{}, fmt.Errorf("command has %d operations, allowed are 1 to %d", n, MaxOps)
	}
	var t Txn
	for range n {
		if d.Err() != nil {
			break
		}
		t.Ops = append(t.Ops, readOp(&d))
	}
	if err := d.End("command"); err != nil {
		return Txn{}, err
	}
	return t, t.Check()
}

func readOp(d *codec.Reader) Op {
	op := Op{Kind: OpKind(d.Byte()), Key: string(d.Bytes())}
	switch op.Kind {
	case Put, Append:
		op.Value = d.Copied()
	case CompareAndSet:
		op.ExpectAbsent = d.Bool()
		op.Expected = d.Copied()
		op.Value = d.Copied()
	case Add:
		op.Delta = d.Varint()
	}
	return op
}

// AppendResult appends the encoding of r to b: 1 byte (0: no effect, 1: applied, 2: expired), the failed operation, the reason, the number of
// results, then of each 1 byte (found) and the value.
func AppendResult(b []byte, r TxnResult) []byte {
	b = append(b, outcome(r))
	b = binary.AppendUvarint(b, uint64(r.Failed))
	b = codec.AppendBytes(b, r.Reason)
	b = binary.AppendUvarint(b, uint64(len(r.Results)))
	for _, x := range r.Results {
		b = codec.AppendBool(b, x.Found)
		b = codec.AppendBytes(b, x.Value)
	}
	return b
}

const (
	outcomeNone = iota
	outcomeApplied
	outcomeExpired
)

func outcome(r TxnResult) byte {
	switch {
	case r.Expired:
		return outcomeExpired
	case r.Applied:
		return outcomeApplied
	}
	return outcomeNone
}

// DecodeResult reads what AppendResult wrote. The result shares no memory with b.
func DecodeResult(b []byte) (TxnResult, error) {
	d := codec.NewReader(b)
	what := d.Byte()
	if what > outcomeExpired {
		d.Fail("unknown outcome")
	}
	r := TxnResult{Applied: what == outcomeApplied, Expired: what == outcomeExpired, Failed: int(d.Uvarint()), Reason: string(d.Bytes())}
	n := d.Uvarint()
	if d.Err() == nil && n > MaxOps {
		return TxnResult{}, fmt.Errorf("result has %d parts, at most %d are allowed", n, MaxOps)
	}
	for range n {
		if d.Err() != nil {
			break
		}
		r.Results = append(r.Results, Result{Found: d.Bool(), Value: d.Copied()})
	}
	return r, d.End("result")
}
