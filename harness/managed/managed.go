// Package managed is a cluster whose nodes somebody else runs: a program of the user's, or a Go test. The harness asks for a start or a kill and does not
// know how it is done. It implements harness.Cluster, and the system under test that goes with it.
package managed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
)

// Manager runs nodes and knows how to talk to them. Its methods may be called by many goroutines.
type Manager interface {
	// Name is what the system is called.
	Name() string
	// Abilities are what it can do; methods that need one are not called without it.
	Abilities() Abilities
	// Setup makes ready for nodes of these names; none is started yet.
	Setup(ctx context.Context, nodes []string) error
	// Start returns once the node runs; it need not serve yet. Kill returns once it is gone, without a word to it.
	Start(ctx context.Context, node string) error
	Kill(ctx context.Context, node string) error
	// State tells whether the node runs now, and whether it stands still.
	State(ctx context.Context, node string) (State, error)
	Pause(ctx context.Context, node string) error
	Resume(ctx context.Context, node string) error
	// Cut makes exactly these links pass nothing. Probe tells of each whether something sent on it now arrives.
	Cut(ctx context.Context, links []nemesis.Link) error
	Probe(ctx context.Context, links []nemesis.Link) ([]bool, error)
	// Status is what the node says of itself.
	Status(ctx context.Context, node string) (systems.Status, error)
	// Open makes a client that turns to the node first.
	Open(node string) (systems.Client, error)
	// Logs writes what there is to read into a folder.
	Logs(ctx context.Context, dir string) error
	// Teardown ends everything. It may be called at any time and more than once.
	Teardown(ctx context.Context) error
}

// Abilities are what a manager can do beside starting and killing nodes.
type Abilities struct {
	Pause     bool     `json:"pause,omitempty"`
	Partition bool     `json:"partition,omitempty"`
	Status    bool     `json:"status,omitempty"` // of nodes: who leads
	Workloads []string `json:"workloads"`
	// ServiceBound is how long nothing may be served while a majority is alive and connected; 0: that is not judged.
	ServiceBound time.Duration `json:"service_bound_ns,omitempty"`
}

// State of a node.
type State struct {
	Running bool `json:"running"`
	Paused  bool `json:"paused,omitempty"`
	PID     int  `json:"pid,omitempty"`
}

// System is a manager's system under test.
type System struct{ Manager }

// Open implements systems.System.
func (s System) Open(node string, _ map[string]string) (systems.Client, error) {
	return s.Manager.Open(node)
}

// Monitor implements systems.Monitored.
func (s System) Monitor(map[string]string) systems.Monitor { return monitor{s.Manager} }

// Workloads are those that the manager's clients know how to do.
func (s System) Workloads() []string { return s.Abilities().Workloads }

// monitor asks the manager.
type monitor struct{ manager Manager }

func (m monitor) Status(ctx context.Context, node string) (systems.Status, error) {
	if !m.manager.Abilities().Status {
		state, err := m.manager.State(ctx, node)
		if err == nil && (!state.Running || state.Paused) {
			err = errors.New("it does not run")
		}
		return systems.Status{}, err
	}
	s, err := m.manager.Status(ctx, node)
	s.Loose = true // nobody knows how it comes by it
	return s, err
}

func (monitor) Close() {}

// Cluster is a manager's nodes. It implements harness.Cluster.
type Cluster struct {
	manager Manager
	names   []string

	mu    sync.Mutex
	nodes map[string]*node
}

// node is what is known of one beside what its manager says.
type node struct {
	starts int
	killed bool
}

// New makes a cluster of nodes with these names.
func New(m Manager, names []string) *Cluster {
	c := &Cluster{manager: m, names: slices.Clone(names), nodes: map[string]*node{}}
	for _, name := range names {
		c.nodes[name] = &node{}
	}
	return c
}

// Kind is "managed".
func (*Cluster) Kind() string { return "managed" }

// Nodes lists the nodes' names in order.
func (c *Cluster) Nodes() []string { return slices.Clone(c.names) }

// ClientAddress is the node's name: only the manager knows how to reach it.
func (*Cluster) ClientAddress(node string) string { return node }

// StatusAddress is the node's name, likewise.
func (*Cluster) StatusAddress(node string) string { return node }

// Setup starts every node.
func (c *Cluster) Setup(ctx context.Context) error {
	err := c.manager.Setup(ctx, c.names)
	for _, name := range c.names {
		if err == nil {
			err = c.Start(ctx, name)
		}
	}
	if err != nil {
		return errors.Join(err, c.Teardown(ctx))
	}
	return nil
}

func (c *Cluster) note(name string, change func(*node)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[name]
	if n == nil {
		return fmt.Errorf("there is no node %q: the nodes are %v", name, c.names)
	}
	change(n)
	return nil
}

// Start starts the node.
func (c *Cluster) Start(ctx context.Context, name string) error {
	if err := c.note(name, func(*node) {}); err != nil {
		return err
	}
	if err := c.manager.Start(ctx, name); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return c.note(name, func(n *node) { n.starts++; n.killed = false })
}

// Kill kills the node.
func (c *Cluster) Kill(ctx context.Context, name string) error {
	state, err := c.Process(ctx, name)
	if err != nil {
		return err
	}
	if !state.Running {
		return fmt.Errorf("kill %s: it does not run", name)
	}
	_ = c.note(name, func(n *node) { n.killed = true }) // it is there
	if err := c.manager.Kill(ctx, name); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	return nil
}

// Ends of processes, as the harness tells them apart.
const (
	byKill   = "signal: killed"
	byItself = "it does not run any more, and was not killed"
)

// Process tells the node's state, as the manager sees it, with what is known of how it ended.
func (c *Cluster) Process(ctx context.Context, name string) (nemesis.ProcessState, error) {
	var known node
	if err := c.note(name, func(n *node) { known = *n }); err != nil {
		return nemesis.ProcessState{}, err
	}
	state, err := c.manager.State(ctx, name)
	if err != nil {
		return nemesis.ProcessState{}, fmt.Errorf("%s: %w", name, err)
	}
	p := nemesis.ProcessState{Running: state.Running, Paused: state.Paused, PID: state.PID, Starts: known.starts}
	switch {
	case state.Running || known.starts == 0:
	case known.killed:
		p.Ended = byKill
	default:
		p.Ended = byItself
	}
	return p, nil
}

// Pause makes the node stand still.
func (c *Cluster) Pause(ctx context.Context, name string) error { return c.manager.Pause(ctx, name) }

// Resume lets it go on.
func (c *Cluster) Resume(ctx context.Context, name string) error { return c.manager.Resume(ctx, name) }

// Cut makes exactly these links pass nothing.
func (c *Cluster) Cut(ctx context.Context, links []nemesis.Link) error {
	if !c.manager.Abilities().Partition {
		if len(links) == 0 {
			return nil
		}
		return errors.New("nobody knows how to cut links between these nodes")
	}
	return c.manager.Cut(ctx, links)
}

// Probe tells which links pass something.
func (c *Cluster) Probe(ctx context.Context, links []nemesis.Link) ([]nemesis.Probe, error) {
	probes := make([]nemesis.Probe, len(links))
	for i, l := range links {
		probes[i] = nemesis.Probe{Link: l, Crossed: true, Method: "nothing can cut links between these nodes, and nothing has"}
	}
	if !c.manager.Abilities().Partition || len(links) == 0 {
		return probes, nil
	}
	crossed, err := c.manager.Probe(ctx, links)
	if err == nil && len(crossed) != len(links) {
		err = fmt.Errorf("%d links were asked for, and %d answers came", len(links), len(crossed))
	}
	if err != nil {
		return nil, err
	}
	for i := range probes {
		probes[i].Crossed, probes[i].Method = crossed[i], "asked of the system's own means"
	}
	return probes, nil
}

// leaderModes are modes of faults that need to know who leads.
var leaderModes = map[string][]string{nemesis.Kill: {"leader"}, nemesis.Pause: {"leader"}, nemesis.Partition: {"primary", "minority"}}

// Lacks tells what the manager cannot do.
func (c *Cluster) Lacks(_ context.Context, fault, mode string) error {
	able := c.manager.Abilities()
	switch {
	case fault == nemesis.Pause && !able.Pause:
		return fmt.Errorf("%s does not say that it can pause nodes", c.manager.Name())
	case fault == nemesis.Partition && !able.Partition:
		return fmt.Errorf("%s does not say that it can cut links", c.manager.Name())
	case !able.Status && slices.Contains(leaderModes[fault], mode):
		return fmt.Errorf("%s does not say that it can tell who leads", c.manager.Name())
	}
	return nil
}

// Over implements harness.Mortal: a manager that can end before its time tells why it has.
func (c *Cluster) Over() error {
	if m, ok := c.manager.(interface{ Over() error }); ok {
		return m.Over()
	}
	return nil
}

// CollectLogs has the manager write its logs.
func (c *Cluster) CollectLogs(ctx context.Context, dir string) error { return c.manager.Logs(ctx, dir) }

// Facts tells what the test stands on.
func (c *Cluster) Facts() map[string]string {
	return map[string]string{"nodes": "run by " + c.manager.Name()}
}

// Teardown ends everything.
func (c *Cluster) Teardown(ctx context.Context) error { return c.manager.Teardown(ctx) }
