package sim

import "time"

// oldLeader is a leader that is made an old one and does not know it.
type oldLeader struct {
	world   *world
	in      *Injection
	node    *simNode
	deaf    *simNode // of the others, who does not hear it from the beginning; nil: nobody
	over    bool
	quiet   bool   // no client reaches it
	severed func() // undoes what cut it off; nil: it is not yet
}

// ageLeader makes a leader an old one that does not know it. What is sent to it takes ever longer, by steps short enough that it always
// hears from a majority in time; when that takes as long as the injection says, nothing that it sends arrives any more. Others
// elect a new leader, and the old one goes on hearing what they told it when it led: it may answer reads by what was true then. A leader
// that does not step down for want of answers needs no steps.
// With a rate, its clock is slow and those of the others are fast by as much, too.
func (w *world) ageLeader(in *Injection, n *simNode) (begin, end func()) {
	o := &oldLeader{world: w, in: in, node: n}
	if others := len(w.nodes) - 1; in.Deaf > 0 && others > 0 {
		o.deaf = w.nodes[(int(n.index)+1+(in.Deaf-1)%others)%len(w.nodes)]
	}
	return o.begin, o.end
}

func (o *oldLeader) begin() {
	o.world.setClocksApart(o.in.Rate, o.node)
	o.deafen(1)
	o.hush(o.deaf != nil)
	if !o.in.Restart {
		o.world.at(o.world.now+o.world.plan.Node.ElectionTimeout*6/5, func() { o.hush(false) })
	}
	if o.world.plan.Node.CheckQuorum {
		o.lag(min(o.step(), o.in.Slowness))
	} else {
		o.lag(o.in.Slowness)
	}
}

func (o *oldLeader) end() {
	o.over = true
	o.slow(0)
	o.deafen(-1)
	o.hush(false)
	if o.severed != nil {
		o.severed()
	}
	o.world.setClocksApart(million, o.node)
}

// step is by how much more what is sent to it may take at once, and how long it is until the next.
func (o *oldLeader) step() time.Duration { return o.world.plan.Node.ElectionTimeout * 2 / 5 }

// links are those to it, or from it.
func (o *oldLeader) links(into bool) (all []*link) {
	for _, other := range o.world.nodes {
		switch {
		case other == o.node:
		case into:
			all = append(all, &o.world.links[other.index][o.node.index])
		default:
			all = append(all, &o.world.links[o.node.index][other.index])
		}
	}
	return all
}

func (o *oldLeader) slow(by time.Duration) {
	for _, l := range o.links(true) {
		l.lag = by
	}
}

func (o *oldLeader) deafen(by int) {
	if o.deaf != nil {
		o.world.links[o.node.index][o.deaf.index].cut += by
	}
}

// hush keeps all clients from it, or no longer: who has not heard it may win an election only as long as there is nothing new in its log.
func (o *oldLeader) hush(quiet bool) {
	switch {
	case quiet:
		o.node.shut(^uint64(0))
	case o.quiet:
		o.node.shunned = 0
	}
	o.quiet = quiet
}

// lag has it hear later, until that is as late as it shall be; then it is cut off.
func (o *oldLeader) lag(by time.Duration) {
	w := o.world
	if o.over {
		return
	}
	o.slow(min(by, o.in.Slowness))
	if by < o.in.Slowness {
		w.at(w.now+o.step(), func() { o.lag(by + o.step()) })
		return
	}
	wait := o.step()
	if o.deaf != nil { // until that one stands for election
		wait += w.plan.Node.ElectionTimeout * 3 / 2
	}
	w.at(w.now+wait, func() {
		if !o.over {
			w.coverage.Count(OldLeaders)
			o.sever()
		}
	})
}

// sever cuts it off.
func (o *oldLeader) sever() {
	cut := o.links(false)
	if o.in.Slowness == 0 { // else what the others say is late enough
		cut = append(cut, o.links(true)...)
	}
	for _, l := range cut {
		l.cut++
	}
	o.hush(false)
	part, unite := func() {}, func() {}
	if o.in.Workers != 0 {
		part, unite = o.world.partClients(o.in, []*simNode{o.node})
	}
	part()
	o.severed = func() {
		for _, l := range cut {
			l.cut--
		}
		unite()
	}
	if o.in.Restart {
		o.restart()
	}
}

// restart has the others start again, but for the deaf one.
func (o *oldLeader) restart() {
	for _, n := range o.world.nodes {
		if n != o.node && n != o.deaf && n.process != nil {
			n.kill(false)
			n.bootIfDown()
		}
	}
}

// setClocksApart has the clocks of all others go at a rate, and that of one node as far on the other side of what is right; 0: as they go.
func (w *world) setClocksApart(rate int64, slow *simNode) {
	if rate == 0 {
		return
	}
	for _, n := range w.nodes {
		if n == slow {
			n.setClock(2*million-rate, 0)
		} else {
			n.setClock(rate, 0)
		}
	}
}
