package node_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// freeAddress is a host:port that nobody listens on, below the ports that outgoing connections take.
func freeAddress(testing.TB) string {
	for {
		address := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(22_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
}

// Three servers in this process serve a client, whichever way it looks for the leader (R14).
func TestR14ThreeWaysToFindTheLeader(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	peers, clients := map[raft.NodeID]string{}, map[raft.NodeID]string{}
	for id := raft.NodeID(1); id <= 3; id++ {
		peers[id], clients[id] = freeAddress(t), freeAddress(t)
	}
	for id := raft.NodeID(1); id <= 3; id++ {
		s, err := node.Open(node.Options{ID: id, ClusterID: "test", Data: t.TempDir(), ListenPeer: peers[id], ListenClient: clients[id],
			ListenHTTP: "127.0.0.1:0", Peers: peers, Heartbeat: 20 * time.Millisecond, ElectionTimeout: 200 * time.Millisecond,
			PreVote: true, CheckQuorum: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		require.NoError(t, err)
		running.Go(func() { s.Run(ctx) })
	}
	for i, find := range []client.Find{client.Redirect, client.Poll, client.HealthCheck} {
		c, err := client.New(client.Options{Nodes: clients, ClusterID: "test", Find: find})
		require.NoError(t, err)
		key := fmt.Sprint("k", i)
		require.Eventually(t, func() bool {
			_, err = c.Do(ctx, kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: key, Value: []byte("v")}}}, wire.ReadIndex)
			return err == nil
		}, 20*time.Second, 10*time.Millisecond)
		for _, consistency := range []wire.Consistency{wire.ReadIndex, wire.ThroughLog} {
			r, err := c.Do(ctx, kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: key}}}, consistency)
			require.NoError(t, err)
			require.Equal(t, []kv.Result{{Found: true, Value: []byte("v")}}, r.Results)
			require.NotZero(t, r.LogIndex)
		}
		c.Close()
	}
}

func BenchmarkPut(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	peers, clients := map[raft.NodeID]string{}, map[raft.NodeID]string{}
	for id := raft.NodeID(1); id <= 3; id++ {
		peers[id], clients[id] = freeAddress(b), freeAddress(b)
	}
	for id := raft.NodeID(1); id <= 3; id++ {
		s, err := node.Open(node.Options{ID: id, ClusterID: "test", Data: b.TempDir(), ListenPeer: peers[id], ListenClient: clients[id],
			ListenHTTP: "127.0.0.1:0", Peers: peers, Heartbeat: 50 * time.Millisecond, ElectionTimeout: 500 * time.Millisecond,
			PreVote: true, CheckQuorum: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		require.NoError(b, err)
		running.Go(func() { s.Run(ctx) })
	}
	c, err := client.New(client.Options{Nodes: clients})
	require.NoError(b, err)
	defer c.Close()
	for _, kind := range []kv.OpKind{kv.Put, kv.Get} {
		for _, parallel := range []int{1, 16, 64} {
			b.Run(fmt.Sprint(kind, "/", parallel), func(b *testing.B) {
				b.SetParallelism(parallel / 2)
				if parallel == 1 {
					b.SetParallelism(1)
				}
				value := make([]byte, 256)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := c.Do(ctx, kv.Txn{Ops: []kv.Op{{Kind: kind, Key: "0123456789abcdef", Value: value}}}, wire.ReadIndex); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
