// Command hashicorp is a key-value server on hashicorp/raft with raft-wal, and the load on a cluster of them, for the comparison
// with this project's node.
//
//	hashicorp serve --id 1 --data DIR --peers 1=HOST:PORT,... --clients HOST:PORT
//	hashicorp --addresses HOST:PORT,... --op put --clients 16
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"github.com/ordeal-dev/ordeal/bench/framed"
	"github.com/ordeal-dev/ordeal/bench/load"
	"github.com/ordeal-dev/ordeal/bench/peers"
	"github.com/ordeal-dev/ordeal/node/codec"
)

func main() {
	if f, serving := peers.Parse(os.Args); serving {
		log.Fatal(serve(f))
	}
	load.Main(func(addresses []string) (load.Store, error) { return framed.Open(addresses) })
}

func serve(f peers.Flags) error {
	if err := os.MkdirAll(f.Data, 0o755); err != nil {
		return err
	}
	store, err := wal.Open(f.Data) // syncs each batch of entries
	if err != nil {
		return err
	}
	snapshots, err := raft.NewFileSnapshotStore(f.Data, 1, io.Discard)
	if err != nil {
		return err
	}
	transport, err := raft.NewTCPTransport(f.Peers[f.ID], nil, 3, 10*time.Second, io.Discard)
	if err != nil {
		return err
	}
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(fmt.Sprint(f.ID))
	c.LogOutput, c.BatchApplyCh, c.MaxAppendEntries = io.Discard, true, 1024
	machine := &machine{values: map[string][]byte{}}
	r, err := raft.NewRaft(c, machine, store, store, snapshots, transport)
	if err != nil {
		return err
	}
	var servers []raft.Server
	for id, address := range f.Peers {
		servers = append(servers, raft.Server{ID: raft.ServerID(fmt.Sprint(id)), Address: raft.ServerAddress(address)})
	}
	if err := r.BootstrapCluster(raft.Configuration{Servers: servers}).Error(); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return err
	}
	l, err := net.Listen("tcp", f.Clients)
	if err != nil {
		return err
	}
	return framed.Serve(l, func(op byte, key string, value []byte) ([]byte, error) { return handle(r, machine, op, key, value) })
}

// handle serves a request where this node leads. A read asks a majority first whether it still does.
func handle(r *raft.Raft, m *machine, op byte, key string, value []byte) ([]byte, error) {
	switch op {
	case framed.Put:
		return nil, r.Apply(codec.AppendBytes(codec.AppendBytes(nil, key), value), 10*time.Second).Error()
	case framed.Get:
		if err := r.VerifyLeader().Error(); err != nil {
			return nil, err
		}
		return m.get(key), nil
	}
	if r.State() != raft.Leader {
		return nil, framed.ErrNotLeader
	}
	return nil, r.Barrier(10 * time.Second).Error()
}

// machine is the state.
type machine struct {
	mu     sync.RWMutex
	values map[string][]byte
}

func (m *machine) get(key string) []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.values[key]
}

// Apply implements raft.FSM.
func (m *machine) Apply(l *raft.Log) any {
	d := codec.NewReader(l.Data)
	key, value := string(d.Bytes()), d.Bytes()
	m.mu.Lock()
	m.values[key] = value
	m.mu.Unlock()
	return nil
}

// Snapshot implements raft.FSM: the state is small enough to be written as it is.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var b []byte
	for key, value := range m.values {
		b = codec.AppendBytes(codec.AppendBytes(b, key), value)
	}
	return snapshot(b), nil
}

// Restore implements raft.FSM.
func (m *machine) Restore(from io.ReadCloser) error {
	b, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	values := map[string][]byte{}
	for d := codec.NewReader(b); d.Left() > 0; {
		key := string(d.Bytes())
		values[key] = d.Bytes()
		if d.Err() != nil {
			return d.Err()
		}
	}
	m.mu.Lock()
	m.values = values
	m.mu.Unlock()
	return from.Close()
}

type snapshot []byte

func (s snapshot) Persist(to raft.SnapshotSink) error {
	if _, err := to.Write(s); err != nil {
		return errors.Join(err, to.Cancel())
	}
	return to.Close()
}

func (snapshot) Release() {}
