package node

import (
	"bufio"
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/outbox"
	"github.com/ordeal-dev/ordeal/node/wire"
)

// clientConn is one client's connection. Requests are answered in any order; answers that wait are written together.
type clientConn struct {
	server *Server
	conn   net.Conn
	out    *outbox.Box

	underway atomic.Int32  // requests that are not yet answered, or whose answer is not yet written
	room     chan struct{} // a token when underway has become less
	answered atomic.Bool   // there are answers, and the server knows that they are to be written
}

// maxUnderway is how many requests of one connection are taken in before the first is answered; the others wait in
// its buffers.
const maxUnderway = 1024

// maxTogether is how many requests of one connection are given to the driver at once.
const maxTogether = 256

// maxUnsent bounds the answers that a client may leave unread before it is cut off, in bytes.
const maxUnsent = 64 << 20

// clientWriteTimeout ends the connection of a client that does not read.
const clientWriteTimeout = 30 * time.Second

// Answer takes a response, which is written when the server comes to it.
func (c *clientConn) Answer(p wire.Response) {
	c.out.Put(p.ID, func(b []byte) []byte {
		b, start := wire.BeginFrame(b)
		return wire.EndFrame(wire.AppendResponse(b, p), start)
	})
	if !c.answered.Swap(true) {
		c.server.toFlush.add(c)
	}
}

// flush has the answers written.
func (c *clientConn) flush() {
	c.answered.Store(false)
	c.out.Flush()
	if c.out.Waiting() > maxUnsent {
		c.conn.Close()
	}
}

// written makes room for as many requests.
func (c *clientConn) written(answers int) {
	if c.underway.Add(int32(-answers)); len(c.room) == 0 {
		select {
		case c.room <- struct{}{}:
		default:
		}
	}
}

// full reports whether no further request may be taken in now. Only the thread that reads takes any in.
func (c *clientConn) full() bool { return c.underway.Load() >= maxUnderway }

// admit waits until another request may be taken in. False: ctx has ended.
func (c *clientConn) admit(ctx context.Context) bool {
	for c.full() {
		select {
		case <-c.room:
		case <-ctx.Done():
			return false
		}
	}
	c.underway.Add(1)
	return true
}

// maxRequest bounds a request's frame, in bytes.
const maxRequest = kv.MaxTxn + 64

// serveClient reads requests and gives them to the driver until the connection or ctx ends.
func (s *Server) serveClient(ctx context.Context, conn net.Conn) error {
	c := &clientConn{server: s, conn: conn, room: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := func(error) {
		cancel()
		conn.Close()
	}
	c.out = outbox.New(conn, outbox.Options{Timeout: clientWriteTimeout, Written: c.written, Failed: end})
	r := bufio.NewReaderSize(conn, 16<<10)
	var together []Request
	for {
		q, err := c.read(r)
		if err != nil {
			return err
		}
		if !c.admit(ctx) {
			return ctx.Err()
		}
		together = append(together, q)
		if len(together) < maxTogether && wire.HasFrame(r) && !c.full() {
			continue
		}
		s.TakeAll(together)
		if c.answered.Load() { // some were refused here
			s.inbox.leaveToken()
		}
		clear(together)
		together = together[:0]
	}
}

// read reads a request. Its bytes are memory of its own: they become an entry of the log.
func (c *clientConn) read(r *bufio.Reader) (Request, error) {
	payload, err := wire.ReadFrameUpTo(r, nil, maxRequest)
	if err != nil {
		return Request{}, err
	}
	q, err := wire.DecodeRequest(payload)
	return Request{ID: q.ID, From: c, Kind: q.Kind, Consistency: q.Consistency, Command: q.Txn}, err
}
