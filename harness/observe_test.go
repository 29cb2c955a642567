package harness

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/store"
)

// statusCluster is a memory cluster whose nodes' statuses are servers of their own.
type statusCluster struct {
	*memoryCluster
	servers map[string]*httptest.Server
}

func (c *statusCluster) StatusAddress(node string) string {
	return strings.TrimPrefix(c.servers[node].URL, "http://")
}

func newStatusCluster(t *testing.T, handlers map[string]http.HandlerFunc) *statusCluster {
	c := &statusCluster{newMemoryCluster(t, len(handlers)), map[string]*httptest.Server{}}
	for node, h := range handlers {
		c.servers[node] = httptest.NewServer(h)
		t.Cleanup(c.servers[node].Close)
	}
	return c
}

func answering(status string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, status) }
}

func observing(t *testing.T, c Cluster) (*observer, *store.Run) {
	run, err := store.Create(t.TempDir(), "r", time.Now())
	require.NoError(t, err)
	file, err := run.CreateObservations()
	require.NoError(t, err)
	start := time.Now()
	return newObserver(nil, c, func() time.Duration { return time.Since(start) }, file), run
}

// Whatever a node answers, and however late, the others are observed; what does not answer counts as down.
func TestObserver(t *testing.T) {
	hang := make(chan struct{})
	c := newStatusCluster(t, map[string]http.HandlerFunc{
		"n1": answering(`{"role": "follower", "term": 3, "commit": 7, "applied": 6}`),
		"n2": answering(`{"role": "leader", "term": 4, "commit": 8, "applied": 8}`),
		"n3": answering(`{"role": "leader", "term": 2}`), // has not heard of the new term yet
		"n4": answering(`not json`),
		"n5": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "starting", http.StatusServiceUnavailable) },
		"n6": func(http.ResponseWriter, *http.Request) { <-hang },
	})
	t.Cleanup(func() { close(hang) })
	o, run := observing(t, c)
	for _, node := range c.Nodes() {
		o.note(o.ask(t.Context(), node))
	}
	require.Equal(t, "n2", o.leader(), "the leader of the latest term")
	var terms []uint64
	for _, l := range o.leaders() {
		terms = append(terms, l.Term)
	}
	require.Equal(t, []uint64{2, 4}, terms)
	require.NoError(t, o.err)

	seen, err := run.Observations()
	require.NoError(t, err)
	roles := map[string]string{}
	for _, n := range seen {
		roles[n.Node] = n.Role
	}
	require.Equal(t, map[string]string{"n1": "follower", "n2": "leader", "n3": "leader", "n4": "down", "n5": "down", "n6": "down"}, roles)
}

// The watch over a node goes on until it is ended, and notes changes.
func TestObserverWatches(t *testing.T) {
	var leads atomic.Bool
	c := newStatusCluster(t, map[string]http.HandlerFunc{"n1": func(w http.ResponseWriter, _ *http.Request) {
		role := "follower"
		if leads.Load() {
			role = "leader"
		}
		fmt.Fprintf(w, `{"role": %q, "term": 1}`, role)
	}})
	o, _ := observing(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { o.watch(ctx, "n1"); close(ended) }()
	known := func() bool { o.mu.Lock(); defer o.mu.Unlock(); return len(o.last) > 0 }
	require.Eventually(t, known, time.Minute, time.Millisecond)
	require.Empty(t, o.leader())
	leads.Store(true)
	require.Eventually(t, func() bool { return o.leader() == "n1" }, time.Minute, time.Millisecond)
	cancel()
	<-ended
}

// Only changes are noted, and now and then how far a node is.
func TestObserverNotesChanges(t *testing.T) {
	o, run := observing(t, newMemoryCluster(t, 1))
	for _, n := range []store.Observation{
		{Time: 1, Node: "n1", Role: "down"},
		{Time: 5 * second, Node: "n1", Role: "down"}, // as before
		{Time: 6 * second, Node: "n1", Role: "follower", Term: 1, Commit: 1},
		{Time: 6*second + 1, Node: "n1", Role: "follower", Term: 1, Commit: 2}, // soon after
		{Time: 7 * second, Node: "n1", Role: "follower", Term: 1, Commit: 3},
		{Time: 7*second + 1, Node: "n1", Role: "follower", Term: 2, Commit: 3},
	} {
		o.note(n)
	}
	seen, err := run.Observations()
	require.NoError(t, err)
	var times []time.Duration
	for _, n := range seen {
		times = append(times, n.Time)
	}
	require.Equal(t, []time.Duration{1, 6 * second, 7 * second, 7*second + 1}, times)
}

func TestObserverKeepsItsFirstError(t *testing.T) {
	o, _ := observing(t, newMemoryCluster(t, 1))
	require.NoError(t, o.file.Close())
	o.note(store.Observation{Node: "n1", Role: "down"})
	require.Error(t, o.err)
}

// Leaderships are by term and node, whatever the order in which they are heard of, so that two leaders of a term stand
// side by side.
func TestLeaderships(t *testing.T) {
	var all []store.Leadership
	for _, n := range []store.Observation{
		{Time: 1, Node: "n1", Term: 2}, {Time: 2, Node: "n2", Term: 5}, {Time: 3, Node: "n3", Term: 2}, {Time: 4, Node: "n1", Term: 2},
		{Time: 5, Node: "n4", Term: 3}, {Time: 6, Node: "n4", Term: 2}, {Time: 7, Node: "n3", Term: 2},
	} {
		all = extend(all, n)
	}
	require.Equal(t, []store.Leadership{
		{Term: 2, Node: "n1", Start: 1, End: 4}, {Term: 2, Node: "n3", Start: 3, End: 7}, {Term: 2, Node: "n4", Start: 6, End: 6},
		{Term: 3, Node: "n4", Start: 5, End: 5}, {Term: 5, Node: "n2", Start: 2, End: 2},
	}, all)
	v := judgeNodes(Findings{Leaders: all}, torments{})
	require.Equal(t, "n1 and n3 both led term 2; n3 and n4 both led term 2", v.Reason)
}
