package link

import (
	"context"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds the connect to a peer whose process does not accept, as when it is stopped and its backlog is full.
const dialTimeout = 10 * time.Second

// dialGrace is what a dial may take to end by itself when a cut wants it out. On this machine a connect takes microseconds
// unless the backlog is full, and cancelling one that has just succeeded would show the peer a connection that ends at once.
const dialGrace = 100 * time.Millisecond

// connection is one TCP connection through a link: near is the side that dialled, far the side that is dialled for it.
type connection struct {
	wire *wire
	near *net.TCPConn

	mu   sync.Mutex
	far  *net.TCPConn // nil until established
	gone bool
	done chan struct{} // closed when the connection is given up
}

func newConnection(w *wire, near *net.TCPConn) *connection {
	return &connection{wire: w, near: near, done: make(chan struct{})}
}

// serve carries the connection from its acceptance to its end.
func (c *connection) serve(ctx context.Context, probe *probe) {
	defer c.close()
	there := newPump(c, c.wire.gate, c.wire.back, c.near)
	defer there.release()
	target := c.wire.target
	if probe != nil {
		there.uncounted, there.refused = true, probe.refused
		target = probe.target
	}
	far := c.establish(ctx, there, target)
	if far == nil || !c.setFar(far) {
		return
	}
	if probe != nil { // A probe asks about one direction, and nothing comes back.
		there.run(far)
		return
	}
	back := newPump(c, c.wire.back, c.wire.gate, far)
	var reverse sync.WaitGroup
	reverse.Go(func() {
		defer back.release()
		back.run(c.near)
	})
	there.run(far)
	reverse.Wait()
}

// establish dials the far side once the link lets it, and returns nil when there is nothing to go on with: the dialler
// gave up, or the far side refused, of which the dialler then knows.
func (c *connection) establish(ctx context.Context, p *pump, target func() string) *net.TCPConn {
	for !c.isDone() && p.ended == nil {
		dialing, cancel := context.WithTimeout(ctx, dialTimeout)
		p.interrupt = func() { time.AfterFunc(dialGrace, cancel) }
		opened := p.gate.enter(&p.passage, p.pending())
		if opened != nil {
			cancel()
			p.hold(opened)
			continue
		}
		far, err := dial(dialing, target())
		interrupted := p.gate.leave(&p.passage, 0)
		cancel()
		if err == nil {
			return far
		}
		if !interrupted {
			c.resetThrough(c.wire.back)
			return nil
		}
	}
	return nil
}

func dial(ctx context.Context, address string) (*net.TCPConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// resetThrough resets the connection once gate lets the news pass.
func (c *connection) resetThrough(gate *gate) {
	nothing := func() {}
	news := &passage{interrupt: nothing, wake: nothing, reset: c.reset}
	defer gate.forget(news)
	for {
		opened := gate.enter(news, 0)
		if opened == nil {
			c.reset()
			gate.leave(news, 0)
			return
		}
		select {
		case <-opened:
		case <-c.done:
			return
		}
	}
}

func (c *connection) isDone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// setFar attaches the far side, unless the connection was given up meanwhile.
func (c *connection) setFar(far *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		_ = far.SetLinger(0)
		_ = far.Close()
		return false
	}
	c.far = far
	return true
}

// reset gives the connection up: both sides see a reset. It may be called more than once.
func (c *connection) reset() { c.end(true) }

// close gives the connection up in good order, after both streams have ended.
func (c *connection) close() { c.end(false) }

func (c *connection) end(reset bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	c.gone = true
	close(c.done)
	for _, side := range []*net.TCPConn{c.near, c.far} {
		if side == nil {
			continue
		}
		if reset {
			_ = side.SetLinger(0)
		}
		_ = side.Close()
	}
}
