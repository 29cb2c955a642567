package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Find is a way to find the leader (R14).
type Find uint8

const (
	Redirect Find = iota
	Poll
	HealthCheck
)

// Options say which cluster to talk to and how.
type Options struct {
	// Nodes are the client addresses (host:port) by node.
	Nodes     map[raft.NodeID]string
	ClusterID string // empty: any
	// Home is the node to ask first; 0 takes the lowest id. While nobody is known to lead, each operation goes on where the
	// one before ended, so that in time every node is asked, however soon operations end. Who served last is asked once more.
	Home raft.NodeID
	Find Find
	// CheckInterval is how often HealthCheck asks who leads; 0 takes 100 ms.
	CheckInterval time.Duration
	// Sessions makes transactions take effect once, though they are asked for again until they are answered (thesis 6.3, R21).
	Sessions bool
	// AttemptTimeout bounds one attempt of a transaction that can be repeated; 0 takes 500 ms.
	AttemptTimeout time.Duration
	// DialTimeout bounds one attempt to connect; 0 takes 300 ms.
	DialTimeout time.Duration
	// World is where the client lives; nil: in this process, on its machine's network and clock.
	World World
}

// pause is how long a client waits when nobody is known to lead.
const pause = 20 * time.Millisecond

// Client talks to a cluster. It is safe for concurrent use.
type Client struct {
	options Options
	nodes   []raft.NodeID // sorted

	mu     sync.Mutex
	conns  map[raft.NodeID]Connection
	leader raft.NodeID // best guess; 0: none
	turn   raft.NodeID // whom to ask next where there is no guess
	closed bool

	session clientSession

	stop context.CancelFunc
	wait func() // until the health check has ended
}

// Result is a transaction that took effect at LogIndex.
type Result struct {
	kv.TxnResult
	LogIndex uint64
	Node     raft.NodeID // who answered
}

// Error is why a transaction has no result. With Definite it surely had no effect, now or later; else it may have.
type Error struct {
	Definite bool
	Node     raft.NodeID // whom it was asked last; 0: nobody
	Cause    error
}

func (e *Error) Error() string {
	if e.Definite {
		return fmt.Sprintf("no effect: %v", e.Cause)
	}
	return fmt.Sprintf("outcome unknown: %v", e.Cause)
}

func (e *Error) Unwrap() error { return e.Cause }

// New makes a client. Close it.
func New(o Options) (*Client, error) {
	if len(o.Nodes) == 0 {
		return nil, errors.New("client: no nodes given")
	}
	if o.Home != 0 && o.Nodes[o.Home] == "" {
		return nil, fmt.Errorf("client: node %d is to be asked first, but has no address", o.Home)
	}
	if o.CheckInterval == 0 {
		o.CheckInterval = 100 * time.Millisecond
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = 500 * time.Millisecond
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 300 * time.Millisecond
	}
	if o.World == nil {
		o.World = Machine{}
	}
	c := &Client{options: o, turn: o.Home, conns: map[raft.NodeID]Connection{}, wait: func() {}}
	for id := range o.Nodes {
		c.nodes = append(c.nodes, id)
	}
	slices.Sort(c.nodes)
	if o.Home == 0 {
		c.turn = c.nodes[0]
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	if o.Find == HealthCheck {
		c.wait = o.World.Go(func() { c.keepLeaderFresh(ctx) })
	}
	return c, nil
}

// Close ends all connections.
func (c *Client) Close() {
	c.stop()
	c.mu.Lock()
	c.closed = true
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = map[raft.NodeID]Connection{}
	c.mu.Unlock()
	c.wait()
}

// Do runs a transaction. Attempts go on until one is served, one may have been received, or ctx ends; with Sessions a
// transaction that changes something is asked for again until ctx ends, and takes effect once however often it arrives. A
// non-nil error is an *Error.
func (c *Client) Do(ctx context.Context, t kv.Txn, consistency wire.Consistency) (Result, error) {
	if err := t.Check(); err != nil {
		return Result{}, &Error{Definite: true, Cause: err}
	}
	if c.options.Sessions && !t.ReadOnly() {
		return c.doInSession(ctx, t)
	}
	return c.pursue(ctx, wire.Request{Kind: wire.Transact, Consistency: consistency, Txn: kv.AppendTxn(nil, t)}, false)
}

// pursue asks one node after the other. A request that is not to be repeated is given up when it may have been received.
func (c *Client) pursue(ctx context.Context, q wire.Request, repeat bool) (Result, error) {
	turn, detour := c.first()
	var last error
	received := false // an attempt may have been
	for attempt := 0; ; attempt++ {
		node := cmp.Or(detour, turn)
		if err := c.over(ctx); err != nil {
			return Result{}, &Error{Definite: !received, Node: node, Cause: cmp.Or(last, err)}
		}
		if detour == 0 {
			turn = c.after(turn)
			c.next(turn)
		}
		p, err := c.attempt(ctx, node, q, repeat)
		var notSent ErrNotSent
		switch {
		case errors.As(err, &notSent):
			last = err
		case err != nil:
			received, last = true, err
		case p.Status == wire.NotLeader:
			last = raft.ErrNotLeader{Leader: p.Leader}
		case p.Status == wire.OK:
			return c.finish(node, p, received)
		case p.Status == wire.Refusal && !received: // this attempt had no effect, and there was no other
			c.guess(0)
			return Result{}, &Error{Definite: true, Node: node, Cause: errors.New(p.Error)}
		default:
			received, last = true, errors.New(p.Error)
		}
		if received && !repeat {
			c.guess(0)
			return Result{}, &Error{Node: node, Cause: last}
		}
		if detour = c.detour(ctx, node, p.Leader, attempt); detour == 0 && turn == node {
			turn = c.after(turn) // it has just been asked, as the leader
		}
	}
}

// over says why no further attempt is made; nil: one is.
func (c *Client) over(ctx context.Context) error {
	if c.isClosed() {
		return errClosed
	}
	return ctx.Err()
}

// attempt asks one node. What can be repeated does not wait for one node until the end.
func (c *Client) attempt(ctx context.Context, node raft.NodeID, q wire.Request, repeat bool) (wire.Response, error) {
	if repeat {
		bounded, cancel := c.options.World.WithTimeout(ctx, c.options.AttemptTimeout)
		defer cancel()
		ctx = bounded
	}
	return c.ask(ctx, node, q)
}

// finish reads the result of what was served. An expired session leaves open what became of earlier attempts.
func (c *Client) finish(node raft.NodeID, p wire.Response, received bool) (Result, error) {
	r, err := kv.DecodeResult(p.Result)
	if err != nil {
		return Result{}, &Error{Node: node, Cause: err}
	}
	c.guess(node)
	if r.Expired {
		return Result{}, &Error{Definite: !received, Node: node, Cause: ErrExpired{r.Reason}}
	}
	return Result{TxnResult: r, LogIndex: p.LogIndex, Node: node}, nil
}

var errClosed = errors.New("client is closed")

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// first is whose turn it is, and whom to ask instead, being known to lead; 0: nobody is.
func (c *Client) first() (turn, leader raft.NodeID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turn, c.leader
}

// next has it be a node's turn.
func (c *Client) next(node raft.NodeID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn = node
}

// after is the node after node.
func (c *Client) after(node raft.NodeID) raft.NodeID {
	return c.nodes[(slices.Index(c.nodes, node)+1)%len(c.nodes)]
}

// guess remembers who served, or that nobody is known. An operation whose time is over says little against who served before.
func (c *Client) guess(leader raft.NodeID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn = cmp.Or(leader, c.turn)
	if c.options.Find != HealthCheck {
		c.leader = leader
	}
}

// detour is whom to ask, node not having served, instead of the one whose turn it is; 0: nobody. It waits a little unless there is a
// reason to hurry. A detour takes nobody's turn: a hint that leads nowhere, over and over, must not keep anybody from being asked.
func (c *Client) detour(ctx context.Context, node, hint raft.NodeID, attempt int) raft.NodeID {
	c.guess(0)
	if c.options.Find == Redirect && hint != 0 && hint != node && c.options.Nodes[hint] != "" && attempt%4 != 3 {
		return hint
	}
	if hint == 0 || attempt%len(c.nodes) == len(c.nodes)-1 {
		c.options.World.Sleep(ctx, pause)
	}
	if leader := c.checked(); leader != node {
		return leader
	}
	return 0
}

// checked is the leader that the health check found.
func (c *Client) checked() raft.NodeID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.options.Find == HealthCheck {
		return c.leader
	}
	return 0
}

func (c *Client) ask(ctx context.Context, node raft.NodeID, q wire.Request) (wire.Response, error) {
	conn, err := c.conn(ctx, node)
	if err != nil {
		return wire.Response{}, ErrNotSent{err}
	}
	return conn.Do(ctx, q)
}

// conn is a live connection to node.
func (c *Client) conn(ctx context.Context, node raft.NodeID) (Connection, error) {
	c.mu.Lock()
	conn, closed := c.conns[node], c.closed
	c.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if conn != nil && conn.Err() == nil {
		return conn, nil
	}
	ctx, cancel := c.options.World.WithTimeout(ctx, c.options.DialTimeout)
	defer cancel()
	conn, err := c.options.World.Dial(ctx, c.options.Nodes[node], c.options.ClusterID, node)
	if err != nil {
		return nil, err
	}
	return c.keep(node, conn)
}

// keep stores a new connection, unless another caller was faster or the client is closed.
func (c *Client) keep(node raft.NodeID, conn Connection) (Connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return nil, errClosed
	}
	if old := c.conns[node]; old != nil && old.Err() == nil {
		conn.Close()
		return old, nil
	}
	c.conns[node] = conn
	return conn, nil
}

// keepLeaderFresh asks all nodes who leads until ctx ends.
func (c *Client) keepLeaderFresh(ctx context.Context) {
	for ctx.Err() == nil {
		leader := c.whoLeads(ctx)
		c.mu.Lock()
		c.leader = leader
		c.mu.Unlock()
		c.options.World.Sleep(ctx, c.options.CheckInterval)
	}
}

// whoLeads asks every node and believes the one that says it leads itself; of several, the one of the latest term.
func (c *Client) whoLeads(ctx context.Context) raft.NodeID {
	leader, term := raft.NodeID(0), uint64(0)
	for _, node := range c.nodes {
		asking, cancel := c.options.World.WithTimeout(ctx, c.options.DialTimeout)
		p, err := c.ask(asking, node, wire.Request{Kind: wire.WhoLeads})
		cancel()
		if err == nil && p.Status == wire.OK && p.Term > term {
			leader, term = node, p.Term
		}
	}
	return leader
}
