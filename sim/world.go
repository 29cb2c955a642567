package sim

import (
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/raft"
)

// world is a run: everything in it happens in one thread, in the order of the queue.
type world struct {
	options Options
	plan    Plan
	decider Decider
	now     time.Duration
	queue   queue
	steps   uint64
	asks    int // for the time, since it last went on
	still   int // steps since then
	hash    uint64

	nodes       []*simNode
	names       []string
	links       [][]link      // by sender and receiver
	calm        bool          // no faults any more: the liveness phase
	onCalm      []func()      // end the faults that stand
	armed       []*armed      // injections that wait for a moment of a node's
	armedDisks  []*armed      // likewise, of its disk's
	successions []*succession // under way
	coroutines  []*coroutine
	current     *coroutine // that runs
	deferred    slots[func()]
	messages    slots[raft.Message]

	record   recorder
	judge    invariants
	coverage Coverage
	faults   map[string]int // by name: how many took place
	crashes  []string       // nodes that ended by themselves without a reason
	problems []string       // what keeps the run from being complete
	err      error          // of the simulator itself
	stack    string         // of a node's panic
}

// slots keeps values that happenings refer to by number.
type slots[T any] struct {
	values []T
	free   []uint32
}

func (s *slots[T]) put(v T) uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		s.values[i] = v
		return i
	}
	s.values = append(s.values, v)
	return uint32(len(s.values) - 1)
}

func (s *slots[T]) take(i uint32) T {
	var none T
	v := s.values[i]
	s.values[i] = none
	s.free = append(s.free, i)
	return v
}

func newWorld(o Options, p Plan) *world {
	w := &world{options: o, plan: p, decider: o.Decider, faults: map[string]int{}}
	if w.decider == nil {
		w.decider = Seeded(p.Seed)
	}
	w.record.world = w
	w.judge = newInvariants(w)
	w.links = make([][]link, p.Nodes)
	for i := range p.Nodes {
		w.links[i] = make([]link, p.Nodes)
		w.names = append(w.names, fmt.Sprintf("n%d", i+1))
		w.nodes = append(w.nodes, newSimNode(w, i))
	}
	return w
}

func (w *world) namesOf(ids []raft.NodeID) []string {
	var names []string
	for _, id := range ids {
		names = append(names, w.names[id-1])
	}
	return names
}

// fail ends the run because the simulator itself is at fault.
func (w *world) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// over reports whether nothing more is to happen.
func (w *world) ended() bool {
	return w.err != nil || len(w.judge.violations) > 0
}

// at has f called at a time.
func (w *world) at(when time.Duration, f func()) {
	w.queue.push(happening{at: max(when, w.now), kind: function, ref: w.deferred.put(f)})
}

// until has things happen until done, or the time, and reports which.
func (w *world) until(limit time.Duration, done func() bool) bool {
	for !w.ended() {
		if done() {
			return true
		}
		if len(w.queue.heap) == 0 || w.queue.heap[0].at > limit {
			w.now = max(w.now, limit)
			return done()
		}
		w.step()
	}
	return false
}

// mostStill is how much may happen while no time passes.
const mostStill = 1 << 19

// step has the next thing happen.
func (w *world) step() {
	h := w.queue.pop()
	if h.at > w.now {
		w.now, w.asks, w.still = h.at, 0, 0
	}
	if w.still++; w.still > mostStill {
		w.fail(fmt.Errorf("sim: time stands still at %v: the plan has clients that do not pause, and a network and disks that take no time; give it a rate, or delays", w.now))
		return
	}
	w.steps++
	w.hash = mix(w.hash, uint64(h.at)<<8^uint64(h.kind)<<4^uint64(uint32(h.node)))
	switch h.kind {
	case delivery:
		w.deliver(w.messages.take(h.ref), h.life)
	case wake:
		if c := w.coroutines[h.node]; c.waits == h.life && !c.done {
			w.resume(c)
		}
	case function:
		w.deferred.take(h.ref)()
	default:
		if n := w.nodes[h.node]; n.life == h.life && n.process != nil {
			n.happens(h)
		}
	}
}
