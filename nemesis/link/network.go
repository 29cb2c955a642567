package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Options are the choices a network leaves open. The zero value is sensible.
type Options struct {
	// ResetOnHeal resets the connections that a cut held something of when it heals, in place of letting the
	// held bytes flow: what a middlebox does that lost its state.
	ResetOnHeal bool
}

// Network is a link for every ordered pair of nodes. It implements nemesis.Network.
type Network struct {
	options Options
	nodes   []string
	wires   map[nemesis.Link]*wire
	probes  probes

	cutting sync.Mutex // one Cut at a time

	mu          sync.Mutex
	targets     map[string]string // node -> host:port of its peer port
	connections map[*connection]struct{}
	closed      bool

	cancel context.CancelFunc // ends dials
	served sync.WaitGroup     // accept loops and connections
}

// wire is the link of one ordered pair.
type wire struct {
	link     nemesis.Link
	listener net.Listener
	gate     *gate // of link
	back     *gate // of the opposite link
	target   func() string
}

// New makes the links between all nodes and listens on them. Until Forward has named a node's address, connections to it are
// refused.
func New(nodes []string, options Options) (*Network, error) {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Network{
		options: options, nodes: slices.Clone(nodes), wires: map[nemesis.Link]*wire{}, targets: map[string]string{},
		connections: map[*connection]struct{}{}, cancel: cancel,
	}
	if err := n.listen(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	for _, w := range n.wires {
		n.served.Go(func() { n.accept(ctx, w) })
	}
	n.served.Go(n.probes.sink)
	return n, nil
}

func (n *Network) listen() error {
	if err := n.probes.listen(); err != nil {
		return err
	}
	for _, from := range n.nodes {
		for _, to := range n.nodes {
			if from == to {
				continue
			}
			l := nemesis.Link{From: from, To: to}
			if n.wires[l] != nil {
				return fmt.Errorf("link: node %q is named twice", from)
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("link: listen for %s->%s: %w", from, to, err)
			}
			n.wires[l] = &wire{link: l, listener: listener, gate: newGate(), target: func() string { return n.targetOf(to) }}
		}
	}
	for l, w := range n.wires {
		w.back = n.wires[nemesis.Link{From: l.To, To: l.From}].gate
	}
	return nil
}

// Forward names the address, host:port, at which node listens for its peers. Later connections go there.
func (n *Network) Forward(node, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.targets[node] = address
}

func (n *Network) targetOf(node string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.targets[node]
}

// Address is where node from reaches node to, host:port. It is fixed for the network's life.
func (n *Network) Address(from, to string) string {
	w := n.wires[nemesis.Link{From: from, To: to}]
	if w == nil {
		panic(fmt.Sprintf("link: no link %s->%s", from, to))
	}
	return w.listener.Addr().String()
}

// Counters tells how many bytes the link has passed and held back, probes not counted.
func (n *Network) Counters(l nemesis.Link) Counters {
	w := n.wires[l]
	if w == nil {
		panic(fmt.Sprintf("link: no link %s->%s", l.From, l.To))
	}
	return w.gate.counters()
}

// Cut cuts exactly the given links. The new cuts are in force, all of them, before any other link is healed.
func (n *Network) Cut(ctx context.Context, links []nemesis.Link) error {
	if err := n.check(links); err != nil {
		return err
	}
	n.cutting.Lock()
	defer n.cutting.Unlock()
	cut := map[nemesis.Link]bool{}
	for _, l := range links {
		cut[l] = true
		n.wires[l].gate.shut()
	}
	for _, l := range links {
		if err := n.wires[l].gate.drain(ctx); err != nil {
			return fmt.Errorf("link: cut %s->%s: %w", l.From, l.To, err)
		}
	}
	for l, w := range n.wires {
		if !cut[l] {
			w.gate.open(n.options.ResetOnHeal)
		}
	}
	return nil
}

func (n *Network) check(links []nemesis.Link) error {
	for _, l := range links {
		if n.wires[l] == nil {
			return fmt.Errorf("link: there is no link %s->%s; the nodes are %v", l.From, l.To, n.nodes)
		}
	}
	return nil
}

// Close resets every connection, stops listening and returns once nothing of the network runs.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	open := make([]*connection, 0, len(n.connections))
	for c := range n.connections {
		open = append(open, c)
	}
	n.mu.Unlock()
	n.cancel()
	n.probes.close()
	for _, w := range n.wires {
		_ = w.listener.Close()
	}
	for _, c := range open {
		c.reset()
	}
	n.served.Wait()
	return nil
}

func (n *Network) accept(ctx context.Context, w *wire) {
	for {
		conn, err := w.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // Descriptors are short, or the dialler left the queue.
			continue
		}
		near := conn.(*net.TCPConn)
		c := newConnection(w, near)
		if !n.add(c) {
			c.reset()
			continue
		}
		n.served.Go(func() {
			defer n.remove(c)
			c.serve(ctx, n.probes.attach(c))
		})
	}
}

func (n *Network) add(c *connection) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.connections[c] = struct{}{}
	return true
}

func (n *Network) remove(c *connection) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.connections, c)
}
