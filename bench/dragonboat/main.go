// Command dragonboat is a key-value server on dragonboat, and the load on a cluster of them, for the comparison with this
// project's node.
//
//	dragonboat serve --id 1 --data DIR --peers 1=HOST:PORT,... --clients HOST:PORT
//	dragonboat --addresses HOST:PORT,... --op put --clients 16
package main

import (
	"context"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/lni/dragonboat/v4"
	"github.com/lni/dragonboat/v4/config"
	"github.com/lni/dragonboat/v4/logger"
	sm "github.com/lni/dragonboat/v4/statemachine"

	"github.com/ordeal-dev/ordeal/bench/framed"
	"github.com/ordeal-dev/ordeal/bench/load"
	"github.com/ordeal-dev/ordeal/bench/peers"
	"github.com/ordeal-dev/ordeal/node/codec"
)

const shard = 1

func main() {
	if f, serving := peers.Parse(os.Args); serving {
		log.Fatal(serve(f))
	}
	load.Main(func(addresses []string) (load.Store, error) { return framed.Open(addresses) })
}

func serve(f peers.Flags) error {
	for _, name := range []string{"raft", "rsm", "transport", "grpc", "dragonboat", "logdb", "raftpb", "config", "tan"} {
		logger.GetLogger(name).SetLevel(logger.ERROR)
	}
	host, err := dragonboat.NewNodeHost(config.NodeHostConfig{WALDir: f.Data, NodeHostDir: f.Data, RTTMillisecond: 10, RaftAddress: f.Peers[f.ID]})
	if err != nil {
		return err
	}
	members := map[uint64]dragonboat.Target{}
	for id, address := range f.Peers {
		members[uint64(id)] = address
	}
	err = host.StartReplica(members, false, func(uint64, uint64) sm.IStateMachine { return machine{} },
		config.Config{ReplicaID: uint64(f.ID), ShardID: shard, ElectionRTT: 50, HeartbeatRTT: 5, CheckQuorum: true})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.Clients)
	if err != nil {
		return err
	}
	session := host.GetNoOPSession(shard)
	return framed.Serve(l, func(op byte, key string, value []byte) ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		switch op {
		case framed.Put:
			_, err := host.SyncPropose(ctx, session, codec.AppendBytes(codec.AppendBytes(nil, key), value))
			return nil, err
		case framed.Get:
			v, err := host.SyncRead(ctx, shard, key) // ReadIndex
			b, _ := v.([]byte)
			return b, err
		}
		if leader, _, known, err := host.GetLeaderID(shard); err != nil || !known || leader != uint64(f.ID) {
			return nil, framed.ErrNotLeader
		}
		return nil, nil
	})
}

// machine is the state. Dragonboat calls it from one thread at a time.
type machine map[string][]byte

// Update implements statemachine.IStateMachine.
func (m machine) Update(e sm.Entry) (sm.Result, error) {
	d := codec.NewReader(e.Cmd)
	key := string(d.Bytes())
	m[key] = d.Copied()
	return sm.Result{}, d.End("command")
}

// Lookup implements statemachine.IStateMachine.
func (m machine) Lookup(key any) (any, error) { return m[key.(string)], nil }

// SaveSnapshot implements statemachine.IStateMachine.
func (m machine) SaveSnapshot(w io.Writer, _ sm.ISnapshotFileCollection, _ <-chan struct{}) error {
	var b []byte
	for key, value := range m {
		b = codec.AppendBytes(codec.AppendBytes(b, key), value)
	}
	_, err := w.Write(b)
	return err
}

// RecoverFromSnapshot implements statemachine.IStateMachine.
func (m machine) RecoverFromSnapshot(r io.Reader, _ []sm.SnapshotFile, _ <-chan struct{}) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	clear(m)
	for d := codec.NewReader(b); d.Left() > 0; {
		key := string(d.Bytes())
		m[key] = d.Copied()
		if d.Err() != nil {
			return d.Err()
		}
	}
	return nil
}

// Close implements statemachine.IStateMachine.
func (m machine) Close() error { return nil }
