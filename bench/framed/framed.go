// Package framed is a small protocol of requests and responses for the stores under comparison that have none of their own. It
// does what a good one does: many requests under way on a connection, and what waits is written together.
package framed

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/node/codec"
	"github.com/ordeal-dev/ordeal/node/wire"
)

// Operations.
const (
	Put   = 'p'
	Get   = 'g'
	Leads = 'l' // does this node lead?
)

// ErrNotLeader is what a node answers that does not lead.
var ErrNotLeader = errors.New("not the leader")

// Handler does one request, in a goroutine of its own.
type Handler func(op byte, key string, value []byte) ([]byte, error)

// Serve answers connections until the listener ends.
func Serve(l net.Listener, handle Handler) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go serve(conn, handle)
	}
}

func serve(conn net.Conn, handle Handler) {
	out := newWriter(conn)
	defer out.end()
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		b, err := wire.ReadFrame(r, nil)
		if err != nil {
			return
		}
		d := codec.NewReader(b)
		id, op, key, value := d.Uvarint(), d.Byte(), string(d.Bytes()), d.Bytes()
		if d.End("request") != nil {
			return
		}
		go func() {
			answer, err := handle(op, key, value)
			status, text := byte(0), ""
			if err != nil {
				status, text = 1, err.Error()
			}
			out.frame(func(b []byte) []byte {
				b = append(binary.AppendUvarint(b, id), status)
				return append(codec.AppendBytes(b, text), answer...)
			})
		}()
	}
}

// writer writes together what waits.
type writer struct {
	conn net.Conn
	mu   sync.Mutex
	buf  []byte
	wake chan struct{}
	done chan struct{}
	once sync.Once
}

func newWriter(conn net.Conn) *writer {
	w := &writer{conn: conn, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *writer) frame(payload func([]byte) []byte) {
	w.mu.Lock()
	b, start := wire.BeginFrame(w.buf)
	w.buf = wire.EndFrame(payload(b), start)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *writer) run() {
	var spare []byte
	for {
		select {
		case <-w.done:
			return
		case <-w.wake:
		}
		w.mu.Lock()
		b := w.buf
		w.buf = spare[:0]
		w.mu.Unlock()
		if _, err := w.conn.Write(b); err != nil {
			w.end()
			return
		}
		spare = b
	}
}

func (w *writer) end() {
	w.once.Do(func() { close(w.done); w.conn.Close() })
}

// Client asks the node that leads.
type Client struct {
	out *writer

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan error
	err     error
}

// Open connects to the one of the nodes that leads, for which it looks a while.
func Open(addresses []string) (*Client, error) {
	last := errors.New("no addresses")
	for range 100 {
		for _, address := range addresses {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				last = err
				continue
			}
			c := &Client{out: newWriter(conn), waiting: map[uint64]chan error{}}
			go c.read(conn)
			if last = c.do(context.Background(), Leads, "", nil); last == nil {
				return c, nil
			}
			c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, fmt.Errorf("nobody leads: %w", last)
}

// Put writes a key.
func (c *Client) Put(ctx context.Context, key string, value []byte) error {
	return c.do(ctx, Put, key, value)
}

// Get reads a key.
func (c *Client) Get(ctx context.Context, key string) error { return c.do(ctx, Get, key, nil) }

// Close ends the connection.
func (c *Client) Close() error { c.out.end(); return nil }

func (c *Client) do(ctx context.Context, op byte, key string, value []byte) error {
	answer := make(chan error, 1)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return c.err
	}
	c.last++
	id := c.last
	c.waiting[id] = answer
	c.mu.Unlock()
	c.out.frame(func(b []byte) []byte {
		b = append(binary.AppendUvarint(b, id), op)
		return codec.AppendBytes(codec.AppendBytes(b, key), value)
	})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) read(conn net.Conn) {
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		b, err := wire.ReadFrame(r, nil)
		if err != nil {
			c.fail(err)
			return
		}
		d := codec.NewReader(b)
		id, status, text := d.Uvarint(), d.Byte(), string(d.Bytes())
		if d.Err() != nil {
			c.fail(d.Err())
			return
		}
		c.mu.Lock()
		answer := c.waiting[id]
		delete(c.waiting, id)
		c.mu.Unlock()
		switch {
		case answer == nil:
		case status != 0:
			answer <- errors.New(text)
		default:
			answer <- nil
		}
	}
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	for id, answer := range c.waiting {
		answer <- err
		delete(c.waiting, id)
	}
}
