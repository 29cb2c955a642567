package ordeal

import (
	"context"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// homePatience bounds what is asked of a node that may be down, cut off or not the leader.
const homePatience = 300 * time.Millisecond

// home is the one node that a client reads from first, every time. Clients that follow the leader all end at one node, and
// what the others would answer, a leader that was cut off above all, would never be seen.
type home struct {
	world   client.World
	node    raft.NodeID
	address string

	mu     sync.Mutex        // a client may be closed while its operation hangs
	conn   client.Connection // nil: none
	closed bool
}

// read asks the node once; false: it did not serve, and the read, which has no effect, may be tried elsewhere.
func (h *home) read(ctx context.Context, txn kv.Txn, consistency wire.Consistency) (client.Result, bool) {
	ctx, cancel := h.world.WithTimeout(ctx, homePatience)
	defer cancel()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || !txn.ReadOnly() || !h.connect(ctx) {
		return client.Result{}, false
	}
	p, err := h.conn.Do(ctx, wire.Request{Kind: wire.Transact, Consistency: consistency, Txn: kv.AppendTxn(nil, txn)})
	if err != nil {
		h.drop()
		return client.Result{}, false
	}
	if p.Status != wire.OK {
		return client.Result{}, false
	}
	r, err := kv.DecodeResult(p.Result)
	return client.Result{TxnResult: r, LogIndex: p.LogIndex, Node: h.node}, err == nil
}

func (h *home) connect(ctx context.Context) bool {
	if h.conn != nil {
		return true
	}
	conn, err := h.world.Dial(ctx, h.address, "", h.node)
	if err == nil {
		h.conn = conn
	}
	return err == nil
}

func (h *home) drop() {
	if h.conn != nil {
		h.conn.Close()
		h.conn = nil
	}
}

func (h *home) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop()
	h.closed = true
}
