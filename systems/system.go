// Package systems is what the harness needs of a system under test: a client for each of its nodes, whose every failure
// is classified. Adapters live in folders of their own, one a system; nothing of a system leaks out of them.
package systems

import (
	"context"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/workloads"
)

// System is a kind of store.
type System interface {
	Name() string
	// Open makes a client that turns to node first. Addresses (host:port) are those of all nodes' client ports.
	Open(node string, addresses map[string]string) (Client, error)
}

// Client does operations, one at a time.
type Client interface {
	// Invoke does op before ctx ends and says what became of it. It never returns OK for what it did not see confirmed,
	// nor Fail for what may have had an effect, or may yet have one.
	Invoke(ctx context.Context, op workloads.Operation) Completion
	Close()
}

// Completion is what became of an operation.
type Completion struct {
	Type     history.Type // OK, Fail or Info
	Output   history.Value
	Node     string // who answered, or was asked last
	LogIndex uint64 // where the system says it took effect; 0 where it does not say
	Error    string // Fail and Info: why
}

// Logged is a System that says which files every node reads whole when it starts, by a pattern of their base names (path.Match):
// damage in them cannot go unnoticed, if the node has checksums.
type Logged interface {
	System
	LogFiles() string
}

// Administrator is a System whose members can be changed while it runs, and whose leadership can be handed over.
type Administrator interface {
	System
	// Administer makes the means for that. Addresses (host:port) are those of all nodes' HTTP ports. Every node was given all
	// nodes when it was started.
	Administer(addresses map[string]string) (nemesis.Members, error)
}

// Clocked is a System whose nodes have clocks that can be set while they run.
type Clocked interface {
	System
	// ClockFlags are the flags with which nodes let their clocks be set. Without them they do not.
	ClockFlags() []string
	// Clocks makes the means for that. Addresses (host:port) are those of all nodes' HTTP ports.
	Clocks(addresses map[string]string) (nemesis.Clocks, error)
}

// Audited is a System whose replicas can be held against each other.
type Audited interface {
	System
	// Audit compares what all nodes hold at one and the same point of their history, once all run and nothing is written any more. Addresses
	// (host:port) are those of all nodes' client ports. It tells in words what differs, and what it has compared; an error says that it could not.
	Audit(ctx context.Context, addresses map[string]string) (differences []string, compared string, err error)
}
