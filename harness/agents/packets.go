package agents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"github.com/ordeal-dev/ordeal/nemesis/qdisc"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// shapes are the links that are shaped now. A packet queue shapes what arrives, as it is cut; traffic control what is sent.
type shapes struct {
	mu      sync.Mutex // one change at a time
	links   []nemesis.ShapedLink
	unknown bool // the last change failed half way

	able *agent.Able // what the kernel has, once an agent was asked: they share it
}

// mechanisms asks an agent once what the kernel has. The caller holds mu.
func (n *Network) mechanisms(ctx context.Context) (*agent.Able, error) {
	if n.shapes.able != nil {
		return n.shapes.able, nil
	}
	m, err := n.options.At(n.options.Nodes[0])
	if err != nil {
		return nil, err
	}
	able, err := m.Agent.Able(ctx)
	if err != nil {
		return nil, n.explain(ctx, m, err)
	}
	n.shapes.able = &able
	return n.shapes.able, nil
}

// whySent tells why traffic control cannot do what the shape says; nil: it can.
func whySent(able *agent.Able, s nemesis.Shape) error {
	why := "traffic control does nothing of the kind"
	switch qdisc.KindFor(s) {
	case qdisc.Netem:
		why = able.Netem
	case qdisc.TBF:
		why = able.TBF
	}
	if why != "" {
		return errors.New(why)
	}
	return nil
}

// ShapeLinks shapes exactly the given links.
func (n *Network) ShapeLinks(ctx context.Context, links []nemesis.ShapedLink) error {
	nodes := n.options.Nodes
	for _, l := range links {
		if !slices.Contains(nodes, l.From) || !slices.Contains(nodes, l.To) || l.From == l.To {
			return fmt.Errorf("shape %s to %s: not a link between two of the nodes %v", l.From, l.To, nodes)
		}
	}
	members, err := n.all()
	if err != nil {
		return err
	}
	n.shapes.mu.Lock()
	defer n.shapes.mu.Unlock()
	able, err := n.mechanisms(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, m := range members {
		wanted := shapesAt(members, able, links, name)
		if m.Down || !n.shapes.unknown && equalShapes(wanted, shapesAt(members, able, n.shapes.links, name)) {
			continue
		}
		group.Go(func() error { return n.explain(ctx, m, m.Agent.Shape(ctx, wanted)) })
	}
	if err := group.Wait(); err != nil {
		n.shapes.unknown = true
		return err
	}
	n.shapes.links, n.shapes.unknown = slices.Clone(links), false
	return nil
}

// shapesAt is what the node's agent shapes.
func shapesAt(members map[string]Node, able *agent.Able, links []nemesis.ShapedLink, node string) agent.Shapes {
	var all agent.Shapes
	for _, l := range links {
		sent := whySent(able, l.Shape) == nil
		switch {
		case sent && l.From == node:
			all.Sent = append(all.Sent, agent.PeerShape{Name: l.To, Peer: shaping.Peer{Address: members[l.To].Address, Shape: l.Shape}})
		case !sent && l.To == node:
			all.Peers = append(all.Peers, agent.PeerShape{Name: l.From, Peer: shaping.Peer{Address: members[l.From].Address, Shape: l.Shape}})
		}
	}
	return all
}

func equalShapes(a, b agent.Shapes) bool {
	return slices.Equal(a.Peers, b.Peers) && slices.Equal(a.Sent, b.Sent)
}

// reshape shapes again what arrives at a node whose namespace is new, and at the others what it sends.
func (n *Network) reshape(ctx context.Context) error {
	n.shapes.mu.Lock()
	links := n.shapes.links
	n.shapes.unknown = len(links) > 0
	n.shapes.mu.Unlock()
	if len(links) == 0 {
		return nil
	}
	return n.ShapeLinks(ctx, links)
}

// Shaped asks the agents at both ends: either may be the one that shapes a link, and neither may do so when none should.
func (n *Network) Shaped(ctx context.Context, links []nemesis.Link) ([]nemesis.Shaped, error) {
	members, err := n.all()
	if err != nil {
		return nil, err
	}
	answers := n.askShapes(ctx, members, links)
	all := make([]nemesis.Shaped, len(links))
	for i, l := range links {
		from, ok := answers[l.From]
		to, ok2 := answers[l.To]
		if !ok || !ok2 {
			return nil, fmt.Errorf("%s to %s: not a link between two of the nodes %v", l.From, l.To, n.options.Nodes)
		}
		if j := slices.IndexFunc(to.counts.Counts, func(s agent.ShapeCount) bool { return s.Name == l.From }); j >= 0 {
			all[i] = to.counts.Counts[j].Shaped
		} else if j := slices.IndexFunc(from.counts.Sent, func(s agent.ShapeCount) bool { return s.Name == l.To }); j >= 0 {
			all[i] = from.counts.Sent[j].Shaped
		}
		all[i].Link = l
		if err := errors.Join(from.err, to.err); err != nil && all[i].Method == "" {
			all[i].Error = err.Error()
		}
	}
	return all, nil
}

// shapeAnswer is what an agent says of what it shapes.
type shapeAnswer struct {
	counts agent.ShapeCounts
	err    error
}

// askShapes asks the agents at the links' ends, all at once.
func (n *Network) askShapes(ctx context.Context, members map[string]Node, links []nemesis.Link) map[string]shapeAnswer {
	answers := map[string]shapeAnswer{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for node, m := range members {
		if !slices.ContainsFunc(links, func(l nemesis.Link) bool { return l.To == node || l.From == node }) {
			continue
		}
		wait.Go(func() {
			a := shapeAnswer{err: fmt.Errorf("%s and its agent are down", node)}
			if !m.Down {
				a.counts, a.err = m.Agent.Shaped(ctx)
				a.err = n.explain(ctx, m, a.err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[node] = a
		})
	}
	wait.Wait()
	return answers
}

// LacksPackets tells why packets cannot be shaped in this way, after Setup.
func (n *Network) LacksPackets(ctx context.Context, mode string) error {
	n.shapes.mu.Lock()
	defer n.shapes.mu.Unlock()
	able, err := n.mechanisms(ctx)
	if err != nil {
		return err
	}
	sent := whySent(able, nemesis.ShapeFor(mode))
	switch {
	case sent == nil:
		return nil
	case able.Queue != "":
		return fmt.Errorf("%w; and %s", sent, able.Queue)
	case mode == nemesis.Duplication && able.Copies != "":
		return errors.New(able.Copies)
	}
	return nil
}
