package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/raft"
)

// memberPause is how long whoever changes the members waits before it asks again.
const memberPause = 100 * time.Millisecond

// changeMembers removes nodes from the cluster, and adds them again at the end.
func (w *world) changeMembers(in *Injection, targets []*simNode) (begin, end func()) {
	over := false
	begin = func() { w.askForChange(targets, false, in.Old, func() bool { return over || w.calm }) }
	return begin, func() {
		over = true
		w.askForChange(targets, true, false, func() bool { return w.calm })
	}
}

// askForChange asks who leads for a change until all targets are voters, or none is. With old it asks all who hold themselves for leaders.
func (w *world) askForChange(targets []*simNode, in, old bool, over func() bool) {
	var ask func()
	ask = func() {
		if over() || w.isSo(targets, in) {
			return
		}
		for _, leader := range w.leadersFor(old) {
			if !leader.paused {
				leader.process.Do(func(d *node.Driver) { w.proposeChange(d, targets, in) })
				leader.turnSoon()
			}
		}
		w.at(w.now+memberPause, ask)
	}
	ask()
}

// leadersFor are the latest leader, or with old all who hold themselves for leaders.
func (w *world) leadersFor(old bool) (leaders []*simNode) {
	latest := w.leader()
	for _, n := range w.nodes {
		if n == latest || old && n.process != nil && n.follow.role == raft.Leader {
			leaders = append(leaders, n)
		}
	}
	return leaders
}

// isSo reports whether the latest leader has all targets as voters, or none, and no change under way. A target that is to be in
// has to run.
func (w *world) isSo(targets []*simNode, in bool) bool {
	leader := w.leader()
	if leader == nil {
		return false
	}
	st, _ := leader.process.Driver().Brief()
	c := st.Configuration
	so := !c.Joint() && len(c.Learners) == 0
	for _, n := range targets {
		so = so && contains(c.Voters, n.id) == in
		if in && n.process == nil && contains(c.Members(), n.id) {
			n.bootIfDown()
		}
	}
	return so
}

// proposeChange is in the leader's turn.
func (w *world) proposeChange(d *node.Driver, targets []*simNode, in bool) {
	if w.calm {
		return
	}
	st, _ := d.Brief()
	q := node.MembersRequest{Add: map[string]string{}}
	for _, n := range targets {
		voter := contains(st.Configuration.Voters, n.id)
		switch {
		case in && !voter:
			q.Add[strconv.Itoa(int(n.id))] = n.name() + ":7000"
		case !in && voter:
			q.Remove = append(q.Remove, n.id)
		}
	}
	if len(q.Add)+len(q.Remove) == 0 || len(q.Remove) >= len(st.Configuration.Voters) {
		return
	}
	target, err := q.Target(st.Configuration)
	if err != nil {
		return
	}
	d.ChangeMembers(target, func(error) {}) // whatever comes of it, it is asked for again until it is so
}

// transfer has the leader hand leadership to another voter; an old injection asks for any member, which may be refused.
func (w *world) transfer(in *Injection) {
	leader := w.leader()
	if leader == nil {
		return
	}
	c := Choice{Kind: Target, Seq: uint64(in.ID)}
	leader.process.Do(func(d *node.Driver) {
		st, _ := d.Brief()
		to := st.Configuration.Voters
		if in.Old {
			to = st.Configuration.Members()
		}
		if others := slices.DeleteFunc(slices.Clone(to), func(id raft.NodeID) bool { return contains(st.Configuration.Voters, id) }); len(others) > 0 {
			to = others
		}
		_ = d.TransferLeadership(to[w.decider.Draw(c, uint64(len(to)))]) // a leader that cannot does not
	})
	leader.turnSoon()
}
