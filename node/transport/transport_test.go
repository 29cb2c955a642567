package transport

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// bytesConn is a connection on which these bytes have come, and whose other end hears everything.
type bytesConn struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *bytesConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *bytesConn) Write(p []byte) (int, error) { return c.out.Write(p) }

var peer = wire.Hello{Purpose: wire.ForPeer, ClusterID: "c", From: 2, To: 1}

func frame(messages ...raft.Message) []byte {
	b, start := wire.BeginFrame(nil)
	for _, m := range messages {
		b = wire.AppendMessage(b, m)
	}
	return wire.EndFrame(b, start)
}

func vote(from, to raft.NodeID, term uint64) raft.Message {
	return raft.Message{Kind: raft.RequestVote, From: from, To: to, Term: term}
}

func TestReceive(t *testing.T) {
	long := frame(vote(2, 1, 9))
	for _, test := range []struct {
		name  string
		in    []byte
		taken int
		err   string
	}{
		{"messages", append(frame(vote(2, 1, 1), vote(2, 1, 2)), frame(vote(2, 1, 3))...), 3, "EOF"},
		{"a ping", frame(), 0, "EOF"},
		{"another's message", append(frame(vote(2, 1, 1)), frame(vote(2, 1, 2), vote(3, 1, 2))...), 1, "message from node 3 to node 1 on the connection of node 2 to node 1"},
		{"a message for another", frame(vote(2, 3, 1)), 0, "to node 3"},
		{"half a frame", long[:len(long)-1], 0, "unexpected EOF"},
		{"half a header", long[:3], 0, "unexpected EOF"},
		{"a huge frame", []byte{0, 0, 0, 0x70, 0, 0, 0, 0}, 0, "at most"},
		{"a flipped bit", append(long[:len(long)-1:len(long)-1], long[len(long)-1]^1), 0, "corrupt"},
		{"a frame of no message", wire.EndFrame(append(make([]byte, 8), "garbage"...), 0), 0, "unknown kind"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := &bytesConn{in: bytes.NewReader(test.in)}
			taken := 0
			err := Receive(conn, peer, 1, func(ms []raft.Message) { taken += len(ms) })
			require.ErrorContains(t, err, test.err)
			require.Equal(t, test.taken, taken)
			if test.name == "a ping" {
				require.Equal(t, frame(), conn.out.Bytes())
			}
		})
	}
}

// Whatever comes on a peer's connection, it ends in an error and never in a panic, and nobody speaks for another.
func FuzzReceive(f *testing.F) {
	f.Add(frame(vote(2, 1, 1))[8:])
	f.Add(frame(raft.Message{Kind: raft.AppendEntries, From: 2, To: 1, Term: 3, PrevLogIndex: 1, PrevLogTerm: 1, Commit: 1, Round: 4,
		Entries: []raft.Entry{{Index: 2, Term: 1, Data: []byte("x")}, {Index: 3, Term: 3, Kind: raft.EntryNoOp}}})[8:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, start := wire.BeginFrame(nil)
		whole := wire.EndFrame(append(b, payload...), start)
		for _, in := range [][]byte{whole, payload} { // with a checksum that is right, and as a stranger would
			err := Receive(&bytesConn{in: bytes.NewReader(in)}, peer, 1, func(ms []raft.Message) {
				for _, m := range ms {
					require.Equal(t, raft.NodeID(2), m.From)
					require.Equal(t, raft.NodeID(1), m.To)
					require.True(t, m.Kind.Valid())
					for i, e := range m.Entries {
						require.Equal(t, m.PrevLogIndex+1+uint64(i), e.Index)
						require.NotZero(t, e.Term)
						require.LessOrEqual(t, e.Kind, raft.EntryConfiguration)
					}
				}
			})
			require.Error(t, err)
		}
	})
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), what)
}

// startSender runs a sender from node 1 to node 2 with something to send all the time.
func startSender(t *testing.T, address string) *lines {
	log := &lines{}
	s := NewSender(address, wire.Hello{Purpose: wire.ForPeer, ClusterID: "c", From: 1, To: 2}, slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { s.Run(ctx) })
	all.Go(func() {
		for term := uint64(1); ctx.Err() == nil; term++ {
			s.Send(vote(1, 2, term))
			s.Flush()
			time.Sleep(time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); all.Wait() })
	return log
}

func listen(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// accept takes the sender's next connection and introduces itself.
func accept(t *testing.T, l net.Listener) (net.Conn, wire.Hello) {
	conn, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	h, err := wire.ReadHello(conn)
	require.NoError(t, err)
	require.NoError(t, wire.WriteHello(conn, wire.Hello{Purpose: wire.ForPeer, ClusterID: "c", From: 2, To: 1}))
	return conn, h
}

// A connection that a partition has silenced is given up and dialled again, without waiting for TCP to find out. So is
// one that the peer has closed.
func TestSenderDialsAgain(t *testing.T) {
	l := listen(t)
	log := startSender(t, l.Addr().String())
	silent, h := accept(t, l)
	require.Equal(t, wire.Hello{Purpose: wire.ForPeer, ClusterID: "c", From: 1, To: 2}, h)
	go io.Copy(io.Discard, silent) // pings are not answered

	closing, _ := accept(t, l)
	require.Equal(t, 1, log.count("no answer to a ping"))
	closing.Close()

	conn, _ := accept(t, l)
	var terms []uint64
	done := make(chan error)
	go func() {
		done <- Receive(conn, wire.Hello{From: 1}, 2, func(ms []raft.Message) {
			for _, m := range ms {
				terms = append(terms, m.Term)
			}
			if len(terms) > 1000 { // for longer than silence lasts: the pings are answered
				conn.Close()
			}
		})
	}()
	require.Error(t, <-done)
	require.IsIncreasing(t, terms)
}

// A peer that refuses, or is another than it should be, is named in the log with its reason; once, not at every attempt.
func TestSenderSaysWhyItIsRefused(t *testing.T) {
	l := listen(t)
	log := startSender(t, l.Addr().String())
	for range 3 {
		conn, err := l.Accept()
		require.NoError(t, err)
		_, err = wire.ReadHello(conn)
		require.NoError(t, err)
		require.NoError(t, wire.WriteRefusal(conn, "this node belongs to another cluster"))
		conn.Close()
	}
	for range 3 {
		conn, err := l.Accept()
		require.NoError(t, err)
		_, err = wire.ReadHello(conn)
		require.NoError(t, err)
		require.NoError(t, wire.WriteHello(conn, wire.Hello{Purpose: wire.ForPeer, ClusterID: "c", From: 3, To: 1}))
		conn.Close()
	}
	accept(t, l)
	require.Equal(t, 1, log.count("this node belongs to another cluster"))
	require.Equal(t, 1, log.count("is node 3 of cluster"))
}

// Messages to a peer that is away are dropped beyond a limit; they are written in frames of bounded size.
func TestSenderIsBounded(t *testing.T) {
	s := NewSender("127.0.0.1:1", wire.Hello{}, slog.New(slog.DiscardHandler))
	for range queueLength + 10 {
		s.Send(vote(1, 2, 1))
		s.Flush()
	}
	require.Len(t, s.take(nil), queueLength)

	big := raft.Message{Kind: raft.AppendEntries, From: 1, To: 2, Term: 1, Entries: []raft.Entry{{Index: 1, Term: 1, Data: make([]byte, 4<<20)}}}
	b := appendFrames(nil, []raft.Message{big, big, big, vote(1, 2, 1), vote(1, 2, 1)})
	r, frames, messages := bytes.NewReader(b), 0, 0
	for {
		payload, err := wire.ReadFrameUpTo(r, nil, 5<<20)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		frames++
		require.NoError(t, wire.DecodeMessages(payload, func(raft.Message) { messages++ }))
	}
	require.Equal(t, 4, frames)
	require.Equal(t, 5, messages)
}
