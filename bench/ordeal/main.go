// Command ordeal is the load on this project's own node, for the comparison.
package main

import (
	"context"

	"github.com/ordeal-dev/ordeal/bench/load"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

type store struct{ *client.Client }

func (s store) Put(ctx context.Context, key string, value []byte) error {
	_, err := s.Do(ctx, kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: key, Value: value}}}, wire.ReadIndex)
	return err
}

func (s store) Get(ctx context.Context, key string) error   { return s.get(ctx, key, wire.ReadIndex) }
func (s store) Lease(ctx context.Context, key string) error { return s.get(ctx, key, wire.Lease) }

func (s store) get(ctx context.Context, key string, consistency wire.Consistency) error {
	_, err := s.Do(ctx, kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: key}}}, consistency)
	return err
}

func (s store) Close() error { s.Client.Close(); return nil }

func main() {
	load.Main(func(addresses []string) (load.Store, error) {
		o := client.Options{Nodes: map[raft.NodeID]string{}}
		for i, address := range addresses {
			o.Nodes[raft.NodeID(i+1)] = address
		}
		c, err := client.New(o)
		return store{c}, err
	})
}
