package node

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
)

// clientConn is one client's connection. Requests are answered in any order; answers that wait are written together.
type clientConn struct {
	conn net.Conn

	underway chan struct{} // a token for each request that is not yet answered, or whose answer is not yet written

	mu      sync.Mutex
	out     []byte // answers to be written
	answers int    // how many
	closed  bool
	wake    chan struct{}
}

// maxUnderway is how many requests of one connection are taken in before the first is answered; the others wait in
// its buffers.
const maxUnderway = 1024

// maxUnsent bounds the answers that a client may leave unread before it is cut off, in bytes.
const maxUnsent = 64 << 20

// clientWriteTimeout ends the connection of a client that does not read.
const clientWriteTimeout = 30 * time.Second

// Answer queues a response.
func (c *clientConn) Answer(p wire.Response) {
	c.mu.Lock()
	full := len(c.out) > maxUnsent
	if !full && !c.closed {
		b, start := wire.BeginFrame(c.out)
		c.out = wire.EndFrame(wire.AppendResponse(b, p), start)
		c.answers++
	}
	c.mu.Unlock()
	if full {
		c.end()
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// end closes the connection. Answers that come later go nowhere.
func (c *clientConn) end() {
	c.mu.Lock()
	c.closed, c.out = true, nil
	c.mu.Unlock()
	c.conn.Close()
}

// maxRequest bounds a request's frame, in bytes.
const maxRequest = kv.MaxTxn + 64

// serveClient reads requests and gives them to the driver until the connection or ctx ends.
func (s *Server) serveClient(ctx context.Context, conn net.Conn) error {
	c := &clientConn{conn: conn, underway: make(chan struct{}, maxUnderway), wake: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(ctx)
	var writer sync.WaitGroup
	writer.Go(func() {
		c.write(ctx)
		c.end()
		cancel()
	})
	defer func() {
		cancel()
		c.end() // the writer may be held up by a client that does not read
		writer.Wait()
	}()
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		payload, err := wire.ReadFrameUpTo(r, nil, maxRequest) // memory of its own: it becomes an entry of the log
		if err != nil {
			return err
		}
		q, err := wire.DecodeRequest(payload)
		if err != nil {
			return err
		}
		select {
		case c.underway <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.Take(Request{ID: q.ID, From: c, Kind: q.Kind, Consistency: q.Consistency, Command: q.Txn})
	}
}

func (c *clientConn) write(ctx context.Context) {
	var spare []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		c.mu.Lock()
		out, answers := c.out, c.answers
		c.out, c.answers = spare[:0], 0
		closed := c.closed
		c.mu.Unlock()
		if closed || c.conn.SetWriteDeadline(time.Now().Add(clientWriteTimeout)) != nil {
			return
		}
		if _, err := c.conn.Write(out); err != nil {
			return
		}
		for range answers {
			<-c.underway
		}
		spare = out
		if cap(spare) > 1<<20 {
			spare = nil
		}
	}
}
