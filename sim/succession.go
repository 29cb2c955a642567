package sim

import (
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/raft"
)

// succession has leaders follow one another so that nothing is committed, until what the first has lost comes back: it leads on with too few
// others who hear it, the witnesses; the one elected by the rest is heard by the first alone, whose log it cuts; the first is elected again
// and heard by nobody, while clients that find it write at the places of what it has lost; at last a witness is elected, and commits that.
type succession struct {
	world     *world
	in        *Injection
	first     *simNode
	witnesses []*simNode // as many as keep the rest from electing anyone without the first or one of them
	rest      []*simNode
	second    *simNode // that the rest elects
	stage     int
	cut       []*link
}

// Stages of a succession.
const (
	stageNone     = iota
	stageAlone    // the first leads with its witnesses
	stageUsurped  // the second leads, and the first hears it
	stageReturns  // the first is to be elected by the rest
	stageRecovers // a witness is to be
)

// succeed begins a succession with a leader. In a cluster of less than five there is none: the witnesses and the first would be a majority.
func (w *world) succeed(in *Injection, leader *simNode) (begin, end func()) {
	s := &succession{world: w, in: in, first: leader}
	n := len(w.nodes)
	for i := range n - 1 {
		other := w.nodes[(int(leader.index)+1+(in.Deaf+i)%(n-1))%n]
		if len(s.witnesses) < n-n/2-2 {
			s.witnesses = append(s.witnesses, other)
		} else {
			s.rest = append(s.rest, other)
		}
	}
	if len(s.witnesses) == 0 {
		return nil, nil
	}
	return s.begin, s.end
}

func (s *succession) begin() {
	s.world.successions = append(s.world.successions, s)
	s.enter(stageAlone, append([]*simNode{s.first}, s.witnesses...), s.rest)
}

func (s *succession) end() {
	s.enter(stageNone, s.world.nodes)
	s.world.successions = slices.DeleteFunc(s.world.successions, func(other *succession) bool { return other == s })
}

// enter begins a stage: whoever is in no group, or in another, is not heard.
func (s *succession) enter(stage int, groups ...[]*simNode) {
	for _, l := range s.cut {
		l.cut--
	}
	s.stage, s.cut = stage, s.cut[:0]
	for _, a := range s.world.nodes {
		for _, b := range s.world.nodes {
			together := slices.ContainsFunc(groups, func(g []*simNode) bool { return slices.Contains(g, a) && slices.Contains(g, b) })
			if a != b && !together {
				l := &s.world.links[a.index][b.index]
				l.cut++
				s.cut = append(s.cut, l)
			}
		}
	}
}

// elected is told of a new leader, as soon as its own code has returned: what it has sent already is not heard.
func (s *succession) elected(n *simNode) {
	switch {
	case s.stage == stageAlone && slices.Contains(s.rest, n):
		s.second = n
		s.rest = slices.DeleteFunc(s.rest, func(other *simNode) bool { return other == n })
		s.enter(stageUsurped, []*simNode{s.first, n})
		s.awaitCut()
	case s.stage == stageReturns && n == s.first:
		s.world.coverage.Count(Successions)
		s.enter(stageRecovers, append(slices.Clone(s.witnesses), s.rest...))
	}
}

// awaitCut waits until the first has taken what the second has, and then has the rest elect it.
func (s *succession) awaitCut() {
	if s.stage != stageUsurped {
		return
	}
	if f := &s.first.follow; s.first.process != nil && f.role == raft.Follower && f.chain[len(f.chain)-1].term == s.second.follow.term {
		s.enter(stageReturns, append([]*simNode{s.first}, s.rest...))
		return
	}
	s.world.at(s.world.now+s.world.plan.Node.Heartbeat/2, s.awaitCut)
}

// newLeader tells the successions under way of it.
func (w *world) newLeader(n *simNode) {
	for _, s := range w.successions {
		w.at(w.now, func() { s.elected(n) })
	}
}

// successionTime is how long each operation of a run with a succession may take, in election timeouts: who has written to the first waits
// there until it is elected again.
const successionTime = 6

// succession draws a run's succession.
func (d *drawing) succession(p *Plan) {
	election := p.Node.ElectionTimeout
	p.Workers += 4 + d.IntN(6)
	p.Timeout = max(p.Timeout, election*time.Duration(successionTime+d.IntN(6)))
	if d.IntN(4) > 0 {
		p.Client.Sessions = false // who has a session asks elsewhere after a while
	}
	p.Rate *= float64(1 + d.IntN(4)) // three have to have written to the first
	d.add(p, Injection{At: d.between(election/4, 3*election), For: 12 * election, Fault: FaultSuccession, Deaf: d.IntN(p.Nodes)})
}

// splitChange draws a change of members by which the new voters are no majority of the old ones, and parts these from the others as soon as
// somebody knows of it: the old ones can elect a leader still who does not.
func (d *drawing) splitChange(p *Plan) {
	election := p.Node.ElectionTimeout
	least := (p.Nodes + 1) / 2
	in := Injection{At: d.between(election/2, max(p.Duration/2, election)), For: 12 * election, Fault: FaultMembership,
		Nodes: d.drawNodes(p, least+d.IntN(p.Nodes-1-least))}
	d.add(p, in)
	d.add(p, Injection{At: in.At, For: d.between(3*election, 10*election), Fault: FaultPartition, Ways: waysNewVoters, When: MomentJoint})
	d.apart(p, Injection{At: in.At, When: MomentJoint})
	p.Workers += d.IntN(8)
	if p.Node.ClockDrift == 0 && d.IntN(3) > 0 {
		p.Node.CheckQuorum = false // or who hears no majority of the old ones does not lead for long
	}
}
