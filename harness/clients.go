package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Crew is what the workers of a run have in common. It is the same on real time and in a simulation.
type Crew struct {
	Clients int           // how many workers there are
	Rate    float64       // operations a second over all of them; 0: as fast as answers come
	Timeout time.Duration // of an operation
	Seed    uint64

	Generator workloads.Generator
	Recorder  Recorder
	Clock     Clock
	// Skip, if not nil, says which of a worker's operations, counted from 0, are left out. The others stay what they are.
	Skip func(worker int, n uint64) bool
}

// Recorder puts operations on record, with the time, which it sets in the event. It keeps no event.
type Recorder interface {
	// Invoke returns when the invocation is on record. Only then may the request leave.
	Invoke(e *history.Event)
	Complete(e *history.Event)
}

// Clock is the time that workers live by.
type Clock interface {
	nemesis.Clock
	// Timeouts makes what bounds the operations of one worker: each ends after d.
	Timeouts(d time.Duration) Timeouts
}

// Timeouts bounds the operations of one worker, one after the other.
type Timeouts interface {
	// Begin is a context for the next operation.
	Begin() context.Context
	// End ends it: the operation is over.
	End()
}

// Worker is one concurrent client. It runs one logical process at a time; after an operation of unknown outcome it goes
// on as a new process, since the old one's operation may still be under way.
type Worker struct {
	number  int
	process int
	crew    *Crew
	client  systems.Client
	rng     *rand.Rand
	timeout Timeouts
	event   history.Event // on its way to the recorder
}

// Worker makes the worker of a number, from 0.
func (c *Crew) Worker(number int, client systems.Client) *Worker {
	return &Worker{number: number, process: number, crew: c, client: client, rng: rand.New(rand.NewPCG(c.Seed, uint64(number))),
		timeout: c.Clock.Timeouts(c.Timeout)}
}

// Patience has each operation from now on end after d, instead of the crew's timeout.
func (w *Worker) Patience(d time.Duration) { w.timeout = w.crew.Clock.Timeouts(d) }

// startWorkers opens a client for each worker; worker i turns to node i (mod nodes) first, so that every node is asked.
func (r *run) startWorkers() ([]*Worker, error) {
	crew := &Crew{Clients: r.test.Clients, Rate: r.test.Rate, Timeout: r.test.OperationTimeout, Seed: r.test.Seed,
		Generator: r.generator, Recorder: r.recorder, Clock: newRealClock(r.recorder.start)}
	addresses, nodes := r.addresses(), r.cluster.Nodes()
	var workers []*Worker
	for i := range r.test.Clients {
		c, err := r.test.System.Open(nodes[i%len(nodes)], addresses)
		if err != nil {
			closeAll(workers)
			return nil, fmt.Errorf("client %d: %w", i, err)
		}
		workers = append(workers, crew.Worker(i, c))
	}
	return workers, nil
}

func (r *run) addresses() map[string]string {
	addresses := map[string]string{}
	for _, node := range r.cluster.Nodes() {
		addresses[node] = r.cluster.ClientAddress(node)
	}
	return addresses
}

func closeAll(workers []*Worker) {
	for _, w := range workers {
		w.client.Close()
	}
}

// work lets the workers do operations until ctx ends, in goroutines of the group. Operations under way go on to their end.
func (r *run) work(ctx context.Context, group *sync.WaitGroup, workers []*Worker) {
	for _, w := range workers {
		r.spawn(group, fmt.Sprintf("client %d", w.number), func() error { w.Work(ctx); return nil })
	}
}

// Work does operations at the crew's rate until ctx ends. The one under way then goes on to its end.
func (w *Worker) Work(ctx context.Context) {
	pace := pacer{interval: w.crew.interval(), rng: w.rng, clock: w.crew.Clock}
	for n := uint64(0); pace.wait(ctx); n++ {
		op := w.crew.Generator.Next(w.number, w.rng)
		if w.crew.Skip != nil && w.crew.Skip(w.number, n) {
			w.crew.Generator.Completed(w.number, op, history.Fail, history.Nil) // it never had an effect
			continue
		}
		w.do(op, pace.late)
	}
}

// longestInterval is far beyond any run.
const longestInterval = 1000 * time.Hour

// interval is the mean time between two operations of one worker; 0: none.
func (c *Crew) interval() time.Duration {
	if c.Rate == 0 {
		return 0
	}
	seconds := min(float64(c.Clients)/c.Rate, longestInterval.Seconds())
	return time.Duration(seconds * float64(time.Second))
}

// Do does one operation, on record, and reports whether it succeeded. It runs to its own timeout whatever else ends: to
// give up earlier would make its outcome unknown without need.
func (w *Worker) Do(op workloads.Operation) bool { return w.do(op, 0) }

func (w *Worker) do(op workloads.Operation, late time.Duration) bool {
	c := w.crew
	w.event = history.Event{Process: w.process, F: op.F, Key: op.Key, Input: op.Input, Late: late}
	c.Recorder.Invoke(&w.event)
	done := known(w.client.Invoke(w.timeout.Begin(), op))
	w.timeout.End()
	w.event = history.Event{Process: w.process, Type: done.Type, F: op.F, Key: op.Key, Output: done.Output,
		Node: done.Node, LogIndex: done.LogIndex, Error: done.Error}
	c.Recorder.Complete(&w.event)
	c.Generator.Completed(w.number, op, done.Type, done.Output)
	if done.Type == history.Info {
		w.process += c.Clients
	}
	return done.Type == history.OK
}

// known is the completion with an outcome that there is: what an adapter does not tell is unknown.
func known(c systems.Completion) systems.Completion {
	switch c.Type {
	case history.OK, history.Fail, history.Info:
		return c
	}
	return systems.Completion{Type: history.Info, Node: c.Node, Error: fmt.Sprintf("the client reported an outcome that does not exist (%v): %s", c.Type, c.Error)}
}

// pacer spreads a worker's operations in time at random (a Poisson process), so that workers do not march in step. The rate is an open
// one: when an operation is due does not depend on how long earlier ones took. What is due while the worker is busy begins as soon as
// it is free, and is late: its latency counts from when it was due, and nothing is left out.
type pacer struct {
	interval time.Duration
	rng      *rand.Rand
	clock    nemesis.Clock
	begun    bool
	due      time.Duration
	late     time.Duration // of the operation that wait returned for
}

// wait returns when the next operation is due, or false when ctx ended.
func (p *pacer) wait(ctx context.Context) bool {
	if p.interval == 0 {
		return ctx.Err() == nil
	}
	if !p.begun {
		p.begun, p.due = true, p.clock.Now()
	}
	p.due += time.Duration(p.rng.ExpFloat64() * float64(p.interval))
	if p.clock.Sleep(ctx, p.due-p.clock.Now()) != nil {
		return false
	}
	p.late = max(0, p.clock.Now()-p.due)
	return true
}
