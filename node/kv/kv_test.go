package kv

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func one(op Op) Txn { return Txn{Ops: []Op{op}} }

// The single-key forms, as a client would use them one after the other (R3).
func TestMicroOperations(t *testing.T) {
	s := NewStore()
	steps := []struct {
		op      Op
		applied bool
		want    Result
	}{
		{Op{Kind: Get, Key: "x"}, true, Result{}},
		{Op{Kind: CompareAndSet, Key: "x", Expected: []byte("1"), Value: []byte("2")}, false, Result{}},
		{Op{Kind: CompareAndSet, Key: "x", ExpectAbsent: true, Value: []byte("1")}, true, Result{}},
		{Op{Kind: CompareAndSet, Key: "x", ExpectAbsent: true, Value: []byte("9")}, false, Result{true, []byte("1")}},
		{Op{Kind: CompareAndSet, Key: "x", Expected: []byte("7"), Value: []byte("8")}, false, Result{true, []byte("1")}},
		{Op{Kind: Add, Key: "x", Delta: 41}, true, Result{true, []byte("42")}},
		{Op{Kind: Append, Key: "x", Value: []byte("!")}, true, Result{true, []byte("42!")}},
		{Op{Kind: Add, Key: "x", Delta: 1}, false, Result{true, []byte("42!")}},
		{Op{Kind: Put, Key: "x", Value: []byte("9223372036854775807")}, true, Result{true, []byte("42!")}},
		{Op{Kind: Add, Key: "x", Delta: 1}, false, Result{true, []byte("9223372036854775807")}},
		{Op{Kind: Delete, Key: "x"}, true, Result{true, []byte("9223372036854775807")}},
		{Op{Kind: Get, Key: "x"}, true, Result{}},
	}
	for i, step := range steps {
		got := s.Apply(one(step.op))
		require.Equal(t, step.applied, got.Applied, "step %d, %v", i, step.op.Kind)
		require.Equal(t, []Result{step.want}, got.Results, "step %d, %v", i, step.op.Kind)
	}
}

// A transaction sees its own changes, and leaves none of them when one operation stands against it.
func TestTransactionIsAtomic(t *testing.T) {
	s := NewStore()
	got := s.Apply(Txn{Ops: []Op{{Kind: Put, Key: "a", Value: []byte("1")}, {Kind: Get, Key: "a"}, {Kind: Delete, Key: "a"}, {Kind: Get, Key: "a"}}})
	require.Equal(t, []Result{{}, {true, []byte("1")}, {true, []byte("1")}, {}}, got.Results)
	require.True(t, got.Applied)

	got = s.Apply(Txn{Ops: []Op{{Kind: Put, Key: "a", Value: []byte("2")}, {Kind: CompareAndSet, Key: "b", Expected: []byte("x")}}})
	require.False(t, got.Applied)
	require.Equal(t, 1, got.Failed)
	require.Zero(t, s.Len())
}

func drawTxn(t *rapid.T) Txn {
	key := rapid.StringMatching(`[a-c]{1,2}`)
	value := rapid.SliceOfN(rapid.Byte(), 0, 5)
	op := rapid.Custom(func(t *rapid.T) Op {
		op := Op{Kind: OpKind(rapid.IntRange(int(Get), int(Add)).Draw(t, "kind")), Key: key.Draw(t, "key")}
		switch op.Kind {
		case Put, Append:
			op.Value = value.Draw(t, "value")
		case CompareAndSet:
			op.ExpectAbsent, op.Expected, op.Value = rapid.Bool().Draw(t, "absent"), value.Draw(t, "expected"), value.Draw(t, "value")
		case Add:
			op.Delta = rapid.Int64().Draw(t, "delta")
		}
		return op
	})
	return Txn{Ops: rapid.SliceOfN(op, 1, 6).Draw(t, "ops")}
}

// What is encoded is decoded to something that acts the same on every replica (R3).
func TestR3EncodedTransactionsActTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := NewStore(), NewStore()
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			txn := drawTxn(t)
			decoded, err := DecodeTxn(AppendTxn(nil, txn))
			require.NoError(t, err)
			ra, rb := a.Apply(txn), b.Apply(decoded)
			require.Equal(t, AppendResult(nil, ra), AppendResult(nil, rb))
			back, err := DecodeResult(AppendResult(nil, ra))
			require.NoError(t, err)
			require.Equal(t, AppendResult(nil, ra), AppendResult(nil, back))
		}
		require.Equal(t, a.Len(), b.Len())
		a.values.Scan(func(key string, value []byte) bool {
			other, _ := b.values.Get(key)
			require.Equal(t, string(value), string(other))
			return true
		})
		require.Equal(t, a.bytes, b.bytes)
	})
}

func TestLimitsAreNamed(t *testing.T) {
	require.ErrorContains(t, Txn{}.Check(), "no operation")
	require.ErrorContains(t, one(Op{Kind: Get}).Check(), "operation 0: key is empty")
	require.ErrorContains(t, one(Op{Kind: Put, Key: "k", Value: make([]byte, MaxValue+1)}).Check(), "at most 1048576")
	require.ErrorContains(t, one(Op{Kind: 77, Key: "k"}).Check(), "unknown kind 77")
	_, err := DecodeTxn([]byte{9, 1})
	require.ErrorContains(t, err, "format version 9")
}

func FuzzDecodeTxn(f *testing.F) {
	f.Add(AppendTxn(nil, Txn{Ops: []Op{{Kind: CompareAndSet, Key: "k", Expected: []byte("a"), Value: []byte("b")}, {Kind: Add, Key: "n", Delta: -3}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		txn, err := DecodeTxn(b)
		if err != nil {
			return
		}
		again, err := DecodeTxn(AppendTxn(nil, txn))
		require.NoError(t, err)
		require.Equal(t, txn, again)
		NewStore().Apply(txn)
	})
}

func FuzzDecodeResult(f *testing.F) {
	f.Add(AppendResult(nil, TxnResult{Applied: true, Results: []Result{{true, []byte("v")}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeResult(b)
		if err != nil {
			return
		}
		_, err = DecodeResult(AppendResult(nil, r))
		require.NoError(t, err)
	})
}
