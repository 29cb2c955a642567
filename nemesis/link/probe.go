package link

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

const (
	probeTimeout = 5 * time.Second       // a probe that neither arrived nor was held by then is an error
	probeGrace   = 20 * time.Millisecond // how long a probe that is held is watched for arriving all the same
	probeMethod  = "tcp connection through the link's own listener and gate, one way"
)

// token is what a probe sends.
type token [16]byte

// probe is one attempt to cross a link. It is an ordinary connection to the link's listener, from a local port that the
// accept side knows to be a prober's; nothing about it is on the wire, so no node's connection can be taken for one. From
// there on the same code serves it as serves the nodes' connections: the same gate is asked before the far side is
// dialled and for every write. The only difference is who is dialled: a sink in this process in place of the node's peer
// port, so that a probe disturbs no node, and tells the truth about the link when the node is down. The sink never
// answers: the probe crosses one direction only.
type probe struct {
	token   token
	address string        // of the sink
	arrived chan struct{} // closed when the sink has the token
	held    chan struct{} // closed when the gate has refused the probe

	mu       sync.Mutex
	conn     *connection
	finished bool
}

func (p *probe) target() string { return p.address }

// refused is called under the gate's lock.
func (p *probe) refused() {
	select {
	case <-p.held:
	default:
		close(p.held)
	}
}

// serve notes the connection that carries the probe.
func (p *probe) serve(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn = c
	if p.finished {
		c.reset()
	}
}

// finish takes the probe's connection away, also where a gate holds it.
func (p *probe) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finished = true
	if p.conn != nil {
		p.conn.reset()
	}
}

// probes knows the probes under way, and has the sink that they arrive at.
type probes struct {
	listener net.Listener
	sinking  sync.WaitGroup

	// dialing is held from before a probe's connect until its local address is known, so that the accept side, which
	// takes it too, cannot look before.
	dialing  sync.Mutex
	byOrigin map[string]*probe // by the prober's local address, until the accept side has seen it
	byToken  map[token]*probe
}

func (ps *probes) listen() error {
	ps.byOrigin, ps.byToken = map[string]*probe{}, map[token]*probe{}
	var err error
	ps.listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("link: listen for probes: %w", err)
	}
	return nil
}

func (ps *probes) close() {
	if ps.listener != nil {
		_ = ps.listener.Close()
	}
}

// sink accepts what crossed until the network closes.
func (ps *probes) sink() {
	defer ps.sinking.Wait()
	for {
		conn, err := ps.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		ps.sinking.Go(func() { ps.receive(conn) })
	}
}

func (ps *probes) receive(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(probeTimeout))
	var t token
	if _, err := io.ReadFull(conn, t[:]); err != nil {
		return
	}
	ps.dialing.Lock()
	defer ps.dialing.Unlock()
	if p := ps.byToken[t]; p != nil {
		delete(ps.byToken, t)
		close(p.arrived)
	}
}

// attach tells which probe, if any, a connection is.
func (ps *probes) attach(c *connection) *probe {
	ps.dialing.Lock()
	defer ps.dialing.Unlock()
	origin := c.near.RemoteAddr().String()
	p := ps.byOrigin[origin]
	if p != nil {
		delete(ps.byOrigin, origin) // The next connection from this port is another one.
		p.serve(c)
	}
	return p
}

// dial begins a probe on the link whose listener is at address.
func (ps *probes) dial(ctx context.Context, address string) (*probe, net.Conn, error) {
	p := &probe{address: ps.listener.Addr().String(), arrived: make(chan struct{}), held: make(chan struct{})}
	if _, err := rand.Read(p.token[:]); err != nil {
		return nil, nil, err
	}
	ps.dialing.Lock()
	defer ps.dialing.Unlock()
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	ps.byOrigin[conn.LocalAddr().String()] = p
	ps.byToken[p.token] = p
	return p, conn, nil
}

func (ps *probes) finish(p *probe, conn net.Conn) {
	p.finish()
	ps.dialing.Lock()
	defer ps.dialing.Unlock()
	delete(ps.byToken, p.token)
	_ = conn.Close()
}

// Probe tries to cross each link now, all at the same time.
func (n *Network) Probe(ctx context.Context, links []nemesis.Link) ([]nemesis.Probe, error) {
	if err := n.check(links); err != nil {
		return nil, err
	}
	results := make([]nemesis.Probe, len(links))
	var asked sync.WaitGroup
	for i, l := range links {
		asked.Go(func() { results[i] = n.probe(ctx, l) })
	}
	asked.Wait()
	return results, nil
}

func (n *Network) probe(ctx context.Context, l nemesis.Link) nemesis.Probe {
	result := nemesis.Probe{Link: l, Unit: "bytes", Method: probeMethod}
	w := n.wires[l]
	crossed, err := n.probes.cross(ctx, w.listener.Addr().String())
	if err != nil {
		result.Error = err.Error()
	}
	result.Crossed = crossed
	result.Stopped = w.gate.counters().Stopped
	return result
}

// cross sends a probe and watches it arrive, or be held and not arrive.
func (ps *probes) cross(ctx context.Context, address string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	p, conn, err := ps.dial(ctx, address)
	if err != nil {
		return false, err
	}
	defer ps.finish(p, conn)
	if _, err := conn.Write(p.token[:]); err != nil {
		return false, err
	}
	select {
	case <-p.arrived:
		return true, nil
	case <-ctx.Done():
		return false, fmt.Errorf("the probe neither arrived nor was held: %w", ctx.Err())
	case <-p.held:
	}
	grace := time.NewTimer(probeGrace)
	defer grace.Stop()
	select {
	case <-p.arrived:
		return true, nil
	case <-grace.C:
	case <-ctx.Done():
	}
	return false, nil
}
