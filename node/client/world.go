package client

import (
	"context"
	"time"

	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// World is what a client needs of the world around it: connections and time. A Client blocks nowhere else, and starts
// nothing by itself, so that it can live in a simulation as well.
type World interface {
	// Dial connects to a node, as the function Dial does.
	Dial(ctx context.Context, address, clusterID string, node raft.NodeID) (Connection, error)
	// WithTimeout is a context that ends after d.
	WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
	// Sleep returns after d, or when ctx ends.
	Sleep(ctx context.Context, d time.Duration)
	// Go has f run beside the caller. Wait returns when it has returned.
	Go(f func()) (wait func())
}

// Connection is a connection to one node.
type Connection interface {
	// Do sends a request and waits for its response. Any error but ErrNotSent leaves the outcome unknown.
	Do(ctx context.Context, q wire.Request) (wire.Response, error)
	// Err is why the connection ended; nil: it has not.
	Err() error
	// Close ends the connection; requests under way fail with an unknown outcome.
	Close()
}

// Machine is the World of a process: TCP and the machine's clock.
type Machine struct{}

var _ World = Machine{}

// Dial implements World.
func (Machine) Dial(ctx context.Context, address, clusterID string, node raft.NodeID) (Connection, error) {
	conn, err := Dial(ctx, address, clusterID, node)
	if err != nil {
		return nil, err // not a nil *Conn in an interface
	}
	return conn, nil
}

// WithTimeout implements World.
func (Machine) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

// Sleep implements World.
func (Machine) Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Go implements World.
func (Machine) Go(f func()) (wait func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	return func() { <-done }
}
