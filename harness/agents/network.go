// Package agents is the network between nodes each of which has an agent (package nemesis/agent) in its network namespace: it cuts, shapes and
// probes by giving each agent its part. Containers and network namespaces of this machine are partitioned by the same code, and give the
// same evidence.
//
// A link is cut, and shaped by a packet queue, where its packets arrive, so that the sender sees mere loss. Traffic control shapes it where they
// leave.
package agents

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
)

// Node is a node as it can be reached now.
type Node struct {
	Name      string
	Agent     *agent.Client
	Address   netip.Addr // in the nodes' own network
	ProbePort uint16     // of its agent
	Client    string     // host:port at which clients reach it
	Down      bool       // its agent does not run; it is told what is due when it is back
}

// Options say what network it is.
type Options struct {
	Nodes      []string
	ClientPort uint16         // of every node, in the nodes' own network
	Mode       netfilter.Mode // which packets Cut drops; default netfilter.All
	// KeepConnections leaves TCP connections that were cut to their own timers at a heal. By default both ends of
	// such a connection are destroyed once the link is open again, so that recovery is the system's and not TCP's.
	KeepConnections bool
	// At tells where a node is now; an error where it is not up.
	At func(node string) (Node, error)
	// Process tells the state of a node's process.
	Process func(ctx context.Context, node string) (nemesis.ProcessState, error)
	// Explain adds to the error of an agent that did not answer what is known of the reason.
	Explain func(ctx context.Context, node string, err error) error
}

// Network implements nemesis.Network, DataCutter, ClientCutter and Packets.
type Network struct {
	options Options
	cuts    cuts
	shapes  shapes
}

var (
	_ nemesis.Network      = (*Network)(nil)
	_ nemesis.DataCutter   = (*Network)(nil)
	_ nemesis.ClientCutter = (*Network)(nil)
	_ nemesis.Packets      = (*Network)(nil)
)

// New makes a network in which nothing is cut or shaped.
func New(options Options) *Network {
	if options.Mode == "" {
		options.Mode = netfilter.All
	}
	return &Network{options: options}
}

// all gives every node; it fails if one is not up.
func (n *Network) all() (map[string]Node, error) {
	nodes := map[string]Node{}
	for _, name := range n.options.Nodes {
		m, err := n.options.At(name)
		if err != nil {
			return nil, err
		}
		nodes[name] = m
	}
	return nodes, nil
}

func (n *Network) explain(ctx context.Context, m Node, err error) error {
	if err == nil {
		return nil
	}
	return n.options.Explain(ctx, m.Name, err)
}

// Rejoin brings a node back whose namespace is new and empty. Nobody gets through before what is cut is cut again there: comeBack
// returns when the agent answers. What is shaped is shaped again.
func (n *Network) Rejoin(ctx context.Context, comeBack func() error) error {
	n.cuts.mu.Lock()
	defer n.cuts.mu.Unlock()
	if err := comeBack(); err != nil {
		return err
	}
	members, err := n.all()
	if err != nil {
		return err
	}
	n.cuts.unknown = true // the new agent has no rules, and the others' may name the old address
	if err := n.apply(ctx, members, n.cuts.now); err != nil {
		return err
	}
	n.cuts.unknown = false
	return n.reshape(ctx)
}

// Heals tells what becomes of connections when a cut is healed, for the run's facts.
func (n *Network) Heals() string {
	n.cuts.mu.Lock()
	defer n.cuts.mu.Unlock()
	switch {
	case n.options.KeepConnections:
		return "connections are left to TCP's timers"
	case n.cuts.reset != "":
		return fmt.Sprintf("connections could not be reset: %s", n.cuts.reset)
	}
	return "connections that were cut are reset at both ends"
}
