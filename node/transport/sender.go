package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Timing of connections.
const (
	dialTimeout  = 500 * time.Millisecond // for connection and hello
	redialPause  = 50 * time.Millisecond
	pingInterval = 200 * time.Millisecond
	silence      = time.Second // a ping unanswered for so long ends the connection
	frameBytes   = 1 << 20     // messages are gathered in a frame up to about here
	queueLength  = 1 << 14     // messages waiting for a peer; beyond it they are dropped
)

// Sender sends to one peer.
type Sender struct {
	hello   wire.Hello
	address string
	log     *slog.Logger

	mu      sync.Mutex
	queue   []raft.Message
	pending chan struct{} // a token while queue may hold something
}

// NewSender makes a sender that introduces itself with hello at address (host:port, resolved anew at each dial). Run
// makes it work.
func NewSender(address string, hello wire.Hello, log *slog.Logger) *Sender {
	return &Sender{hello: hello, address: address, log: log.With("peer", hello.To, "address", address), pending: make(chan struct{}, 1)}
}

// Send queues m and never blocks.
func (s *Sender) Send(m raft.Message) {
	s.mu.Lock()
	if len(s.queue) < queueLength {
		s.queue = append(s.queue, m)
	}
	s.mu.Unlock()
	select {
	case s.pending <- struct{}{}:
	default:
	}
}

func (s *Sender) take(spare []raft.Message) []raft.Message {
	clear(spare)
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	s.queue = spare[:0]
	return q
}

// Run keeps a connection and sends, until ctx ends.
func (s *Sender) Run(ctx context.Context) {
	last := ""
	for s.wanted(ctx) {
		connected, err := s.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		if why := reason(err); connected || why != last { // once, not at every attempt
			s.log.Warn("connection to peer lost or refused, dialling on", "error", err)
			last = why
		}
		s.take(nil) // stale by the time it could arrive
		select {
		case <-ctx.Done():
		case <-time.After(redialPause):
		}
	}
}

// wanted waits until there is something to send: nobody is dialled for nothing.
func (s *Sender) wanted(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-s.pending:
	}
	select {
	case s.pending <- struct{}{}: // for the connection to find
	default:
	}
	return ctx.Err() == nil
}

// reason is what a failure has in common with the same one at another attempt: not the port that was dialled from.
func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// connection dials, reports whether that led to a connection, and sends until something fails.
func (s *Sender) connection(ctx context.Context) (bool, error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	s.log.Info("connected to peer")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pongs := make(chan error)
	go readPongs(ctx, conn, pongs)
	return true, s.send(ctx, conn, pongs)
}

func (s *Sender) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	if err := s.introduce(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (s *Sender) introduce(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	if err := wire.WriteHello(conn, s.hello); err != nil {
		return err
	}
	h, err := wire.ReadHello(conn)
	if err != nil {
		return err
	}
	if h.From != s.hello.To || h.ClusterID != s.hello.ClusterID {
		return fmt.Errorf("%s is node %d of cluster %q, expected node %d of %q", s.address, h.From, h.ClusterID, s.hello.To, s.hello.ClusterID)
	}
	return conn.SetDeadline(time.Time{})
}

// readPongs tells of each answered ping with nil, and of the end of the connection with the error.
func readPongs(ctx context.Context, conn net.Conn, pongs chan<- error) {
	for {
		_, err := wire.ReadFrame(conn, nil)
		select {
		case pongs <- err:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

var errSilent = errors.New("no answer to a ping: the connection is given up")

func (s *Sender) send(ctx context.Context, conn net.Conn, pongs <-chan error) error {
	var spare []raft.Message
	var buf []byte
	pinged, answered := time.Now(), true
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-pongs:
			if err != nil {
				return err
			}
			answered = true
			continue
		case <-s.pending:
		}
		now := time.Now()
		if !answered && now.Sub(pinged) > silence {
			return errSilent
		}
		messages := s.take(spare)
		buf = appendFrames(buf[:0], messages)
		if answered && now.Sub(pinged) > pingInterval {
			b, start := wire.BeginFrame(buf)
			buf = wire.EndFrame(b, start)
			pinged, answered = now, false
		}
		if err := conn.SetWriteDeadline(now.Add(silence)); err != nil {
			return err
		}
		if _, err := conn.Write(buf); err != nil {
			return err
		}
		spare = messages
	}
}

// appendFrames encodes messages into as few frames as their size allows.
func appendFrames(b []byte, messages []raft.Message) []byte {
	for i := 0; i < len(messages); {
		var start int
		b, start = wire.BeginFrame(b)
		for ; i < len(messages) && len(b)-start < frameBytes; i++ {
			b = wire.AppendMessage(b, messages[i])
		}
		b = wire.EndFrame(b, start)
	}
	return b
}
