package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// clientWorld is where the client library lives in a simulation: the real library, on simulated connections and time.
type clientWorld struct {
	clock
	worker int32 // whose client it is
}

var _ client.World = clientWorld{}

// Sleep implements client.World.
func (c clientWorld) Sleep(ctx context.Context, d time.Duration) { _ = c.clock.Sleep(ctx, d) }

// Go implements client.World.
func (c clientWorld) Go(f func()) (wait func()) {
	w := c.world
	other := w.start(fmt.Sprintf("the client of worker %d", c.worker), f)
	return func() {
		if !other.done && w.current != nil {
			other.after = append(other.after, w.current)
			w.park()
		}
	}
}

// connection is a client's connection to a process.
type connection struct {
	world   *world
	worker  int32
	node    *simNode
	process *process // that it was made to
	err     error
}

var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("connection reset by peer")
	errClosed  = errors.New("connection closed by this client")
)

// Dial implements client.World. It takes a round trip.
func (c clientWorld) Dial(ctx context.Context, _, _ string, id raft.NodeID) (client.Connection, error) {
	w := c.world
	n := w.nodes[id-1]
	n.taps++
	if err := c.clock.Sleep(ctx, 2*w.clientDelay(c.worker, n)); err != nil {
		return nil, err
	}
	for n.paused || n.hidden { // nobody answers the hello
		if err := c.clock.Sleep(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if n.process == nil || n.shuns(c.worker) {
		return nil, errRefused
	}
	return &connection{world: w, worker: c.worker, node: n, process: n.process}, nil
}

// clientDelay is how long something takes between a client and a node.
func (w *world) clientDelay(worker int32, n *simNode) time.Duration {
	return w.plan.Network.Delay/2 + w.jitter(Choice{From: ^worker, To: int32(n.id), Seq: n.taps}, w.plan.Network.Jitter)
}

// Err implements client.Connection.
func (c *connection) Err() error {
	if c.err == nil && (c.node.process != c.process || c.node.shuns(c.worker)) {
		c.err = errReset
	}
	return c.err
}

// shuns reports whether a worker's client does not reach the node.
func (n *simNode) shuns(worker int32) bool { return n.shunned>>(uint32(worker)%64)&1 == 1 }

// partClients keeps some clients from the targets, and with the way "in" the others from all other nodes.
func (w *world) partClients(in *Injection, targets []*simNode) (begin, end func()) {
	shunned := func(n *simNode) uint64 {
		switch {
		case slices.Contains(targets, n):
			return in.Workers
		case in.Ways == "in":
			return ^in.Workers
		}
		return 0
	}
	begin = func() {
		for _, n := range w.nodes {
			n.shut(shunned(n))
		}
	}
	return begin, func() {
		for _, n := range w.nodes {
			n.shunned &^= shunned(n)
		}
	}
}

// shut keeps clients from the node, and breaks their connections.
func (n *simNode) shut(workers uint64) {
	n.shunned |= workers
	if n.process == nil {
		return
	}
	calls := n.process.calls
	for _, id := range slices.Sorted(maps.Keys(calls)) {
		if k := calls[id]; n.shuns(k.connection.worker) {
			delete(calls, id)
			k.end(nil, errReset)
		}
	}
}

// Close implements client.Connection.
func (c *connection) Close() {
	if c.err == nil {
		c.err = errClosed
	}
}

// call is a request under way. It takes its own answer.
type call struct {
	connection *connection
	waiter     *coroutine // nil: nobody waits any more
	ended      bool
	response   []byte // as it is on the wire
	asked      asked  // for the invariants
	err        error
}

// Do implements client.Connection.
func (c *connection) Do(ctx context.Context, q wire.Request) (wire.Response, error) {
	w := c.world
	if err := w.over(ctx); err != nil {
		return wire.Response{}, client.ErrNotSent{Cause: err}
	}
	if err := c.Err(); err != nil {
		return wire.Response{}, client.ErrNotSent{Cause: err}
	}
	c.node.taps++
	p := c.process
	p.lastCall++
	q.ID = p.lastCall
	k := &call{connection: c, waiter: w.current}
	breaks := w.fault(BreakConnection, Choice{From: c.worker, To: int32(c.node.id), Seq: c.node.taps}, w.plan.Client.Breaks, 3)
	frame := wire.AppendRequest(nil, q)
	arrival := w.now + w.clientDelay(c.worker, c.node)
	if breaks == 3 {
		w.at(arrival, func() { k.end(nil, errReset) })
		arrival += w.plan.Timeout / 2
	}
	w.at(arrival, func() { k.arrive(frame, breaks) })
	for deadline := deadlineOf(ctx); !k.ended; {
		if err := w.over(ctx); err != nil {
			k.waiter = nil
			return wire.Response{}, fmt.Errorf("no answer: %w", err)
		}
		w.parkUntil(deadline)
	}
	if k.err != nil {
		return wire.Response{}, fmt.Errorf("connection lost while waiting: %w", k.err)
	}
	return wire.DecodeResponse(k.response)
}

// arrive gives the request to the process.
func (k *call) arrive(frame []byte, breaks uint64) {
	c := k.connection
	w, p := c.world, c.process
	if c.node.hidden { // nothing comes through, and nothing tells
		return
	}
	if c.node.process != p || breaks == 1 || c.node.shuns(c.worker) {
		k.end(nil, errReset)
		return
	}
	q, err := wire.DecodeRequest(frame)
	if err != nil {
		w.fail(fmt.Errorf("a client's request cannot be read: %w", err))
		return
	}
	p.calls[q.ID] = k
	r := node.Request{ID: q.ID, From: k, Kind: q.Kind, Consistency: q.Consistency, Command: q.Txn}
	w.judge.asks(k, &r)
	p.Take(r)
	c.node.turnSoon()
	if breaks == 2 {
		delete(p.calls, q.ID)
		k.end(nil, errReset)
	}
}

// Answer implements node.Answerer, in the node's turn.
func (k *call) Answer(r wire.Response) {
	c := k.connection
	c.world.judge.answers(k, &r)
	delete(c.process.calls, r.ID)
	if k.ended || k.waiter == nil {
		return
	}
	w := c.world
	c.node.taps++
	frame := wire.AppendResponse(nil, r)
	w.at(w.now+w.clientDelay(c.worker, c.node), func() {
		if !c.node.hidden && !k.ended {
			k.end(frame, nil)
		}
	})
}

func (k *call) end(response []byte, err error) {
	if k.ended {
		return
	}
	if err != nil && k.connection.err == nil {
		k.connection.err = err
	}
	k.ended, k.response, k.err = true, response, err
	if k.waiter != nil {
		k.connection.world.wakeUp(k.waiter)
	}
}

// breakCalls ends the connections to a process that is gone. What it had not answered nobody knows.
func (w *world) breakCalls(p *process) {
	for _, id := range slices.Sorted(maps.Keys(p.calls)) {
		k := p.calls[id]
		w.at(w.now+w.plan.Network.Delay, func() { k.end(nil, errReset) })
	}
	p.calls = nil
}
