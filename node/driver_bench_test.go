package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// quiet is a Host that does nothing but remember the last write, and whom nobody asks twice.
type quiet struct {
	wrote    uint64
	answered int
}

func (*quiet) Send(raft.Message)                                         {}
func (q *quiet) Write(w Write)                                           { q.wrote = w.Number }
func (*quiet) SaveSnapshot(raft.SnapshotMeta, *kv.Machine)               {}
func (*quiet) StoreChunk(raft.Chunk)                                     {}
func (*quiet) ReadChunk(raft.SnapshotMeta, uint64) ([]byte, bool, error) { return nil, true, nil }
func (*quiet) Reconfigured(raft.Configuration)                           {}
func (q *quiet) Answer(wire.Response)                                    { q.answered++ }

// BenchmarkDriverTurn is a request from its arrival to its answer, at the driver of a cluster of one, whose disk costs nothing: decoded,
// proposed, written, applied.
func BenchmarkDriverTurn(b *testing.B) {
	for name, op := range map[string]kv.Op{
		"put": {Kind: kv.Put, Key: "0123456789abcdef", Value: make([]byte, 256)},
		"get": {Kind: kv.Get, Key: "0123456789abcdef"},
	} {
		b.Run(name, func(b *testing.B) {
			q := &quiet{}
			d := newScripted(b, 1).driver
			d.host = q
			for now := time.Duration(0); now < time.Second; now += 10 * time.Millisecond {
				d.Tick(now)
				d.Flush()
				d.Written(q.wrote)
			}
			d.Flush()
			r := request(q, 0, wire.ReadIndex, op)
			b.ReportAllocs()
			asked := 0
			for b.Loop() {
				r.ID++
				asked++
				d.Handle(r)
				d.Flush()
				if op.Kind == kv.Put {
					d.Written(q.wrote)
					d.Flush()
				}
			}
			require.Equal(b, asked, q.answered)
		})
	}
}
