package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/history"
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
	addresses := map[string]string{}
	for _, node := range r.cluster.Nodes() {
		addresses[node] = r.cluster.ClientAddress(node)
	}
	nodes := r.cluster.Nodes()
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

func closeAll(workers []*worker) {
	for _, w := range workers {
		w.client.Close()
	}
}

// work lets the workers do operations until ctx ends. Operations under way are waited for.
func (r *run) work(ctx context.Context, workers []*worker) {
	var group sync.WaitGroup
	for _, w := range workers {
		group.Go(func() { w.work(ctx) })
	}
	group.Wait()
}

func (w *worker) work(ctx context.Context) {
	pace := pacer{interval: w.run.interval(), rng: w.rng}
	for pace.wait(ctx) {
		w.do(w.run.generator.Next(w.number, w.rng))
	}
}

// interval is the mean time between two operations of one worker; 0: none.
func (r *run) interval() time.Duration {
	if r.test.Rate == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) * float64(r.test.Clients) / r.test.Rate)
}

// do does one operation, on record, and reports whether it succeeded. It runs to its own timeout whatever else ends: to
// give up earlier would make its outcome unknown without need.
func (w *worker) do(op workloads.Operation) bool {
	w.run.recorder.invoke(history.Event{Process: w.process, F: op.F, Key: op.Key, Input: op.Input})
	ctx, cancel := context.WithTimeout(context.Background(), w.run.test.OperationTimeout)
	done := w.client.Invoke(ctx, op)
	cancel()
	w.run.recorder.complete(history.Event{Process: w.process, Type: done.Type, F: op.F, Key: op.Key, Output: done.Output,
		Node: done.Node, LogIndex: done.LogIndex, Error: done.Error})
	w.run.generator.Completed(w.number, op, done.Type, done.Output)
	if done.Type == history.Info {
		w.process += w.run.test.Clients
	}
	return done.Type == history.OK
}

// pacer spreads a worker's operations in time at random (a Poisson process), so that workers do not march in step.
type pacer struct {
	interval time.Duration
	rng      *rand.Rand
	due      time.Time
}

// wait returns when the next operation is due, or false when ctx ended.
func (p *pacer) wait(ctx context.Context) bool {
	if p.interval == 0 {
		return ctx.Err() == nil
	}
	if p.due.IsZero() {
		p.due = time.Now()
	}
	p.due = p.due.Add(time.Duration(p.rng.ExpFloat64() * float64(p.interval)))
	if late := time.Since(p.due); late > time.Second {
		p.due = time.Now() // after a long operation, do not make up for it in a burst
	}
	timer := time.NewTimer(time.Until(p.due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
