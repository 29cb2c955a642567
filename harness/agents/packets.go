package agents

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"github.com/ordeal-dev/ordeal/nemesis/nfqueue"
)

// shapes are the links that are shaped now. A link is shaped where its packets arrive, as it is cut.
type shapes struct {
	mu      sync.Mutex // one change at a time
	links   []nemesis.ShapedLink
	unknown bool // the last change failed half way
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
	group, ctx := errgroup.WithContext(ctx)
	for name, m := range members {
		peers := peersOf(members, links, name)
		if m.Down || !n.shapes.unknown && slices.Equal(peers, peersOf(members, n.shapes.links, name)) {
			continue
		}
		group.Go(func() error { return n.explain(ctx, m, m.Agent.Shape(ctx, peers)) })
	}
	if err := group.Wait(); err != nil {
		n.shapes.unknown = true
		return err
	}
	n.shapes.links, n.shapes.unknown = slices.Clone(links), false
	return nil
}

// peersOf are the peers whose packets are shaped where they arrive at the node.
func peersOf(members map[string]Node, links []nemesis.ShapedLink, node string) []agent.PeerShape {
	var peers []agent.PeerShape
	for _, l := range links {
		if l.To == node {
			peers = append(peers, agent.PeerShape{Name: l.From, Peer: nfqueue.Peer{Address: members[l.From].Address, Shape: l.Shape}})
		}
	}
	return peers
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

// Shaped asks the receivers' agents.
func (n *Network) Shaped(ctx context.Context, links []nemesis.Link) ([]nemesis.Shaped, error) {
	members, err := n.all()
	if err != nil {
		return nil, err
	}
	type answer struct {
		counts []agent.ShapeCount
		err    error
	}
	answers := map[string]answer{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, node := range n.options.Nodes {
		if !slices.ContainsFunc(links, func(l nemesis.Link) bool { return l.To == node }) {
			continue
		}
		wait.Go(func() {
			var a answer
			if a.err = fmt.Errorf("%s and its agent are down", node); !members[node].Down {
				a.counts, a.err = members[node].Agent.Shaped(ctx)
				a.err = n.explain(ctx, members[node], a.err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[node] = a
		})
	}
	wait.Wait()
	all := make([]nemesis.Shaped, len(links))
	for i, l := range links {
		a, ok := answers[l.To]
		if !ok {
			return nil, fmt.Errorf("there is no node %q: the nodes are %v", l.To, n.options.Nodes)
		}
		if j := slices.IndexFunc(a.counts, func(s agent.ShapeCount) bool { return s.Name == l.From }); j >= 0 {
			all[i] = a.counts[j].Shaped
		}
		all[i].Link = l
		if a.err != nil {
			all[i].Error = a.err.Error()
		}
	}
	return all, nil
}
