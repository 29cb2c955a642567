package client

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
)

// BenchmarkDo is a put of 256 bytes over a socket to a node of this process that answers at once: what of it is the library's, and what is the
// socket's and that node's, a profile tells.
func BenchmarkDo(b *testing.B) {
	n := startNode(b, respond(wire.Response{Status: wire.OK, LogIndex: 7, Result: kv.AppendResult(nil, kv.TxnResult{Applied: true, Results: []kv.Result{{}}})}))
	c := newClient(b, Redirect, n.address())
	put := kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: "0123456789abcdef", Value: make([]byte, 256)}}}
	for _, parallel := range []int{1, 32} {
		b.Run(fmt.Sprint(parallel, " a core"), func(b *testing.B) {
			b.SetParallelism(parallel)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.Do(b.Context(), put, wire.ReadIndex); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
	require.NoError(b, b.Context().Err())
}
