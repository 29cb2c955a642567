package harness

import (
	"context"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Cluster is a set of nodes under test: how they are brought up, reached, hurt and taken away. Local processes and
// Docker containers are its implementations; the rest of the harness does not know which one it drives.
type Cluster interface {
	nemesis.World
	// Kind is "local" or "docker".
	Kind() string
	// Setup brings every node up and returns once each node's process runs and its ports answer. What it started is
	// removed again when it fails.
	Setup(ctx context.Context) error
	// ClientAddress is host:port of the node's client port, reachable from the harness. It is fixed after Setup,
	// over restarts of the node too.
	ClientAddress(node string) string
	// StatusAddress is host:port of the node's HTTP port (/status, /healthz, /metrics), likewise.
	StatusAddress(node string) string
	// CollectLogs writes each node's log, over all its restarts, to dir/<node>.log.
	CollectLogs(ctx context.Context, dir string) error
	// Facts tells what the verdict's reader wants to know of the ground the test stood on: engine and kernel versions,
	// images, mechanisms in use. For test.json.
	Facts() map[string]string
	// Teardown removes all that Setup and the faults made. It may be called at any time and more than once.
	Teardown(ctx context.Context) error
}

// Mortal is a Cluster that can be gone as a whole, since somebody else's program runs its nodes.
type Mortal interface {
	// Over tells why it is gone; nil: it is not.
	Over() error
}

// LostError says that a Mortal cluster was gone before it served anything.
type LostError struct{ Why error }

func (e LostError) Error() string { return e.Why.Error() }
func (e LostError) Unwrap() error { return e.Why }

// Settler is a Cluster whose nodes' disks can be made to hold for good what is on them: a machine has written back by itself what is old. It is asked
// once, when the cluster serves and before anything is done to it.
type Settler interface {
	Settle(ctx context.Context) error
}
