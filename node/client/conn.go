package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/node/outbox"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Conn is a connection to one node. Many requests may be under way at once.
type Conn struct {
	conn net.Conn
	Node raft.NodeID // as it introduced itself

	out *outbox.Box

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan<- wire.Response
	err     error // why the connection ended
}

// ErrNotSent is a failure before the request can have left: it surely has no effect.
type ErrNotSent struct{ Cause error }

func (e ErrNotSent) Error() string { return "not sent: " + e.Cause.Error() }
func (e ErrNotSent) Unwrap() error { return e.Cause }

// Dial connects to a node. Only after the node has introduced itself is a request sent: what listens on the port may
// be a proxy with nobody behind it.
func Dial(ctx context.Context, address, clusterID string, node raft.NodeID) (*Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(5 * time.Second)
	}
	h, err := introduce(conn, deadline, wire.Hello{Purpose: wire.ForClient, ClusterID: clusterID, To: node})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	c := &Conn{conn: conn, Node: h.From, waiting: map[uint64]chan<- wire.Response{}}
	c.out = outbox.New(conn, outbox.Options{Failed: c.end})
	go c.read()
	return c, nil
}

func introduce(conn net.Conn, deadline time.Time, hello wire.Hello) (wire.Hello, error) {
	if err := conn.SetDeadline(deadline); err != nil {
		return wire.Hello{}, err
	}
	if err := wire.WriteHello(conn, hello); err != nil {
		return wire.Hello{}, err
	}
	h, err := wire.ReadHello(conn)
	if err != nil {
		return h, err
	}
	return h, conn.SetDeadline(time.Time{})
}

// answers are channels for one response each, to be used again.
var answers = sync.Pool{New: func() any { return make(chan wire.Response, 1) }}

// Do sends a request and waits for its response. Any error but ErrNotSent leaves the outcome unknown.
func (c *Conn) Do(ctx context.Context, q wire.Request) (wire.Response, error) {
	answer := answers.Get().(chan wire.Response)
	id, others, err := c.register(answer)
	if err != nil {
		return wire.Response{}, ErrNotSent{err}
	}
	if err := ctx.Err(); err != nil {
		c.unregister(id)
		return wire.Response{}, ErrNotSent{err}
	}
	q.ID = id
	if !c.out.Put(id, func(b []byte) []byte { return appendFrame(b, q) }) {
		c.unregister(id)
		return wire.Response{}, ErrNotSent{c.Err()}
	}
	if others {
		runtime.Gosched() // they may have something to say as well: it goes out together
	}
	c.out.Flush()
	select {
	case p, ok := <-answer:
		if !ok {
			return wire.Response{}, c.unanswered(id, fmt.Errorf("connection lost while waiting: %w", c.Err()))
		}
		answers.Put(answer) // nobody else holds it any more
		return p, nil
	case <-ctx.Done():
		c.unregister(id)
		return wire.Response{}, c.unanswered(id, fmt.Errorf("no answer: %w", ctx.Err()))
	}
}

func appendFrame(b []byte, q wire.Request) []byte {
	b, start := wire.BeginFrame(b)
	return wire.EndFrame(wire.AppendRequest(b, q), start)
}

// unanswered tells whether a request that nobody waits for any more was sent.
func (c *Conn) unanswered(id uint64, err error) error {
	switch c.out.TakeBack(id) {
	case outbox.Withdrawn:
		return ErrNotSent{err}
	case outbox.Flying:
		c.end(err) // a node that does not read: the connection is of no use any more
	}
	return err
}

// register gives a request its id, and reports whether others wait.
func (c *Conn) register(answer chan<- wire.Response) (id uint64, others bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, false, c.err
	}
	c.last++
	c.waiting[c.last] = answer
	return c.last, len(c.waiting) > 1, nil
}

func (c *Conn) unregister(id uint64) {
	c.mu.Lock()
	delete(c.waiting, id)
	c.mu.Unlock()
}

func (c *Conn) read() {
	r := bufio.NewReaderSize(c.conn, 64<<10)
	for {
		payload, err := wire.ReadFrame(r, nil)
		if err != nil {
			c.end(err)
			return
		}
		p, err := wire.DecodeResponse(payload)
		if err != nil {
			c.end(err)
			return
		}
		c.mu.Lock()
		answer := c.waiting[p.ID]
		delete(c.waiting, p.ID)
		c.mu.Unlock()
		if answer != nil {
			answer <- p
		}
	}
}

// end fails everything that waits.
func (c *Conn) end(err error) {
	c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	for id, answer := range c.waiting {
		close(answer)
		delete(c.waiting, id)
	}
}

// Err is why the connection ended; nil: it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection; requests under way fail with an unknown outcome.
func (c *Conn) Close() { c.end(errors.New("connection closed by this client")) }
