package ordeal

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// fakeNode speaks the node's side of the protocol: it answers as it is told, or not at all.
type fakeNode struct {
	listener net.Listener
	answer   func() (wire.Response, bool) // false: none

	mu    sync.Mutex
	asked int
}

func startFake(t *testing.T, answer func() (wire.Response, bool)) *fakeNode {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &fakeNode{listener: l, answer: answer}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go n.serve(conn)
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return n
}

func (n *fakeNode) serve(conn net.Conn) {
	defer conn.Close()
	h, err := wire.ReadHello(conn)
	if err != nil || wire.WriteHello(conn, wire.Hello{Purpose: wire.ForClient, From: h.To}) != nil {
		return
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
		n.mu.Lock()
		n.asked++
		n.mu.Unlock()
		p, answered := n.answer()
		if !answered {
			continue
		}
		p.ID = q.ID
		b, start := wire.BeginFrame(nil)
		if _, err := conn.Write(wire.EndFrame(wire.AppendResponse(b, p), start)); err != nil {
			return
		}
	}
}

func (n *fakeNode) requests() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func holding(value string) func() (wire.Response, bool) {
	result := kv.AppendResult(nil, kv.TxnResult{Applied: true, Results: []kv.Result{{Found: true, Value: []byte(value)}}})
	return func() (wire.Response, bool) { return wire.Response{Status: wire.OK, LogIndex: 7, Result: result}, true }
}

func refusing(leader raft.NodeID) func() (wire.Response, bool) {
	return func() (wire.Response, bool) { return wire.Response{Status: wire.NotLeader, Leader: leader}, true }
}

func silent() (wire.Response, bool) { return wire.Response{}, false }

// openAt is a client at home on n1; n2 leads.
func openAt(t *testing.T, n1, n2 *fakeNode) systems.Client {
	c, err := System{}.Open("n1", map[string]string{"n1": n1.listener.Addr().String(), "n2": n2.listener.Addr().String()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func do(t *testing.T, c systems.Client, f string) systems.Completion {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return c.Invoke(ctx, workloads.Operation{F: f, Key: "k", Input: history.Int(1)})
}

// Reads go home first every time, also after the leader has become known: what every node would answer is seen.
func TestReadsGoHomeFirst(t *testing.T) {
	home, leader := startFake(t, refusing(2)), startFake(t, holding("5"))
	c := openAt(t, home, leader)
	for range 3 {
		done := do(t, c, "get")
		require.Equal(t, systems.Completion{Type: history.OK, Output: history.Int(5), Node: "n2", LogIndex: 7}, done)
	}
	require.GreaterOrEqual(t, home.requests(), 3)

	stale := startFake(t, holding("4"))
	c = openAt(t, stale, leader)
	require.Equal(t, systems.Completion{Type: history.OK, Output: history.Int(4), Node: "n1", LogIndex: 7}, do(t, c, "get"), "the checker is to see it")
}

// Writes go to the leader once it is known.
func TestWritesFollowTheLeader(t *testing.T) {
	home, leader := startFake(t, refusing(2)), startFake(t, holding("5"))
	c := openAt(t, home, leader)
	for range 3 {
		require.Equal(t, history.OK, do(t, c, "put").Type)
	}
	require.Equal(t, 1, home.requests())
	require.Equal(t, 3, leader.requests())
}

// A home that does not answer, or is not there, costs a read only time. Writes are not tried twice.
func TestReadsLeaveAHomeThatIsSilent(t *testing.T) {
	leader := startFake(t, holding("5"))
	for name, home := range map[string]*fakeNode{"silent": startFake(t, silent), "gone": startFake(t, silent)} {
		c := openAt(t, home, leader)
		if name == "gone" {
			home.listener.Close()
		}
		// The client library asks its first node too; by then it is known to lead.
		c.(*storeClient).client = openAt(t, leader, leader).(*storeClient).client
		require.Equal(t, history.OK, do(t, c, "get").Type, name)
	}
}

func TestAClosedClientDoesNothing(t *testing.T) {
	home := startFake(t, holding("5"))
	c := openAt(t, home, home)
	require.Equal(t, history.OK, do(t, c, "get").Type)
	c.Close()
	c.Close()
	require.Equal(t, history.Fail, do(t, c, "get").Type)
}
