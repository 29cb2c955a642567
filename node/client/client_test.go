package client

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// scriptedNode speaks the node's side of the protocol and does with each request what its test says.
type scriptedNode struct {
	listener net.Listener
	done     chan struct{} // closed at the end of the test

	mu       sync.Mutex
	requests []wire.Request // transactions, in the order of arrival
}

// startNode serves connections with handle, which gets each request and ends the connection by returning false.
func startNode(t testing.TB, handle func(net.Conn, wire.Request) bool) *scriptedNode {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &scriptedNode{listener: l, done: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go n.serve(conn, handle)
		}
	})
	t.Cleanup(func() { close(n.done); l.Close(); all.Wait() })
	return n
}

func (n *scriptedNode) serve(conn net.Conn, handle func(net.Conn, wire.Request) bool) {
	defer conn.Close()
	h, err := wire.ReadHello(conn)
	if err != nil || wire.WriteHello(conn, wire.Hello{Purpose: wire.ForClient, From: h.To}) != nil {
		return
	}
	if handle == nil {
		<-n.done // reads nothing
	}
	for {
		payload, err := wire.ReadFrame(conn, nil)
		if err != nil {
			return
		}
		q, err := wire.DecodeRequest(payload)
		if err != nil {
			return
		}
		if q.Kind == wire.Transact {
			n.mu.Lock()
			n.requests = append(n.requests, q)
			n.mu.Unlock()
		}
		if !handle(conn, q) {
			return
		}
	}
}

func (n *scriptedNode) received() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.requests)
}

func (n *scriptedNode) address() string { return n.listener.Addr().String() }

func respond(p wire.Response) func(net.Conn, wire.Request) bool {
	return func(conn net.Conn, q wire.Request) bool {
		p := p
		p.ID = q.ID
		return send(conn, wire.AppendResponse(nil, p))
	}
}

func send(conn net.Conn, payload []byte) bool {
	b, start := wire.BeginFrame(nil)
	_, err := conn.Write(wire.EndFrame(append(b, payload...), start))
	return err == nil
}

var ok = wire.Response{Status: wire.OK, LogIndex: 7, Result: kv.AppendResult(nil, kv.TxnResult{Applied: true, Results: []kv.Result{{}}})}

func newClient(t testing.TB, find Find, addresses ...string) *Client {
	return newClientIn(t, nil, find, addresses...)
}

func newClientIn(t testing.TB, world World, find Find, addresses ...string) *Client {
	o := Options{Nodes: map[raft.NodeID]string{}, Find: find, CheckInterval: 5 * time.Millisecond, DialTimeout: 5 * time.Second, World: world}
	for i, a := range addresses {
		o.Nodes[raft.NodeID(i+1)] = a
	}
	c, err := New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

var put = kv.Txn{Ops: []kv.Op{{Kind: kv.Put, Key: "k", Value: []byte("v")}}}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// nobody is an address that refuses connections: its port was free a moment ago.
func nobody(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// What a request's end says about its effect. The other node would serve: it must be asked only when the first surely
// has not taken the request.
func TestFailuresAreToldApart(t *testing.T) {
	for _, test := range []struct {
		name     string
		node     func(net.Conn, wire.Request) bool
		served   bool // by the other node
		definite bool
		message  string
	}{
		{"refused", respond(wire.Response{Status: wire.Refusal, Error: "too much"}), false, true, "no effect: too much"},
		{"unknown", respond(wire.Response{Status: wire.Unknown, Error: "who knows"}), false, false, "outcome unknown: who knows"},
		{"connection lost after the request", func(net.Conn, wire.Request) bool { return false }, false, false, "connection lost"},
		{"garbage for an answer", func(c net.Conn, _ wire.Request) bool { c.Write(make([]byte, 4096)); return true }, false, false, "outcome unknown"},
		{"an answer cut off", func(c net.Conn, _ wire.Request) bool { c.Write([]byte{9, 0}); return false }, false, false, "connection lost"},
		{"a result that is none", respond(wire.Response{Status: wire.OK, Result: []byte{1}}), false, false, "outcome unknown: result"},
		{"not the leader", respond(wire.Response{Status: wire.NotLeader, Leader: 2}), true, false, ""},
		{"no leader known", respond(wire.Response{Status: wire.NotLeader}), true, false, ""},
	} {
		for _, find := range []Find{Redirect, Poll} {
			t.Run(test.name, func(t *testing.T) {
				first := startNode(t, test.node)
				other := startNode(t, respond(ok))
				c := newClient(t, find, first.address(), other.address())
				r, err := c.Do(within(t), put, wire.ReadIndex)
				require.Equal(t, 1, first.received(), "a request is sent once")
				if test.served {
					require.NoError(t, err)
					require.Equal(t, raft.NodeID(2), r.Node)
					require.Equal(t, uint64(7), r.LogIndex)
					return
				}
				var e *Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, test.definite, e.Definite)
				require.Equal(t, raft.NodeID(1), e.Node)
				require.ErrorContains(t, err, test.message)
				require.Zero(t, other.received(), "sent again after it may have been received")
			})
		}
	}
}

// A request that could not be sent is tried elsewhere: nobody there, a stranger there, a node of another cluster.
func TestWhatIsNotSentIsTriedElsewhere(t *testing.T) {
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer refusing.Close()
	go func() {
		for {
			conn, err := refusing.Accept()
			if err != nil {
				return
			}
			wire.ReadHello(conn)
			wire.WriteRefusal(conn, "wrong cluster")
			conn.Close()
		}
	}()
	good := startNode(t, respond(ok))
	for _, find := range []Find{Redirect, Poll} {
		c := newClient(t, find, nobody(t), refusing.Addr().String(), good.address())
		r, err := c.Do(within(t), put, wire.ReadIndex)
		require.NoError(t, err)
		require.Equal(t, raft.NodeID(3), r.Node)
	}

	c := newClient(t, Redirect, refusing.Addr().String())
	require.Eventually(t, func() bool { // it may take more than one attempt to come to the refusal in time
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err = c.Do(ctx, put, wire.ReadIndex)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Definite)
		return strings.Contains(err.Error(), "refused: wrong cluster")
	}, time.Minute, time.Millisecond)
}

// The health check finds the node that says it leads; of two, the one of the later term (R14).
func TestR14HealthCheckBelievesTheLaterTerm(t *testing.T) {
	leading := func(term uint64) func(net.Conn, wire.Request) bool {
		return func(conn net.Conn, q wire.Request) bool {
			p := ok
			if q.Kind == wire.WhoLeads {
				p = wire.Response{Status: wire.OK, Term: term}
			}
			return respond(p)(conn, q)
		}
	}
	c := newClient(t, HealthCheck, startNode(t, leading(3)).address(), startNode(t, leading(5)).address(), nobody(t))
	require.Eventually(t, func() bool { return c.checked() == 2 }, time.Minute, time.Millisecond)
	r, err := c.Do(within(t), put, wire.ReadIndex)
	require.NoError(t, err)
	require.Equal(t, raft.NodeID(2), r.Node)
}

// An answer that comes after its asker has gone is nobody else's.
func TestLateAnswersGoNowhere(t *testing.T) {
	release := make(chan struct{})
	n := startNode(t, func(conn net.Conn, q wire.Request) bool {
		if q.ID == 1 {
			return true
		}
		<-release
		late, mine := ok, ok
		late.ID, late.LogIndex, mine.ID = 1, 1, q.ID
		return send(conn, wire.AppendResponse(nil, late)) && send(conn, wire.AppendResponse(nil, mine))
	})
	c := newClient(t, Redirect, n.address())
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for n.received() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := c.Do(ctx, put, wire.ReadIndex)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.False(t, e.Definite, "it was sent")
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	r, err := c.Do(within(t), put, wire.ReadIndex)
	require.NoError(t, err)
	require.Equal(t, uint64(7), r.LogIndex)
}

// A node that does not read holds nobody up longer than his context lasts, and who has sent nothing knows so.
func TestNodeThatDoesNotRead(t *testing.T) {
	n := startNode(t, nil)
	conn, err := Dial(within(t), n.address(), "", 1)
	require.NoError(t, err)
	defer conn.Close()
	big := wire.Request{Kind: wire.Transact, Txn: make([]byte, 30<<20)} // more than the buffers between take

	first, cancelFirst := context.WithCancel(context.Background())
	second, cancelSecond := context.WithCancel(context.Background())
	defer cancelFirst()
	done := make(chan error, 1)
	go func() {
		_, err := conn.Do(first, big)
		done <- err
	}()
	require.Eventually(t, func() bool { return conn.out.Busy() }, time.Minute, time.Millisecond)
	cancelSecond()
	_, err = conn.Do(second, big)
	require.ErrorAs(t, err, new(ErrNotSent))
	waiting, cancelWaiting := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancelWaiting()
	_, err = conn.Do(waiting, big)
	require.ErrorAs(t, err, new(ErrNotSent), "it waited for the other to write")

	cancelFirst()
	err = <-done
	require.Error(t, err)
	require.False(t, errors.As(err, new(ErrNotSent)), "a part of it was sent")
	_, err = conn.Do(within(t), big)
	require.ErrorAs(t, err, new(ErrNotSent), "the connection is of no use any more")
}

func TestClosedClientSaysSoAtOnce(t *testing.T) {
	for _, find := range []Find{Redirect, HealthCheck} {
		c := newClient(t, find, nobody(t))
		c.Close()
		_, err := c.Do(context.Background(), put, wire.ReadIndex) // without an end of its own
		var e *Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Definite)
		require.ErrorContains(t, err, "client is closed")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{})
	require.ErrorContains(t, err, "no nodes")
	_, err = New(Options{Nodes: map[raft.NodeID]string{1: "a:1"}, Home: 2})
	require.ErrorContains(t, err, "node 2")
	c := newClient(t, Redirect, nobody(t))
	_, err = c.Do(within(t), kv.Txn{}, wire.ReadIndex)
	require.ErrorContains(t, err, "no operation")
}

// hastyWorld is a world in which a context ends at the n-th pause.
type hastyWorld struct {
	Machine
	pauses int
	end    context.CancelFunc
}

func (h *hastyWorld) Sleep(context.Context, time.Duration) {
	if h.pauses--; h.pauses <= 0 {
		h.end()
	}
}

// Operations that end before every node was asked go on where the one before ended: else nobody would ever come to the last node.
func TestR14ShortOperationsComeToEveryNode(t *testing.T) {
	const nodes = 7
	var all []*scriptedNode
	var addresses []string
	for i := range nodes {
		answer := wire.Response{Status: wire.NotLeader}
		if i == nodes-1 {
			answer = ok
		}
		all = append(all, startNode(t, respond(answer)))
		addresses = append(addresses, all[i].address())
	}
	for _, find := range []Find{Redirect, Poll} {
		world := &hastyWorld{}
		c := newClientIn(t, world, find, addresses...)
		for range nodes - 1 {
			ctx, cancel := context.WithCancel(within(t))
			world.pauses, world.end = 1, cancel
			_, err := c.Do(ctx, put, wire.ReadIndex)
			require.ErrorIs(t, err, raft.ErrNotLeader{}, "it ended at its first pause")
		}
		r, err := c.Do(within(t), put, wire.ReadIndex)
		require.NoError(t, err)
		require.Equal(t, raft.NodeID(nodes), r.Node)
	}
	for _, n := range all {
		require.Equal(t, 2, n.received(), "once for each client")
	}
}

// A hint that leads nowhere, over and over, keeps nobody from being asked.
func TestR14WrongHintsDoNotHideTheLeader(t *testing.T) {
	misled := startNode(t, respond(wire.Response{Status: wire.NotLeader, Leader: 1}))
	leader := startNode(t, respond(ok))
	ctx, cancel := context.WithCancel(within(t))
	c := newClientIn(t, &hastyWorld{pauses: 20, end: cancel}, Redirect, nobody(t), misled.address(), leader.address())
	c.turn = 2
	r, err := c.Do(ctx, put, wire.ReadIndex)
	require.NoError(t, err)
	require.Equal(t, raft.NodeID(3), r.Node)
}

// A leader that serves, though too late for the operation at hand, is asked first by the next one too. It is asked by turn then: one that does
// not serve any more is left.
func TestR14WhoServedIsAskedOnceMore(t *testing.T) {
	hangs := atomic.Bool{}
	leader := startNode(t, func(conn net.Conn, q wire.Request) bool { return hangs.Load() || respond(ok)(conn, q) })
	other := startNode(t, respond(wire.Response{Status: wire.NotLeader}))
	successor := startNode(t, respond(ok))
	c := newClient(t, Poll, leader.address(), other.address(), successor.address())
	_, err := c.Do(within(t), put, wire.ReadIndex)
	require.NoError(t, err)
	hangs.Store(true)
	for asked := 2; asked <= 3; asked++ {
		ctx, cancel := context.WithCancel(within(t))
		go func() {
			for leader.received() < asked && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		_, err = c.Do(ctx, put, wire.ReadIndex)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, asked, leader.received())
	}
	r, err := c.Do(within(t), put, wire.ReadIndex)
	require.NoError(t, err)
	require.Equal(t, raft.NodeID(3), r.Node)
}
