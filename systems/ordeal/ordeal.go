// Package ordeal is the adapter of the project's own store.
package ordeal

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// System is the store of package node. The zero value is what tests use; a simulation draws other ways to use it.
type System struct {
	World    client.World // nil: this machine
	Find     client.Find
	Sessions bool             // retried transactions take effect once
	Reads    wire.Consistency // of read-only transactions, where the operation does not say
}

// Name is how command lines and reports call it.
func (System) Name() string { return "ordeal" }

// LogFiles are the segments of the nodes' logs.
func (System) LogFiles() string { return "*.wal" }

// Open makes a client that reads at node first and writes wherever the leader is. Nodes are called n1, n2, ... after
// their ids.
func (s System) Open(node string, addresses map[string]string) (systems.Client, error) {
	if s.World == nil {
		s.World = client.Machine{}
	}
	o := client.Options{Nodes: map[raft.NodeID]string{}, World: s.World, Find: s.Find, Sessions: s.Sessions}
	for name, address := range addresses {
		id, err := nodeID(name)
		if err != nil {
			return nil, err
		}
		o.Nodes[id] = address
	}
	id, err := nodeID(node)
	if err != nil {
		return nil, err
	}
	o.Home = id
	c, err := client.New(o)
	if err != nil {
		return nil, err
	}
	return &storeClient{client: c, reads: s.Reads, home: &home{world: s.World, node: id, address: addresses[node]}}, nil
}

func nodeID(name string) (raft.NodeID, error) {
	number, found := strings.CutPrefix(name, "n")
	id, err := strconv.ParseUint(number, 10, 64)
	if !found || err != nil || id == 0 {
		return 0, fmt.Errorf("node %q: names are n1, n2 and so on", name)
	}
	return raft.NodeID(id), nil
}

type storeClient struct {
	client *client.Client
	reads  wire.Consistency
	home   *home
}

func (c *storeClient) Close() {
	c.client.Close()
	c.home.close()
}

// Invoke implements systems.Client.
func (c *storeClient) Invoke(ctx context.Context, op workloads.Operation) systems.Completion {
	s, err := Begin(op, c.reads)
	if err != nil {
		return systems.Completion{Type: history.Fail, Error: err.Error()}
	}
	for {
		r, served := c.home.read(ctx, s.Txn, s.Consistency)
		if !served {
			if r, err = c.client.Do(ctx, s.Txn, s.Consistency); err != nil {
				return s.Failure(err)
			}
		}
		if done, ended := s.Answer(r); ended {
			return done
		}
	}
}

func nodeName(id raft.NodeID) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("n%d", id)
}

// text is how the store holds a value: a string as it is, a number as its decimal digits; false for anything else.
func text(v history.Value) ([]byte, bool) {
	if n, ok := v.AsInt(); ok {
		return strconv.AppendInt(nil, n, 10), true
	}
	s, ok := v.AsString()
	return []byte(s), ok
}

// value is what the store holds as the history knows it. Something that no client wrote stays as it is, for the
// checker to see: 007 is not 7.
func value(r kv.Result) history.Value {
	if !r.Found {
		return history.Nil
	}
	return stored(string(r.Value))
}

// stored is the value behind a text.
func stored(s string) history.Value {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		return history.Int(n)
	}
	return history.String(s)
}
