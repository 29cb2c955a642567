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

// worker is one concurrent client. It runs one logical process at a time; after an operation of unknown outcome it goes
// on as a new process, since the old one's operation may still be under way.
type worker struct {
	number  int
	process int
	run     *run
	client  systems.Client
	rng     *rand.Rand
}

// startWorkers opens a client for each worker; worker i turns to node i (mod nodes) first, so that every node is asked.
func (r *run) startWorkers() ([]*worker, error) {
	addresses, nodes := r.addresses(), r.cluster.Nodes()
	var workers []*worker
	for i := range r.test.Clients {
		c, err := r.test.System.Open(nodes[i%len(nodes)], addresses)
		if err != nil {
			closeAll(workers)
			return nil, fmt.Errorf("client %d: %w", i, err)
		}
		workers = append(workers, &worker{number: i, process: i, run: r, client: c, rng: rand.New(rand.NewPCG(r.test.Seed, uint64(i)))})
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

func closeAll(workers []*worker) {
	for _, w := range workers {
		w.client.Close()
	}
}

// work lets the workers do operations until ctx ends, in goroutines of the group. Operations under way go on to their end.
func (r *run) work(ctx context.Context, group *sync.WaitGroup, workers []*worker) {
	for _, w := range workers {
		r.spawn(group, fmt.Sprintf("client %d", w.number), func() error { w.work(ctx); return nil })
	}
}

func (w *worker) work(ctx context.Context) {
	pace := pacer{interval: w.run.interval(), rng: w.rng, clock: nemesis.NewClock(w.run.recorder.start)}
	for pace.wait(ctx) {
		w.do(w.run.generator.Next(w.number, w.rng))
	}
}

// longestInterval is far beyond any run.
const longestInterval = 1000 * time.Hour

// interval is the mean time between two operations of one worker; 0: none.
func (r *run) interval() time.Duration {
	if r.test.Rate == 0 {
		return 0
	}
	seconds := min(float64(r.test.Clients)/r.test.Rate, longestInterval.Seconds())
	return time.Duration(seconds * float64(time.Second))
}

// do does one operation, on record, and reports whether it succeeded. It runs to its own timeout whatever else ends: to
// give up earlier would make its outcome unknown without need.
func (w *worker) do(op workloads.Operation) bool {
	w.run.recorder.invoke(history.Event{Process: w.process, F: op.F, Key: op.Key, Input: op.Input})
	ctx, cancel := context.WithTimeout(context.Background(), w.run.test.OperationTimeout)
	done := known(w.client.Invoke(ctx, op))
	cancel()
	w.run.recorder.complete(history.Event{Process: w.process, Type: done.Type, F: op.F, Key: op.Key, Output: done.Output,
		Node: done.Node, LogIndex: done.LogIndex, Error: done.Error})
	w.run.generator.Completed(w.number, op, done.Type, done.Output)
	if done.Type == history.Info {
		w.process += w.run.test.Clients
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

// pacer spreads a worker's operations in time at random (a Poisson process), so that workers do not march in step.
type pacer struct {
	interval time.Duration
	rng      *rand.Rand
	clock    nemesis.Clock
	begun    bool
	due      time.Duration
}

// mostBehind is how far a worker may fall behind its pace before it gives up what it missed: it would make up for a long
// operation in a burst.
const mostBehind = time.Second

// wait returns when the next operation is due, or false when ctx ended.
func (p *pacer) wait(ctx context.Context) bool {
	if p.interval == 0 {
		return ctx.Err() == nil
	}
	if !p.begun {
		p.begun, p.due = true, p.clock.Now()
	}
	p.due += time.Duration(p.rng.ExpFloat64() * float64(p.interval))
	now := p.clock.Now()
	if now-p.due > mostBehind {
		p.due = now
	}
	return p.clock.Sleep(ctx, p.due-now) == nil
}
