package node

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// answersTo counts what was answered.
type answersTo struct{ n int }

func (a *answersTo) Answer(wire.Response) { a.n++ }

// While requests are under way those that come later wait for the next turn, which whatever the first ones wait for brings; if nothing
// comes, a timer sees to them. What needs no round does not wait.
func TestRequestsWaitForWhatIsUnderWay(t *testing.T) {
	o := Options{ID: 1, ClusterID: "c", Data: t.TempDir(), ListenPeer: "127.0.0.1:0", ListenClient: "127.0.0.1:0", ListenHTTP: "127.0.0.1:0",
		Peers: map[raft.NodeID]string{1: "127.0.0.1:1", 2: "127.0.0.1:2"}, Heartbeat: time.Minute, ElectionTimeout: time.Hour,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	s, err := Open(o)
	require.NoError(t, err)
	defer s.close()
	s.inbox.arrived = s.arrived // as Run has it, but nobody turns by himself
	client := &answersTo{}
	put := Request{From: client, Kind: wire.Transact, Command: kv.AppendTxn(nil, kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: "k"}}})}
	get := kv.AppendTxn(nil, kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: "k"}}})

	s.Take(put)
	require.Equal(t, 1, client.n, "nothing is under way: it is refused at once, since this node does not lead")
	s.awaiting.Store(true)
	s.Take(put)
	require.Equal(t, 1, client.n, "it waits")
	<-s.inbox.notify // and is not forgotten, though nothing comes
	s.awaiting.Store(true)
	s.Receive(raft.Message{})
	require.Equal(t, 2, client.n, "what arrives has it taken")

	for i, c := range []wire.Consistency{wire.Stale, wire.Lease} {
		s.awaiting.Store(true)
		s.Take(Request{From: client, Kind: wire.Transact, Consistency: c, Command: get})
		require.Equal(t, 3+i, client.n, "read from what the node knows")
	}
}
