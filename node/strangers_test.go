package node_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// output is a log that can be read while it is written.
type output struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// single is a running cluster of one server.
type single struct {
	peer, client string
	log          *output
	stop         context.CancelFunc
	ended        chan error // what Run returned
}

func startSingle(t *testing.T, fs vfs.FS) *single {
	return startSingleWith(t, fs, nil)
}

func startSingleWith(t *testing.T, fs vfs.FS, change func(*node.Options)) *single {
	s := &single{peer: freeAddress(t), client: freeAddress(t), log: &output{}, ended: make(chan error, 1)}
	o := node.Options{ID: 1, ClusterID: "test", Data: "/data", FS: fs, ListenPeer: s.peer, ListenClient: s.client, ListenHTTP: "127.0.0.1:0",
		Peers: map[raft.NodeID]string{1: s.peer}, Heartbeat: 5 * time.Millisecond, ElectionTimeout: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(s.log, nil))}
	if change != nil {
		change(&o)
	}
	server, err := node.Open(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	var running sync.WaitGroup
	running.Go(func() { s.ended <- server.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return s
}

func (s *single) open(t *testing.T) *client.Client {
	c, err := client.New(client.Options{Nodes: map[raft.NodeID]string{1: s.client}, DialTimeout: 10 * time.Second})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func putTxn(key string, value []byte) kv.Txn {
	return kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: key, Value: value}}}
}

func frameOf(payload string) []byte {
	b, start := wire.BeginFrame(nil)
	return wire.EndFrame(append(b, payload...), start)
}

func hello(h wire.Hello) []byte {
	var b bytes.Buffer
	wire.WriteHello(&b, h)
	return b.Bytes()
}

// Strangers are turned away with the reason, and whatever they send, the node serves on.
func TestStrangersAreTurnedAway(t *testing.T) {
	s := startSingle(t, vfs.NewMem())
	goodPeer := wire.Hello{Purpose: wire.ForPeer, ClusterID: "test", From: 2, To: 1}
	for _, test := range []struct {
		name   string
		peer   bool
		send   []byte
		answer string // what the refusal says; "" for none
	}{
		{"a browser", false, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ""},
		{"a browser", true, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ""},
		{"a huge hello", true, []byte{0, 0, 0, 1, 0, 0, 0, 0}, ""},
		{"a framed stranger", true, frameOf("SSH-2.0"), "not an ordeal node or client"},
		{"another version", true, frameOf("ORDEAL\x09whatever comes in version 9"), "protocol version 9, this one 1"},
		{"another version", false, frameOf("ORDEAL\x09"), "run the same version of ordeal on both"},
		{"a hello that is cut off inside", true, frameOf("ORDEAL\x01\x01\x04te"), "hello: length beyond the end"},
		{"another cluster", true, hello(wire.Hello{Purpose: wire.ForPeer, ClusterID: "other", From: 2, To: 1}), `belongs to cluster "test", not "other"`},
		{"another cluster's client", false, hello(wire.Hello{Purpose: wire.ForClient, ClusterID: "other"}), `belongs to cluster "test", not "other"`},
		{"one who looks for another node", true, hello(wire.Hello{Purpose: wire.ForPeer, ClusterID: "test", From: 2, To: 3}), "this is node 1, not node 3"},
		{"one who looks for another node", false, hello(wire.Hello{Purpose: wire.ForClient, To: 3}), "this is node 1, not node 3"},
		{"an impostor", true, hello(wire.Hello{Purpose: wire.ForPeer, ClusterID: "test", From: 1, To: 1}), "a peer cannot be node 1"},
		{"nobody", true, hello(wire.Hello{Purpose: wire.ForPeer, ClusterID: "test", To: 1}), "a peer cannot be node 0"},
		{"a client at the wrong port", true, hello(wire.Hello{Purpose: wire.ForClient}), "port for the other kind"},
		{"a peer at the wrong port", false, hello(goodPeer), "port for the other kind"},
		{"a peer's garbage", true, append(hello(goodPeer), frameOf("garbage")...), "accepted"},
		{"a peer's flipped bit", true, append(hello(goodPeer), 1, 0, 0, 0, 9, 9, 9, 9, 'x'), "accepted"},
		{"a peer's entries of a future kind", true, append(hello(goodPeer), frameOf("\x05\x00\x02\x01\x01\x00\x00\x00\x00\x01\x01\x4d\x00")...), "accepted"},
		{"a client's garbage", false, append(hello(wire.Hello{Purpose: wire.ForClient}), frameOf("garbage")...), "accepted"},
		{"a client's huge frame", false, append(hello(wire.Hello{Purpose: wire.ForClient}), 0, 0, 0, 1, 0, 0, 0, 0), "accepted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := s.client
			if test.peer {
				address = s.peer
			}
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer conn.Close()
			_, err = conn.Write(test.send)
			require.NoError(t, err)
			_, err = wire.ReadHello(conn)
			switch test.answer {
			case "accepted":
				require.NoError(t, err)
			case "":
				require.ErrorIs(t, err, wire.ErrNoHello)
			default:
				require.ErrorContains(t, err, test.answer)
				require.Eventually(t, func() bool { return strings.Contains(s.log.String(), conn.LocalAddr().String()) }, time.Minute, time.Millisecond,
					"the log names the stranger")
			}
			rest, _ := io.ReadAll(conn) // an error is a reset: the node has not read all that was sent
			require.Empty(t, rest, "the node closes the connection")
		})
	}
	half, err := net.Dial("tcp", s.peer) // says half of a hello, and no more
	require.NoError(t, err)
	defer half.Close()
	_, err = half.Write(hello(goodPeer)[:11])
	require.NoError(t, err)

	_, err = s.open(t).Do(t.Context(), putTxn("k", nil), wire.ReadIndex)
	require.NoError(t, err)
	s.stop()
	require.NoError(t, <-s.ended)
}

// Bad transactions are refused, definitely, and so are answers that would not fit in a frame; the node serves on.
func TestRequestsBeyondTheLimits(t *testing.T) {
	s := startSingle(t, vfs.NewMem())
	conn, err := client.Dial(t.Context(), s.client, "test", 1)
	require.NoError(t, err)
	defer conn.Close()
	do := func(c wire.Consistency, txn []byte) wire.Response {
		p, err := conn.Do(t.Context(), wire.Request{Kind: wire.Transact, Consistency: c, Txn: txn})
		require.NoError(t, err)
		return p
	}
	require.Eventually(t, func() bool {
		return do(wire.ReadIndex, kv.AppendTxn(nil, putTxn("k", make([]byte, kv.MaxValue)))).Status == wire.OK
	}, time.Minute, time.Millisecond)

	p := do(wire.ReadIndex, []byte("garbage"))
	require.Equal(t, wire.Refusal, p.Status)
	require.Contains(t, p.Error, "format version")

	var all kv.Txn
	for range kv.MaxOps {
		all.Ops = append(all.Ops, kv.Op{Kind: kv.Get, Key: "k"})
	}
	for _, c := range []wire.Consistency{wire.ReadIndex, wire.ThroughLog, wire.Stale} {
		p := do(c, kv.AppendTxn(nil, all))
		require.Equal(t, wire.OK, p.Status)
		r, err := kv.DecodeResult(p.Result)
		require.NoError(t, err)
		require.False(t, r.Applied)
		require.Equal(t, "the answer would be larger than 16777216 bytes", r.Reason)
	}
}

// A client that asks and never reads is cut off, and others are served meanwhile.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	s := startSingle(t, vfs.NewMem())
	other := s.open(t)
	_, err := other.Do(t.Context(), putTxn("k", make([]byte, kv.MaxValue)), wire.ReadIndex)
	require.NoError(t, err)

	conn, err := net.Dial("tcp", s.client)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write(hello(wire.Hello{Purpose: wire.ForClient}))
	require.NoError(t, err)
	get := kv.AppendTxn(nil, kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: "k"}}})
	for i := uint64(0); err == nil; i++ { // each asks for 1 MiB; that the node ends it is waited for as long as the test may take
		_, err = conn.Write(frameOf(string(wire.AppendRequest(nil, wire.Request{ID: i, Kind: wire.Transact, Consistency: wire.Stale, Txn: get}))))
	}
	_, err = other.Do(t.Context(), putTxn("k", nil), wire.ReadIndex)
	require.NoError(t, err)
}

// running are the goroutines that have a function of this module's server side on their stacks.
func running() []string {
	buf := make([]byte, 1<<20)
	var found []string
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "node.(*Server)") || strings.Contains(stack, "node.(*clientConn)") || strings.Contains(stack, "node/transport.") {
			found = append(found, stack)
		}
	}
	return found
}

// When Run has returned nothing of the node runs any more, whatever was connected to it, and its ports and its folder
// are free.
func TestNothingIsLeftBehind(t *testing.T) {
	mem := vfs.NewMem()
	s := startSingleWith(t, mem, func(o *node.Options) { o.Peers[2], o.Peers[3] = freeAddress(t), freeAddress(t) })
	for _, h := range [][]byte{nil, hello(wire.Hello{Purpose: wire.ForPeer, ClusterID: "test", From: 2, To: 1})[:9],
		hello(wire.Hello{Purpose: wire.ForPeer, ClusterID: "test", From: 2, To: 1})} {
		conn, err := net.Dial("tcp", s.peer)
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write(h)
		require.NoError(t, err)
	}
	asking, err := client.Dial(t.Context(), s.client, "", 1)
	require.NoError(t, err)
	defer asking.Close()
	_, err = asking.Do(t.Context(), wire.Request{Kind: wire.WhoLeads})
	require.NoError(t, err)
	require.NotEmpty(t, running())

	s.stop()
	require.NoError(t, <-s.ended)
	// Those that Run has waited for may still be on the way out.
	require.Eventually(t, func() bool { return len(running()) == 0 }, time.Minute, time.Millisecond)
	for _, address := range []string{s.peer, s.client} {
		l, err := net.Listen("tcp", address)
		require.NoError(t, err)
		l.Close()
	}
	lock, err := mem.Lock("/data")
	require.NoError(t, err)
	lock.Close()
}

// A disk that fails ends the node, and what it was to hold is never acknowledged. The node that is started on it again
// has all that was (R12).
func TestFailedDiskEndsTheNode(t *testing.T) {
	for _, failure := range []struct {
		kind  vfs.OpKind
		errno syscall.Errno
		says  string
	}{{vfs.OpSync, syscall.EIO, "input/output error"}, {vfs.OpWrite, syscall.ENOSPC, "the disk is full"}} {
		t.Run(string(failure.kind), func(t *testing.T) {
			mem := vfs.NewMem()
			s := startSingle(t, mem)
			c := s.open(t)
			_, err := c.Do(t.Context(), putTxn("k", []byte("kept")), wire.ReadIndex)
			require.NoError(t, err)

			mem.Inject(func(op vfs.Op) error {
				if op.Kind == failure.kind {
					return failure.errno
				}
				return nil
			})
			_, err = c.Do(t.Context(), putTxn("k", []byte("lost")), wire.ReadIndex)
			var e *client.Error
			require.ErrorAs(t, err, &e)
			require.False(t, e.Definite)
			err = <-s.ended
			require.ErrorContains(t, err, "stable storage failed, the node stops")
			require.ErrorContains(t, err, failure.says)
			require.True(t, errors.Is(err, failure.errno))

			mem.Inject(nil)
			again := startSingle(t, mem)
			r, err := again.open(t).Do(t.Context(), kv.Txn{Ops: []kv.Op{{Kind: kv.Get, Key: "k"}}}, wire.ReadIndex)
			require.NoError(t, err)
			require.Contains(t, []string{"kept", "lost"}, string(r.Results[0].Value))
			again.stop()
			require.NoError(t, <-again.ended)
		})
	}
}
