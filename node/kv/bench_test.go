package kv

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchMachine holds keys of 16 bytes with values of 256.
func benchMachine(keys int) (*Machine, []string) {
	m := NewMachine()
	var names []string
	for i := range keys {
		names = append(names, fmt.Sprintf("%016d", i))
		m.store.load(names[i], make([]byte, 256))
	}
	return m, names
}

// BenchmarkApply is a transaction of one operation on a state of 10,000 keys.
func BenchmarkApply(b *testing.B) {
	value := make([]byte, 256)
	for _, kind := range []OpKind{Put, CompareAndSet} {
		b.Run(fmt.Sprint(kind), func(b *testing.B) {
			m, names := benchMachine(10_000)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Apply(uint64(i+1), Command{Kind: Transact, Txn: Txn{Ops: []Op{{Kind: kind, Key: names[i%len(names)], Expected: value, Value: value}}}})
			}
		})
	}
}

// BenchmarkRead is a get on a state of 10,000 keys.
func BenchmarkRead(b *testing.B) {
	m, names := benchMachine(10_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Read(Txn{Ops: []Op{{Kind: Get, Key: names[i%len(names)]}}})
	}
}

// BenchmarkWriteState encodes a snapshot of 10,000 keys.
func BenchmarkWriteState(b *testing.B) {
	m, _ := benchMachine(10_000)
	b.SetBytes(int64(m.StateSize()))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, m.WriteState(io.Discard))
	}
}

// BenchmarkDecodeTxn is what a server does to each request that arrives.
func BenchmarkDecodeTxn(b *testing.B) {
	txn := AppendTxn(nil, Txn{Ops: []Op{{Kind: Put, Key: "0123456789abcdef", Value: make([]byte, 256)}}})
	b.ReportAllocs()
	for b.Loop() {
		_, err := DecodeTxn(txn)
		require.NoError(b, err)
	}
}
