package nemesis

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ShapeLinks keeps the shapes, with counts of its own for each link. Probes are the packets.
func (w *modelWorld) ShapeLinks(ctx context.Context, links []ShapedLink) error {
	if err := w.call(ctx, "shape %d links", len(links)); err != nil {
		return err
	}
	healing := len(links) < len(w.shapes)
	switch {
	case w.broken("shape fails") && len(links) > 0:
		return errors.New("operation not permitted")
	case w.broken("shape does nothing") && !healing, w.broken("shape stays") && healing:
		return nil
	}
	before := w.shapes
	w.shapes = map[Link]*Shaped{}
	for i, l := range links {
		if w.broken("shape forgets a link") && i == 0 {
			continue
		}
		w.shapes[l.Link] = &Shaped{Link: l.Link, Shape: l.Shape}
		if was := before[l.Link]; was != nil && was.Shape == l.Shape {
			w.shapes[l.Link] = was
		}
	}
	return nil
}

// feel is one packet on the link. A shape does to every second one what it does to some.
func (w *modelWorld) feel(l Link) {
	s := w.shapes[l]
	if s == nil || w.broken("shape is not felt") {
		return
	}
	second := (s.Passed+s.Lost)%2 == 1
	if s.Shape.Loss > 0 && second {
		s.Lost++
		return
	}
	s.Passed++
	if s.Shape.Delay > 0 {
		s.Delayed++
		s.Held = s.Shape.Delay
	}
	if s.Shape.Reorder > 0 && second {
		s.Reordered++
	}
	if s.Shape.Duplicate > 0 && second {
		s.Duplicated++
	}
	if s.Shape.Rate > 0 && second {
		s.Limited++
	}
}

func (w *modelWorld) Shaped(ctx context.Context, links []Link) ([]Shaped, error) {
	all := make([]Shaped, len(links))
	for i, l := range links {
		all[i] = Shaped{Link: l}
		if s := w.shapes[l]; s != nil {
			all[i] = *s
		}
		all[i].Unit, all[i].Method = "packets", "model"
		if w.broken("shape cannot be read") {
			all[i].Error = fmt.Sprintf("agent of %s does not answer within %v", l.To, time.Second)
		}
	}
	return all, w.call(ctx, "read shapes")
}
