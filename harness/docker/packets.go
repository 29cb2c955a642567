package docker

import (
	"context"
	"errors"
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
func (c *Cluster) ShapeLinks(ctx context.Context, links []nemesis.ShapedLink) error {
	nodes := c.Nodes()
	for _, l := range links {
		if !slices.Contains(nodes, l.From) || !slices.Contains(nodes, l.To) || l.From == l.To {
			return fmt.Errorf("shape %s to %s: not a link between two of the nodes %v", l.From, l.To, nodes)
		}
	}
	members, err := c.all()
	if err != nil {
		return err
	}
	c.shapes.mu.Lock()
	defer c.shapes.mu.Unlock()
	group, ctx := errgroup.WithContext(ctx)
	for name, m := range members {
		peers := peersOf(members, links, name)
		if m.down || !c.shapes.unknown && slices.Equal(peers, peersOf(members, c.shapes.links, name)) {
			continue
		}
		group.Go(func() error { return c.explain(ctx, m, m.agent.Shape(ctx, peers)) })
	}
	if err := group.Wait(); err != nil {
		c.shapes.unknown = true
		return err
	}
	c.shapes.links, c.shapes.unknown = slices.Clone(links), false
	return nil
}

// peersOf are the peers whose packets are shaped where they arrive at the node.
func peersOf(members map[string]*member, links []nemesis.ShapedLink, node string) []agent.PeerShape {
	var peers []agent.PeerShape
	for _, l := range links {
		if l.To == node {
			peers = append(peers, agent.PeerShape{Name: l.From, Peer: nfqueue.Peer{Address: members[l.From].ip, Shape: l.Shape}})
		}
	}
	return peers
}

// reshape shapes again what arrives at a node whose container was started anew, and at the others what it sends.
func (c *Cluster) reshape(ctx context.Context) error {
	c.shapes.mu.Lock()
	links := c.shapes.links
	c.shapes.unknown = len(links) > 0
	c.shapes.mu.Unlock()
	if len(links) == 0 {
		return nil
	}
	return c.ShapeLinks(ctx, links)
}

// Shaped asks the receivers' agents.
func (c *Cluster) Shaped(ctx context.Context, links []nemesis.Link) ([]nemesis.Shaped, error) {
	members, err := c.all()
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
	for _, node := range c.Nodes() {
		if !slices.ContainsFunc(links, func(l nemesis.Link) bool { return l.To == node }) {
			continue
		}
		wait.Go(func() {
			var a answer
			if a.err = fmt.Errorf("the container of %s is down", node); !members[node].down {
				a.counts, a.err = members[node].agent.Shaped(ctx)
				a.err = c.explain(ctx, members[node], a.err)
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
			return nil, fmt.Errorf("there is no node %q: the nodes are %v", l.To, c.Nodes())
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

// lacksPackets tells why packets cannot be shaped in this way, after Setup.
func (c *Cluster) lacksPackets(ctx context.Context, mode string) error {
	m, err := c.member(c.Nodes()[0]) // they share a kernel
	if err != nil {
		return err
	}
	able, err := m.agent.Able(ctx)
	if err != nil {
		return c.explain(ctx, m, err)
	}
	if able.Queue != "" {
		return errors.New(able.Queue)
	}
	if mode == nemesis.Duplication && able.Copies != "" {
		return errors.New(able.Copies)
	}
	return nil
}
