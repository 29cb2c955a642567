package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Conn is a connection to one node. Many requests may be under way at once.
type Conn struct {
	conn net.Conn
	Node raft.NodeID // as it introduced itself

	writing chan struct{} // holds a token while somebody writes
	buf     []byte

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
	c := &Conn{conn: conn, Node: h.From, writing: make(chan struct{}, 1), waiting: map[uint64]chan<- wire.Response{}}
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

// Do sends a request and waits for its response. Any error but ErrNotSent leaves the outcome unknown.
func (c *Conn) Do(ctx context.Context, q wire.Request) (wire.Response, error) {
	answer := make(chan wire.Response, 1)
	id, err := c.register(answer)
	if err != nil {
		return wire.Response{}, ErrNotSent{err}
	}
	defer c.unregister(id)
	if err := ctx.Err(); err != nil {
		return wire.Response{}, ErrNotSent{err}
	}
	q.ID = id
	if err := c.write(ctx, q); err != nil {
		return wire.Response{}, err
	}
	select {
	case p, ok := <-answer:
		if !ok {
			return wire.Response{}, fmt.Errorf("connection lost while waiting: %w", c.Err())
		}
		return p, nil
	case <-ctx.Done():
		return wire.Response{}, fmt.Errorf("no answer: %w", ctx.Err())
	}
}

func (c *Conn) register(answer chan<- wire.Response) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	c.last++
	c.waiting[c.last] = answer
	return c.last, nil
}

func (c *Conn) unregister(id uint64) {
	c.mu.Lock()
	delete(c.waiting, id)
	c.mu.Unlock()
}

func (c *Conn) write(ctx context.Context, q wire.Request) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return ErrNotSent{ctx.Err()}
	}
	b, start := wire.BeginFrame(c.buf[:0])
	c.buf = wire.EndFrame(wire.AppendRequest(b, q), start)
	deadline, _ := ctx.Deadline() // none: the zero time, which is none for the connection too
	if err := c.conn.SetWriteDeadline(deadline); err != nil {
		return ErrNotSent{err}
	}
	// A node that does not read may hold the write up for longer than ctx lasts.
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		c.conn.SetWriteDeadline(time.Unix(1, 0))
	})
	n, err := c.conn.Write(c.buf)
	if !stop() {
		<-interrupted // the deadline must not meet the next who writes
	}
	switch {
	case n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return ErrNotSent{err} // the connection is as it was
	case err != nil:
		c.end(err) // a part of the frame may have left: the connection is of no use any more
		return err
	}
	return nil
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
