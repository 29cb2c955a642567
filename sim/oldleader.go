package sim

import "time"

// ageLeader makes a leader an old one that does not know it. What is sent to it takes ever longer, by steps short enough that it always
// hears from a majority in time; when that takes as long as the injection says, nothing that it sends arrives any more. Others
// elect a new leader, and the old one goes on hearing what they told it when it led: it may answer reads by what was true then. A leader
// that does not step down for want of answers needs no steps.
// With a rate, its clock is slow and those of the others are fast by as much, too.
func (w *world) ageLeader(in *Injection, n *simNode) (begin, end func()) {
	over, cut := false, false
	step := w.plan.Node.ElectionTimeout * 2 / 5
	links := func(into bool) (all []*link) {
		for _, other := range w.nodes {
			switch {
			case other == n:
			case into:
				all = append(all, &w.links[other.index][n.index])
			default:
				all = append(all, &w.links[n.index][other.index])
			}
		}
		return all
	}
	sever := func(by int) {
		cut = by > 0
		for _, l := range links(false) {
			l.cut += by
		}
		for _, l := range links(true) {
			if in.Slowness == 0 { // else what the others say is late enough
				l.cut += by
			}
		}
	}
	var lag func(by time.Duration)
	lag = func(by time.Duration) {
		if over {
			return
		}
		for _, l := range links(true) {
			l.lag = min(by, in.Slowness)
		}
		if by < in.Slowness {
			w.at(w.now+step, func() { lag(by + step) })
			return
		}
		w.at(w.now+step, func() {
			if !over {
				w.coverage.Count(OldLeaders)
				sever(1)
			}
		})
	}
	begin = func() {
		w.setClocksApart(in.Rate, n)
		if w.plan.Node.CheckQuorum {
			lag(min(step, in.Slowness))
		} else {
			lag(in.Slowness)
		}
	}
	return begin, func() {
		over = true
		for _, l := range links(true) {
			l.lag = 0
		}
		if cut {
			sever(-1)
		}
		w.setClocksApart(million, n)
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
