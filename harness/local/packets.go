package local

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Cut makes exactly the given links pass nothing.
func (c *Cluster) Cut(ctx context.Context, links []nemesis.Link) error {
	if err := c.isUp(); err != nil {
		return err
	}
	if c.inside != nil {
		return c.inside.Cut(ctx, links)
	}
	return c.cut(ctx, func() { c.full = slices.Clone(links) })
}

// CutData makes exactly the given links pass no data. A userspace link carries nothing but data: acknowledgements belong to the kernel's
// connections on either side of it.
func (c *Cluster) CutData(ctx context.Context, links []nemesis.Link) error {
	if err := c.isUp(); err != nil {
		return err
	}
	if c.inside != nil {
		return c.inside.CutData(ctx, links)
	}
	return c.cut(ctx, func() { c.data = slices.Clone(links) })
}

func (c *Cluster) cut(ctx context.Context, change func()) error {
	c.cutting.Lock()
	defer c.cutting.Unlock()
	change()
	if c.network == nil {
		return noLinks(slices.Concat(c.full, c.data))
	}
	return c.network.Cut(ctx, slices.Concat(c.full, c.data))
}

// ShapeLinks shapes exactly the given links.
func (c *Cluster) ShapeLinks(ctx context.Context, links []nemesis.ShapedLink) error {
	if err := c.isUp(); err != nil {
		return err
	}
	if c.inside != nil {
		return c.inside.ShapeLinks(ctx, links)
	}
	if c.network == nil {
		return noLinks(links)
	}
	return c.network.ShapeLinks(ctx, links)
}

// Shaped tells what was done to each link.
func (c *Cluster) Shaped(ctx context.Context, links []nemesis.Link) ([]nemesis.Shaped, error) {
	if err := c.isUp(); err != nil {
		return nil, err
	}
	if c.inside != nil {
		return c.inside.Shaped(ctx, links)
	}
	if c.network == nil {
		return nil, noLinks(links)
	}
	return c.network.Shaped(ctx, links)
}

// Lacks tells which modes of faults cannot be done to plain processes.
func (c *Cluster) Lacks(ctx context.Context, fault, mode string) error {
	if c.links == Namespaces {
		return c.lacksInside(ctx, fault, mode)
	}
	if fault == nemesis.Partition && mode == nemesis.ClientsMode {
		return errors.New("userspace links are between nodes: clients reach them without one: use --links namespaces or --cluster docker")
	}
	if c.options.System != nil && (fault == nemesis.Partition || fault == nemesis.PacketTrouble) {
		return fmt.Errorf("nodes of %s call each other by one address each, which userspace links cannot give them: use --links namespaces or --cluster docker", c.options.System.Name())
	}
	if fault == nemesis.PacketTrouble && (mode == nemesis.Duplication || mode == nemesis.Reordering) {
		return errors.New("the links of local processes are streams, in which nothing comes twice or in another order: use --links namespaces, or --cluster docker or sim")
	}
	return nil
}
