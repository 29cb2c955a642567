package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ordeal-dev/ordeal/node/outbox"
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
	inlineBytes  = 64 << 10    // what Flush sends itself, at most
)

// Sender sends to one peer.
type Sender struct {
	hello   wire.Hello
	address string
	log     *slog.Logger

	mu      sync.Mutex
	queue   []raft.Message
	bytes   int           // of entries and chunks in the queue
	link    *link         // nil: there is no connection
	pending chan struct{} // a token while Run has something to do

	encoding sync.Mutex // held by who puts what was queued into frames
	spare    []raft.Message
}

// link is a connection.
type link struct {
	box      *outbox.Box
	failed   chan error
	answered atomic.Bool // the last ping
	pinged   time.Time   // guarded by encoding
}

// NewSender makes a sender that introduces itself with hello at address (host:port, resolved anew at each dial). Run
// makes it work.
func NewSender(address string, hello wire.Hello, log *slog.Logger) *Sender {
	return &Sender{hello: hello, address: address, log: log.With("peer", hello.To, "address", address), pending: make(chan struct{}, 1)}
}

// Send queues m, to be sent by the next Flush. It never blocks.
func (s *Sender) Send(m raft.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) < queueLength {
		s.queue = append(s.queue, m)
		s.bytes += size(m)
	}
}

// size is what a message takes for the most part, in bytes.
func size(m raft.Message) int {
	n := len(m.Chunk)
	for i := range m.Entries {
		n += len(m.Entries[i].Data)
	}
	return n
}

// Flush sees to it that what is queued is sent. A little is sent at once, by the caller; more is left to Run, so that the caller, who
// drives the node, is not held up.
func (s *Sender) Flush() {
	s.mu.Lock()
	l, little := s.link, s.bytes <= inlineBytes
	s.mu.Unlock()
	if l == nil || !little || !s.encoding.TryLock() {
		s.wake()
		return
	}
	s.transmit(l)
	s.encoding.Unlock()
}

func (s *Sender) wake() {
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
	s.queue, s.bytes = spare[:0], 0
	return q
}

// transmit sends what is queued, and a ping if it is time for one. s.encoding is held.
func (s *Sender) transmit(l *link) {
	now := time.Now()
	if !l.answered.Load() && now.Sub(l.pinged) > silence {
		l.fail(errSilent)
		return
	}
	messages := s.take(s.spare)
	ping := l.answered.Load() && now.Sub(l.pinged) > pingInterval
	l.box.Put(0, func(b []byte) []byte {
		b = appendFrames(b, messages)
		if ping {
			var start int
			b, start = wire.BeginFrame(b)
			b = wire.EndFrame(b, start)
		}
		return b
	})
	if ping {
		l.answered.Store(false)
		l.pinged = now
	}
	s.spare = messages
	l.box.Flush()
}

// fail ends the connection.
func (l *link) fail(err error) {
	select {
	case l.failed <- err:
	default: // it has failed already
	}
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
	s.log.Info("connected to peer")
	l := &link{failed: make(chan error, 1), pinged: time.Now()}
	l.answered.Store(true)
	l.box = outbox.New(conn, outbox.Options{Timeout: silence, Failed: l.fail})
	go l.readPongs(conn)
	s.connect(l)
	defer s.connect(nil)
	return true, s.send(ctx, l)
}

func (s *Sender) connect(l *link) {
	s.mu.Lock()
	s.link = l
	s.mu.Unlock()
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

// readPongs takes in answers to pings until the connection ends.
func (l *link) readPongs(conn net.Conn) {
	for {
		if _, err := wire.ReadFrame(conn, nil); err != nil {
			l.fail(err)
			return
		}
		l.answered.Store(true)
	}
}

var errSilent = errors.New("no answer to a ping: the connection is given up")

// send sends what Flush leaves to it, until ctx or the connection ends.
func (s *Sender) send(ctx context.Context, l *link) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-l.failed:
			return err
		case <-s.pending:
		}
		s.encoding.Lock()
		s.transmit(l)
		s.encoding.Unlock()
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
