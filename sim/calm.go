package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/raft"
)

// becalm begins the liveness phase: faults outside a random majority become permanent, and the majority is healed. Without that
// phase all are.
func (w *world) becalm() {
	w.calm = true
	for _, heal := range w.onCalm {
		heal()
	}
	for i := range w.links {
		for j := range w.links[i] {
			l := &w.links[i][j]
			l.cut, l.dataCut, l.lag, l.worse = 0, 0, 0, NetworkPlan{}
		}
	}
	survivors := w.survivors()
	for _, n := range w.nodes {
		n.disk, n.held, n.hidden, n.shunned = diskTrouble{}, 0, false, 0
		n.resume()
		n.setClock(million, 0)
		if survivors[n.index] || w.options.NoLiveness {
			n.bootIfDown()
		} else {
			n.held = 1
			n.down("signal: killed")
		}
	}
}

// survivors draws the nodes that live on: enough for a majority of every configuration that may be in force.
func (w *world) survivors() []bool {
	live := make([]bool, len(w.nodes))
	in := func(id raft.NodeID) bool { return live[id-1] }
	order := make([]int, len(w.nodes))
	for i := range order {
		j := int(w.decider.Draw(Choice{Kind: Survivors, Seq: uint64(i)}, uint64(i+1)))
		order[i], order[j] = order[j], i
	}
	for _, i := range order {
		if w.quorumOfAll(in) {
			break
		}
		live[i] = true
	}
	return live
}

// quorumOfAll reports whether the nodes are a quorum of every configuration that some node has in its log.
func (w *world) quorumOfAll(in func(raft.NodeID) bool) bool {
	for _, n := range w.nodes {
		f := &n.follow
		if !suffices(f.first.Configuration, in) {
			return false
		}
		for _, c := range f.configs {
			if !suffices(c.Configuration, in) {
				return false
			}
		}
	}
	return true
}

// suffices reports whether the nodes are a quorum of a configuration, and of what it becomes when its learners are promoted.
func suffices(c raft.Configuration, in func(raft.NodeID) bool) bool {
	return quorum(c, in) && (len(c.Learners) == 0 || majority(slices.Concat(c.Voters, c.Learners), in))
}

// liveLimit is within which time a healed majority has to serve every last read. An election takes two timeouts, and may be
// tied; a learner or a follower that lags has to be sent a snapshot in small chunks.
func (w *world) liveLimit() time.Duration {
	return 200*w.plan.Node.ElectionTimeout + 20*w.plan.Timeout
}

// stand is where every node stands, for people.
func (w *world) stand() string {
	var parts []string
	for _, n := range w.nodes {
		if n.process == nil {
			parts = append(parts, fmt.Sprintf("%s down (%s)", n.name(), n.ended))
			continue
		}
		st, applied := n.process.Driver().Brief()
		parts = append(parts, fmt.Sprintf("%s %v of term %d, log to %d, commit %d, applied %d", n.name(), st.Role, st.Term, st.LastIndex, st.Commit, applied))
	}
	return strings.Join(parts, "; ")
}
