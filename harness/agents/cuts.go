package agents

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"golang.org/x/sync/errgroup"
)

// cuts are what is cut now. A link is cut where its packets arrive: the sender sees mere loss.
type cuts struct {
	mu      sync.Mutex // one change at a time
	now     cut
	unknown bool   // the last change failed half way: no agent's rules can be taken as known
	reset   string // why connections could not be reset at the last heal; empty if they were
}

// cut is everything that is to be cut at a time.
type cut struct {
	full, data map[nemesis.Link]bool
	deaf       map[string]bool // nodes that clients are kept from
}

// Cut makes exactly the given links pass nothing.
func (n *Network) Cut(ctx context.Context, links []nemesis.Link) error {
	want, err := n.linkSet(links)
	if err != nil {
		return err
	}
	return n.change(ctx, func(now *cut) { now.full = want })
}

// CutData makes exactly the given links pass neither payload nor new connections. What Cut cuts stays as it is.
func (n *Network) CutData(ctx context.Context, links []nemesis.Link) error {
	want, err := n.linkSet(links)
	if err != nil {
		return err
	}
	return n.change(ctx, func(now *cut) { now.data = want })
}

// CutClients keeps clients from exactly the given nodes: nothing reaches their client port, over whatever address.
func (n *Network) CutClients(ctx context.Context, nodes []string) error {
	want := map[string]bool{}
	for _, node := range nodes {
		if _, err := n.options.At(node); err != nil {
			return err
		}
		want[node] = true
	}
	return n.change(ctx, func(now *cut) { now.deaf = want })
}

func (n *Network) linkSet(links []nemesis.Link) (map[nemesis.Link]bool, error) {
	set := map[nemesis.Link]bool{}
	nodes := n.options.Nodes
	for _, l := range links {
		if !slices.Contains(nodes, l.From) || !slices.Contains(nodes, l.To) || l.From == l.To {
			return nil, fmt.Errorf("cut %s to %s: not a link between two of the nodes %s", l.From, l.To, strings.Join(nodes, ", "))
		}
		set[l] = true
	}
	return set, nil
}

// change puts something else in force. Agents that are down are passed over: they are told when they are back.
func (n *Network) change(ctx context.Context, to func(now *cut)) error {
	members, err := n.all()
	if err != nil {
		return err
	}
	n.cuts.mu.Lock()
	defer n.cuts.mu.Unlock()
	before, want := n.cuts.now, n.cuts.now
	to(&want)
	if err := n.apply(ctx, members, want); err != nil {
		n.cuts.unknown = true
		return err
	}
	n.cuts.now, n.cuts.unknown = want, false
	if !n.options.KeepConnections {
		n.resetHealed(ctx, members, before.links(), want.links())
	}
	return nil
}

// links are those that are cut in either way.
func (w cut) links() map[nemesis.Link]bool {
	all := maps.Clone(w.full)
	if all == nil {
		all = map[nemesis.Link]bool{}
	}
	maps.Copy(all, w.data)
	return all
}

// apply has every agent whose rules change put its own in force, all at once. The caller holds cuts.mu.
func (n *Network) apply(ctx context.Context, members map[string]Node, want cut) error {
	group, ctx := errgroup.WithContext(ctx)
	for name, m := range members {
		rules := n.rules(members, want, name)
		if m.Down || !n.cuts.unknown && slices.Equal(rules, n.rules(members, n.cuts.now, name)) {
			continue
		}
		group.Go(func() error { return n.explain(ctx, m, m.Agent.Partition(ctx, rules)) })
	}
	return group.Wait()
}

// rules are what is to be cut at one node, in order.
func (n *Network) rules(members map[string]Node, want cut, node string) []agent.Cut {
	var rules []agent.Cut
	for _, from := range n.options.Nodes {
		link := nemesis.Link{From: from, To: node}
		mode := n.options.Mode
		switch {
		case want.full[link]:
		case want.data[link]:
			mode = netfilter.Data
		default:
			continue
		}
		rules = append(rules, agent.Cut{Name: from, Drop: netfilter.Drop{Direction: netfilter.In, Peer: members[from].Address, Mode: mode}})
	}
	if want.deaf[node] {
		rules = append(rules, agent.Cut{Name: nemesis.Clients, Drop: netfilter.Drop{Direction: netfilter.In, Port: n.options.ClientPort, Mode: netfilter.All}})
	}
	return rules
}

// resetHealed destroys, at both ends, the connections over links that were cut and no longer are. Only now that every
// agent has healed: a redial must not meet a rule that still stands. What cannot be destroyed waits for its own timer,
// which is no error: the run's facts tell it.
func (n *Network) resetHealed(ctx context.Context, members map[string]Node, before, after map[nemesis.Link]bool) {
	peers := map[string]map[netip.Addr]bool{}
	add := func(node, peer string) {
		if peers[node] == nil {
			peers[node] = map[netip.Addr]bool{}
		}
		peers[node][members[peer].Address] = true
	}
	for l := range before {
		if !after[l] {
			add(l.From, l.To)
			add(l.To, l.From)
		}
	}
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for node, addresses := range peers {
		if members[node].Down {
			continue
		}
		wait.Go(func() {
			if _, err := members[node].Agent.Reset(ctx, slices.Collect(maps.Keys(addresses))); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wait.Wait()
	n.cuts.reset = ""
	if err := errors.Join(errs...); err != nil {
		n.cuts.reset = err.Error()
	}
}

// How long a probe is waited for. One on an open link takes about a millisecond; it gets long enough for a busy machine.
const (
	probeMethod = "udp datagram from agent to agent"
	cutWait     = 200 * time.Millisecond
	openWait    = 400 * time.Millisecond // each of openTries, the datagram is sent again in between
	openTries   = 6
)

// Probe sends a datagram over each link, from agent to agent, and asks the receiver for it. Links that ought to be open
// are tried again for some seconds, because a datagram may be lost to mere load.
func (n *Network) Probe(ctx context.Context, links []nemesis.Link) ([]nemesis.Probe, error) {
	members, err := n.all()
	if err != nil {
		return nil, err
	}
	n.cuts.mu.Lock()
	cut := n.cuts.now.links()
	n.cuts.mu.Unlock()
	probes := make([]*linkProbe, len(links))
	for i, l := range links {
		if members[l.From].Agent == nil || members[l.To].Agent == nil {
			return nil, fmt.Errorf("probe %s to %s: the nodes are %s", l.From, l.To, strings.Join(n.options.Nodes, ", "))
		}
		probes[i] = &linkProbe{link: l, nonce: rand.Text(), expectCut: cut[l], pending: true}
		for _, end := range []string{l.From, l.To} {
			if members[end].Down {
				probes[i].pending, probes[i].err = false, fmt.Errorf("%s and its agent are down", end)
			}
		}
	}
	for try := 0; try < openTries; try++ {
		n.sendProbes(ctx, members, probes)
		n.awaitProbes(ctx, members, probes)
		if !undecided(probes) {
			break
		}
	}
	counts := n.countStopped(ctx, members, probes)
	results := make([]nemesis.Probe, len(probes))
	for i, p := range probes {
		results[i] = p.result(counts)
	}
	return results, ctx.Err()
}

// linkProbe is one link's probe while it is under way.
type linkProbe struct {
	link      nemesis.Link
	nonce     string
	expectCut bool
	pending   bool // to be sent and waited for in this try
	crossed   bool
	err       error
}

// undecided takes the probes that are decided out of the next try and tells whether any is left.
func undecided(probes []*linkProbe) bool {
	left := false
	for _, p := range probes {
		p.pending = p.pending && !p.crossed && !p.expectCut && p.err == nil
		left = left || p.pending
	}
	return left
}

// byNode groups the pending probes by one end of their links.
func byNode(probes []*linkProbe, end func(nemesis.Link) string) map[string][]*linkProbe {
	groups := map[string][]*linkProbe{}
	for _, p := range probes {
		if p.pending {
			groups[end(p.link)] = append(groups[end(p.link)], p)
		}
	}
	return groups
}

func (n *Network) sendProbes(ctx context.Context, members map[string]Node, probes []*linkProbe) {
	var wait sync.WaitGroup
	for from, ps := range byNode(probes, func(l nemesis.Link) string { return l.From }) {
		wait.Go(func() {
			targets := make([]agent.Target, len(ps))
			for i, p := range ps {
				to := members[p.link.To]
				targets[i] = agent.Target{Nonce: p.nonce, Address: netip.AddrPortFrom(to.Address, to.ProbePort)}
			}
			failed, err := members[from].Agent.Send(ctx, targets)
			err = n.explain(ctx, members[from], err)
			for _, p := range ps {
				p.err = err
				// A rule on the sender's side shows as EPERM: then it did not cross, and that is the answer.
				if why := failed[p.nonce]; why != "" && !strings.Contains(why, syscall.EPERM.Error()) {
					p.err = errors.New(why)
				}
			}
		})
	}
	wait.Wait()
}

func (n *Network) awaitProbes(ctx context.Context, members map[string]Node, probes []*linkProbe) {
	var wait sync.WaitGroup
	for to, ps := range byNode(probes, func(l nemesis.Link) string { return l.To }) {
		for _, expectCut := range []bool{false, true} {
			wait.Go(func() { n.await(ctx, members[to], ps, expectCut) })
		}
	}
	wait.Wait()
}

func (n *Network) await(ctx context.Context, to Node, ps []*linkProbe, expectCut bool) {
	limit := openWait
	if expectCut {
		limit = cutWait
	}
	var nonces []string
	for _, p := range ps {
		if p.expectCut == expectCut && p.err == nil {
			nonces = append(nonces, p.nonce)
		}
	}
	if len(nonces) == 0 {
		return
	}
	received, err := to.Agent.Received(ctx, nonces, limit)
	err = n.explain(ctx, to, err)
	for _, p := range ps {
		if p.expectCut != expectCut || p.err != nil {
			continue
		}
		_, p.crossed = received[p.nonce]
		p.err = err
	}
}

// countStopped asks every receiver what it has dropped, by link.
func (n *Network) countStopped(ctx context.Context, members map[string]Node, probes []*linkProbe) map[nemesis.Link]uint64 {
	receivers := map[string]bool{}
	for _, p := range probes {
		if p.expectCut && !members[p.link.To].Down {
			receivers[p.link.To] = true
		}
	}
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		total = map[nemesis.Link]uint64{}
	)
	for to := range receivers {
		wait.Go(func() {
			counts, err := members[to].Agent.Counters(ctx)
			if err != nil {
				return // the probe itself has its answer; the counter is evidence besides
			}
			mu.Lock()
			defer mu.Unlock()
			for _, n := range counts {
				if n.Direction == netfilter.In {
					total[nemesis.Link{From: n.Name, To: to}] += n.Packets
				}
			}
		})
	}
	wait.Wait()
	return total
}

func (p *linkProbe) result(counts map[nemesis.Link]uint64) nemesis.Probe {
	r := nemesis.Probe{Link: p.link, Crossed: p.crossed, Stopped: counts[p.link], Unit: "packets", Method: probeMethod}
	if p.err != nil {
		r.Error = p.err.Error()
	}
	return r
}
