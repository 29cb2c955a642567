package shrink

import (
	"slices"

	"github.com/ordeal-dev/ordeal/sim"
)

// plainer are changes to a plan that make it simpler without taking an event away. Each reports whether it changes anything.
var plainer = []func(p *sim.Plan) bool{
	func(p *sim.Plan) bool { return zero(&p.Network.Jitter) },
	func(p *sim.Plan) bool { return zero(&p.Disk.TurnTime) },
	func(p *sim.Plan) bool { return zero(&p.Network.Encoded) },
	func(p *sim.Plan) bool { return zero(&p.Network.Unordered) },
	func(p *sim.Plan) bool { return zero(&p.Node.SnapshotEntries) },
	func(p *sim.Plan) bool { return zero(&p.Node.ClockDrift) },
	func(p *sim.Plan) bool { return zero(&p.Client.Sessions) },
}

func zero[T comparable](field *T) bool {
	var none T
	changed := *field != none
	*field = none
	return changed
}

// plainness is how many of the changes are made.
func (c *Case) plainness() int {
	n := 0
	for _, change := range plainer {
		p := c.Plan
		if !change(&p) {
			n++
		}
	}
	return n
}

// simplify makes the plan simpler where the violation stays, and the run shorter.
func (s *shrinker) simplify() {
	for _, change := range plainer {
		c := s.best
		if change(&c.Plan) {
			s.try(c)
		}
	}
	for s.best.Plan.Duration > s.best.Plan.Node.ElectionTimeout {
		c := s.best
		c.Plan.Duration /= 2
		if !s.try(c) {
			return
		}
	}
}

// without is the case without a node, if none of its faults needs that one. The nodes after it move up.
func (c Case) without(node int) Case {
	moved := func(id int) int {
		if id > node {
			return id - 1
		}
		return id
	}
	c.Plan = clonePlan(c.Plan)
	c.Plan.Nodes--
	c.Faults = slices.Clone(c.Faults)
	kept := c.Faults[:0]
	for _, f := range c.Faults {
		from, to := aboutNodes(f.Kind)
		if from && int(f.From) == node || to && int(f.To) == node {
			continue
		}
		if from {
			f.From = int32(moved(int(f.From)))
		}
		if to {
			f.To = int32(moved(int(f.To)))
		}
		kept = append(kept, f)
	}
	c.Faults = kept
	for i := range c.Plan.Injections {
		in := &c.Plan.Injections[i]
		aimed := len(in.Nodes) == 0 && len(in.Links) == 0
		in.Nodes = slices.DeleteFunc(in.Nodes, func(id int) bool { return id == node })
		for j := range in.Nodes {
			in.Nodes[j] = moved(in.Nodes[j])
		}
		in.Links = slices.DeleteFunc(in.Links, func(l [2]int) bool { return l[0] == node || l[1] == node })
		for j, l := range in.Links {
			in.Links[j] = [2]int{moved(l[0]), moved(l[1])}
		}
		if !aimed && len(in.Nodes) == 0 && len(in.Links) == 0 {
			c.Faults = slices.DeleteFunc(c.Faults, func(f Fault) bool { return f.Kind == sim.Inject && f.Seq == uint64(in.ID) })
		}
	}
	return c
}

// clonePlan copies a plan with all that this package changes in it.
func clonePlan(p sim.Plan) sim.Plan {
	p.Injections = slices.Clone(p.Injections)
	for i := range p.Injections {
		in := &p.Injections[i]
		in.Nodes, in.Links = slices.Clone(in.Nodes), slices.Clone(in.Links)
	}
	return p
}

// aboutNodes tells which fields of a fault name nodes.
func aboutNodes(k sim.ChoiceKind) (from, to bool) {
	switch k {
	case sim.LoseMessage, sim.DelayMessage, sim.RepeatMessage, sim.OvertakeMessage:
		return true, true
	case sim.LosePower, sim.FailSync, sim.SlowSync:
		return true, false
	case sim.BreakConnection:
		return false, true
	}
	return false, false
}
