package harness

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/systems"
)

const (
	observeEvery   = 50 * time.Millisecond
	observeTimeout = time.Second            // a leader that is slow to say so on a busy machine leads all the same, and is to be hit by what aims at it
	maxStatus      = 1 << 20                // bytes of an answer
	refreshEvery   = 250 * time.Millisecond // commit and applied index are noted this often while nothing else changes
)

// leaderRole is the role of a node that leads.
const leaderRole = "leader"

// observer asks every node what it is, all the time: for the record, and for faults that aim at the leader.
type observer struct {
	cluster Cluster
	now     func() time.Duration
	file    *store.Observations
	http    *http.Client
	monitor systems.Monitor // of a system that has one; nil: the nodes' own /status is asked

	mu          sync.Mutex
	last        map[string]store.Observation
	leaderships []store.Leadership // sorted by term
	err         error
}

// nodeStatus is the part of a node's /status that is observed.
type nodeStatus struct {
	Role    string `json:"role"`
	Term    uint64 `json:"term"`
	Commit  uint64 `json:"commit"`
	Applied uint64 `json:"applied"`
}

func newObserver(system systems.System, c Cluster, now func() time.Duration, file *store.Observations) *observer {
	return &observer{monitor: monitorOf(system, c), cluster: c, now: now, file: file, last: map[string]store.Observation{},
		http: &http.Client{Timeout: observeTimeout, Transport: &http.Transport{DisableKeepAlives: false, MaxIdleConnsPerHost: 1}}}
}

// watch observes the node until ctx ends. Each node has its own: one that hangs does not hold up the others.
func (o *observer) watch(ctx context.Context, node string) {
	for ctx.Err() == nil {
		if n := o.ask(ctx, node); ctx.Err() == nil { // an answer cut off by the end says nothing of the node
			o.note(n)
		}
		pause(ctx, observeEvery)
	}
}

func monitorOf(system systems.System, c Cluster) systems.Monitor {
	monitored, ok := system.(systems.Monitored)
	if !ok {
		return nil
	}
	addresses := map[string]string{}
	for _, node := range c.Nodes() {
		addresses[node] = c.StatusAddress(node)
	}
	return monitored.Monitor(addresses)
}

func (o *observer) close() {
	o.http.CloseIdleConnections()
	if o.monitor != nil {
		o.monitor.Close()
	}
}

func (o *observer) ask(ctx context.Context, node string) store.Observation {
	if o.monitor != nil {
		return o.askMonitor(ctx, node)
	}
	s, err := o.status(ctx, node)
	if err != nil {
		return store.Observation{Time: o.now(), Node: node, Role: "down"}
	}
	return store.Observation{Time: o.now(), Node: node, Role: s.Role, Term: s.Term, Commit: s.Commit, Applied: s.Applied}
}

// follower is the role of a node that answers and does not lead, where no more is known.
const follower = "follower"

func (o *observer) askMonitor(ctx context.Context, node string) store.Observation {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	s, err := o.monitor.Status(ctx, node)
	n := store.Observation{Time: o.now(), Node: node, Role: follower, Term: s.Term, Commit: s.Commit, Applied: s.Applied, Loose: s.Loose}
	switch {
	case err != nil:
		return store.Observation{Time: n.Time, Node: node, Role: "down"}
	case s.Leads:
		n.Role = leaderRole
	}
	return n
}

func (o *observer) status(ctx context.Context, node string) (nodeStatus, error) {
	var s nodeStatus
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.cluster.StatusAddress(node)+"/status", nil)
	if err != nil {
		return s, err
	}
	resp, err := o.http.Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s: %s", node, resp.Status)
	}
	return s, json.NewDecoder(io.LimitReader(resp.Body, maxStatus)).Decode(&s)
}

// note keeps what changed.
func (o *observer) note(n store.Observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n.Role == leaderRole && !n.Loose {
		o.leads(n)
	}
	old, known := o.last[n.Node]
	if known && old.Role == n.Role && old.Term == n.Term && (n.Role == "down" || n.Time-old.Time < refreshEvery) {
		return
	}
	o.last[n.Node] = n
	if err := o.file.Write(n); err != nil && o.err == nil {
		o.err = err
	}
}

// leads extends the leadership of n's term.
func (o *observer) leads(n store.Observation) { o.leaderships = extend(o.leaderships, n) }

// extend is the leaderships, sorted by term, with what a leader said. Two leaders of one term must not be: both are kept
// for the judge.
func extend(all []store.Leadership, n store.Observation) []store.Leadership {
	i, _ := slices.BinarySearchFunc(all, n.Term, func(l store.Leadership, term uint64) int { return cmp.Compare(l.Term, term) })
	for ; i < len(all) && all[i].Term == n.Term; i++ {
		if all[i].Node == n.Node {
			all[i].End = n.Time
			return all
		}
	}
	return slices.Insert(all, i, store.Leadership{Term: n.Term, Node: n.Node, Start: n.Time, End: n.Time})
}

// leader is the node that leads the latest term now, "" when none is known to.
func (o *observer) leader() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var latest store.Observation
	for _, n := range o.last {
		if n.Role == leaderRole && (latest.Node == "" || cmp.Or(cmp.Compare(n.Term, latest.Term), cmp.Compare(n.Time, latest.Time)) > 0) {
			latest = n
		}
	}
	return latest.Node
}

func (o *observer) leaders() []store.Leadership {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.leaderships)
}
