package ordeal

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/raft"
)

// freeAddress is a host:port that nobody listens on, below the ports that outgoing connections take.
func freeAddress() string {
	for {
		address := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(22_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
}

// trio is three servers in this process, n1 to n3.
type trio struct {
	t       *testing.T
	ctx     context.Context
	options map[string]node.Options
	http    map[string]string
	mu      sync.Mutex
	ended   map[string]bool
	all     sync.WaitGroup
}

type nodeOptions = node.Options

func startTrio(t *testing.T) *trio { return startTrioWith(t, func(string, *nodeOptions) {}) }

func startTrioWith(t *testing.T, change func(name string, o *nodeOptions)) *trio {
	ctx, cancel := context.WithCancel(context.Background())
	c := &trio{t: t, ctx: ctx, options: map[string]node.Options{}, http: map[string]string{}, ended: map[string]bool{}}
	t.Cleanup(func() { cancel(); c.all.Wait() })
	peers := map[raft.NodeID]string{1: freeAddress(), 2: freeAddress(), 3: freeAddress()}
	for id, peer := range peers {
		name := nodeName(id)
		c.http[name] = freeAddress()
		o := node.Options{ID: id, ClusterID: "test", Data: t.TempDir(), ListenPeer: peer, ListenClient: "127.0.0.1:0", ListenHTTP: c.http[name],
			Peers: peers, Heartbeat: 20 * time.Millisecond, ElectionTimeout: 200 * time.Millisecond, PreVote: true, CheckQuorum: true,
			Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		change(name, &o)
		c.options[name] = o
	}
	for name := range peers {
		c.start(nodeName(name))
	}
	return c
}

func (c *trio) members() nemesis.Members {
	m, err := System{}.Administer(c.http)
	require.NoError(c.t, err)
	return m
}

func (c *trio) start(name string) {
	s, err := node.Open(c.options[name])
	require.NoError(c.t, err)
	c.set(name, false)
	c.all.Go(func() {
		err := s.Run(c.ctx)
		c.set(name, err == nil)
	})
}

func (c *trio) set(name string, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended[name] = ended
}

func (c *trio) hasEnded(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended[name]
}

// await waits for a leader of whom the condition is true, and names it.
func (c *trio) await(m nemesis.Members, what string, holds func(nemesis.Membership) bool) (leader string) {
	require.Eventually(c.t, func() bool {
		for name := range c.http {
			v, err := m.Membership(c.ctx, name)
			if err == nil && v.Leads && holds(v) {
				leader = name
				return true
			}
		}
		return false
	}, time.Minute, 5*time.Millisecond, what)
	return leader
}

// A removed node stops by itself; with its old data it comes back once it was asked for again.
func TestMembersOfARealCluster(t *testing.T) {
	c := startTrio(t)
	m, err := System{}.Administer(c.http)
	require.NoError(t, err)
	leader := c.await(m, "a leader", func(v nemesis.Membership) bool { return len(v.Voters) == 3 })
	other := map[string]string{"n1": "n2", "n2": "n3", "n3": "n1"}[leader]

	require.Eventually(t, func() bool { return m.TransferLeadership(t.Context(), other) == nil }, time.Minute, 5*time.Millisecond)
	require.Eventually(t, func() bool { return c.await(m, "a leader", func(nemesis.Membership) bool { return true }) == other }, time.Minute, 5*time.Millisecond)

	for _, gone := range []string{other, leader} { // the leader itself, then another
		c.await(m, "two voters", func(v nemesis.Membership) bool {
			if len(v.Voters) == 3 { // asked for again where a new leader takes no change yet, or the answer of one that stops is lost
				_ = m.ChangeMembers(t.Context(), nil, []string{gone})
			}
			return len(v.Voters) == 2 && !v.Joint
		})
		require.Eventually(t, func() bool { return c.hasEnded(gone) }, time.Minute, 5*time.Millisecond, "it is told, and stops")
		_, err := m.Membership(t.Context(), gone)
		require.Error(t, err)

		require.Eventually(t, func() bool {
			return m.ChangeMembers(t.Context(), []string{gone}, nil) == nil
		}, time.Minute, 20*time.Millisecond)
		c.await(m, "a learner", func(v nemesis.Membership) bool { return len(v.Learners) == 1 && v.Learners[0] == gone })
		c.start(gone)
		require.Eventually(t, func() bool {
			if c.hasEnded(gone) { // told so by one who did not know better
				c.start(gone)
			}
			v, err := m.Membership(t.Context(), gone)
			return err == nil && len(v.Voters) == 3 && !v.Joint && len(v.Learners) == 0
		}, time.Minute, 5*time.Millisecond)
	}
}

// What cannot be done is said with the node's own reason.
func TestMembersErrors(t *testing.T) {
	_, err := System{}.Administer(map[string]string{"one": "127.0.0.1:1"})
	require.ErrorContains(t, err, "names are n1, n2")

	m, err := System{}.Administer(map[string]string{"n1": freeAddress()})
	require.NoError(t, err)
	require.ErrorContains(t, m.ChangeMembers(t.Context(), nil, []string{"n1"}), "no node says that it leads")
	require.ErrorContains(t, m.TransferLeadership(t.Context(), "n1"), "no node says that it leads")

	c := startTrio(t)
	addresses := map[string]string{"n4": freeAddress()}
	for name, address := range c.http {
		addresses[name] = address
	}
	m, err = System{}.Administer(addresses)
	require.NoError(t, err)
	leader := c.await(m, "a leader", func(nemesis.Membership) bool { return true })
	require.ErrorContains(t, m.TransferLeadership(t.Context(), leader), "it must be another voter")
	require.ErrorContains(t, m.ChangeMembers(t.Context(), []string{"n4"}, nil), "start it with --peer 4=HOST:PORT")
	require.ErrorContains(t, m.ChangeMembers(t.Context(), nil, []string{"n4"}), "no such member")
}
