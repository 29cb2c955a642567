package harness

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const watchEvery = 200 * time.Millisecond

// processWatch notices nodes that end without having been killed: a crash is a finding, whatever clients saw.
type processWatch struct {
	cluster Cluster
	now     func() time.Duration

	mu      sync.Mutex
	crashes []string
	seen    map[string]int // node to the number of the start after which a crash was noted
}

func newProcessWatch(c Cluster, now func() time.Duration) *processWatch {
	return &processWatch{cluster: c, now: now, seen: map[string]int{}}
}

// killed is how a process ends that the nemesis killed.
const killed = "signal: killed"

func (w *processWatch) run(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		for _, node := range w.cluster.Nodes() {
			w.look(ctx, node)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *processWatch) look(ctx context.Context, node string) {
	state, err := w.cluster.Process(ctx, node)
	if err != nil || state.Running || state.Ended == killed || state.Ended == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[node] != state.Starts {
		w.seen[node] = state.Starts
		w.crashes = append(w.crashes, fmt.Sprintf("%s ended by itself at %v (%s); its log says why", node, w.now().Round(time.Millisecond), state.Ended))
	}
}

// found are the crashes so far, in words.
func (w *processWatch) found() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.crashes
}
