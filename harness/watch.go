package harness

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

const watchEvery = 200 * time.Millisecond

// processWatch notices nodes that end without having been killed by the nemesis: a crash is a finding, whatever clients
// saw.
type processWatch struct {
	cluster Cluster
	now     func() time.Duration

	mu      sync.Mutex
	crashes []string
	foreign []string         // kills that were not the nemesis's
	killed  map[string]int   // node to the number of the start that the nemesis killed
	noted   map[string]int   // node to the number of the start whose end was noted
	blind   map[string]error // nodes whose process could not be looked at the last time
}

func newProcessWatch(c Cluster, now func() time.Duration) *processWatch {
	return &processWatch{cluster: c, now: now, killed: map[string]int{}, noted: map[string]int{}, blind: map[string]error{}}
}

// killed is how a process ends that somebody killed.
const killed = "signal: killed"

func (w *processWatch) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.lookAll(ctx)
		pause(ctx, watchEvery)
	}
}

func (w *processWatch) lookAll(ctx context.Context) {
	for _, node := range w.cluster.Nodes() {
		w.look(ctx, node)
	}
}

func (w *processWatch) look(ctx context.Context, node string) {
	state, err := w.cluster.Process(ctx, node)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.blind[node] = err
		return
	}
	delete(w.blind, node)
	if state.Running || state.Ended == "" || w.noted[node] == state.Starts {
		return
	}
	w.noted[node] = state.Starts
	at := w.now().Round(time.Millisecond)
	switch {
	case state.Ended != killed:
		w.crashes = append(w.crashes, fmt.Sprintf("%s ended by itself before %v (%s); its log says why", node, at, state.Ended))
	case w.killed[node] != state.Starts:
		w.foreign = append(w.foreign, fmt.Sprintf("%s was killed before %v, and not by the nemesis: did the machine run out of memory?", node, at))
	}
}

// kills notes that the nemesis is about to kill the node's process, if it runs.
func (w *processWatch) kills(ctx context.Context, node string) {
	state, err := w.cluster.Process(ctx, node)
	if err != nil || !state.Running {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.killed[node] = state.Starts
}

// found are the crashes so far, in words.
func (w *processWatch) found() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.crashes)
}

// doubts are what keeps the watch from vouching for the processes.
func (w *processWatch) doubts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	doubts := slices.Clone(w.foreign)
	for _, node := range w.cluster.Nodes() {
		if err := w.blind[node]; err != nil {
			doubts = append(doubts, fmt.Sprintf("nobody can tell whether %s ended by itself: %v", node, err))
		}
	}
	return doubts
}

// watched is the cluster as the nemesis gets it. A node that ended by itself is noted before it is started again, since
// nothing is left to be seen of it after.
type watched struct {
	nemesis.World
	watch *processWatch
}

func (w watched) Kill(ctx context.Context, node string) error {
	w.watch.kills(ctx, node)
	return w.World.Kill(ctx, node)
}

func (w watched) Start(ctx context.Context, node string) error {
	w.watch.look(ctx, node)
	return w.World.Start(ctx, node)
}
