package sim

import (
	"cmp"
	"slices"

	"github.com/ordeal-dev/ordeal/raft"
	"github.com/ordeal-dev/ordeal/store"
)

// turned checks a node after its thread has turned.
func (v *invariants) turned(n *simNode, st raft.Status, applied uint64) {
	f := &n.follow
	if st.Term < f.term {
		v.broken("terms grow", n, "goes back from term %d to %d", f.term, st.Term)
	}
	if st.Role != f.role || st.Term != f.term {
		v.changedRole(n, st)
	}
	if st.LastIndex != f.last() {
		v.broken("log matching", n, "has a log up to entry %d, and what it wrote ends with %d", st.LastIndex, f.last())
	}
	f.role, f.term = st.Role, st.Term
	switch {
	case st.Commit < f.commit:
		v.broken("commit index grows", n, "goes back from commit index %d to %d", f.commit, st.Commit)
	case st.Commit > f.commit:
		v.committing(n, st)
	}
	switch {
	case applied < f.applied:
		v.broken("applied index grows", n, "goes back from applied index %d to %d", f.applied, applied)
	case applied > st.Commit:
		v.broken("state machine safety", n, "has applied entry %d, and committed up to %d", applied, st.Commit)
	}
	f.applied = applied
	f.inForce = f.newest()
	v.promises(n, st)
}

func (v *invariants) changedRole(n *simNode, st raft.Status) {
	w, f := v.world, &n.follow
	w.tell(Event{At: w.now, Kind: RoleChanged, Node: n.id, Term: st.Term, Text: st.Role.String()})
	if f.role == raft.Leader {
		v.dethrone(n, f.term)
	}
	if f.role == raft.Leader && st.Term > f.term {
		w.coverage.Count(LeaderDeposed)
	}
	switch st.Role {
	case raft.Candidate:
		w.moment(MomentStands, n)
		return
	case raft.Follower:
		return
	}
	w.moment(MomentLeads, n)
	w.newLeader(n)
	w.coverage.Count(LeadersElected)
	v.reigns = append(v.reigns, store.Leadership{Term: st.Term, Node: n.name(), Start: w.now, End: never})
	for _, other := range w.nodes {
		if other != n && other.process != nil && other.follow.role == raft.Leader {
			w.coverage.Count(StaleLeader)
			break
		}
	}
	v.leads(n, st.Term)
	v.electable(n, st)
	v.complete(n, st)
}

// dethrone notes when a leadership has ended.
func (v *invariants) dethrone(n *simNode, term uint64) {
	for i := len(v.reigns) - 1; i >= 0; i-- {
		if r := &v.reigns[i]; r.Term == term && r.Node == n.name() && r.End == never {
			r.End = v.world.now
			return
		}
	}
}

// leaderships are those that there were, by term.
func (v *invariants) leaderships() []store.Leadership {
	all := slices.Clone(v.reigns)
	for i := range all {
		all[i].End = min(all[i].End, v.world.now)
	}
	slices.SortStableFunc(all, func(a, b store.Leadership) int { return cmp.Compare(a.Term, b.Term) })
	return all
}

// complete checks a new leader: what was committed in earlier terms is in its log (leader completeness).
func (v *invariants) complete(n *simNode, st raft.Status) {
	for i := len(v.commits) - 1; i >= 0; i-- {
		c := v.commits[i]
		if c.term >= st.Term {
			continue // a leader that learns late that it was elected once: others have led since
		}
		if c.index < n.follow.base {
			return
		}
		if k, ok := n.follow.at(c.index); !ok || k.hash != c.hash {
			v.broken("leader completeness", n, "leads term %d without entry %d, which was committed in term %d", st.Term, c.index, c.term)
		}
		return
	}
}

// committing checks what a node takes for committed: the same as all others, and durable on a majority.
func (v *invariants) committing(n *simNode, st raft.Status) {
	w, f := v.world, &n.follow
	from := f.commit + 1
	f.commit = st.Commit
	w.tell(Event{At: w.now, Kind: Committed, Node: n.id, Term: st.Term, Index: st.Commit})
	if st.Commit > f.last() {
		v.broken("state machine safety", n, "has commit index %d, and a log that ends with %d", st.Commit, f.last())
		return
	}
	for index := max(from, f.base); index <= st.Commit; index++ {
		if index == 0 {
			continue
		}
		k, _ := f.at(index)
		for uint64(len(v.committed)) <= index {
			v.committed = append(v.committed, 0)
		}
		switch known := v.committed[index]; {
		case known == 0:
			v.committed[index] = k.hash
			if v.refused[k.hash] {
				v.revives(n, index, k.term)
			}
		case known != k.hash:
			v.broken("state machine safety", n, "commits another entry %d (of term %d) than another node", index, k.term)
			return
		}
	}
	v.committedMore(n, st, from)
}

// committedMore looks at a commit that is the first of its entries.
func (v *invariants) committedMore(n *simNode, st raft.Status, from uint64) {
	if len(v.commits) > 0 && st.Commit <= v.commits[len(v.commits)-1].index {
		return
	}
	w, f := v.world, &n.follow
	last, _ := f.at(st.Commit)
	before := uint64(0)
	if len(v.commits) > 0 {
		before = v.commits[len(v.commits)-1].index
	}
	v.commits = append(v.commits, commit{st.Term, st.Commit, last.hash})
	if first, ok := f.at(before + 1); ok && first.term < st.Term {
		w.coverage.Count(CommitOfEarlierTerm)
	}
	for _, c := range f.configs {
		if c.index > before && c.index <= st.Commit {
			w.coverage.Count(ConfigurationsChanged)
		}
	}
	if st.Role != raft.Leader {
		return // it has heard of it from a leader that has not told us yet, having gone in the same turn
	}
	if last.term != st.Term {
		v.broken("commit rule", n, "leads term %d and commits entry %d of term %d by counting", st.Term, st.Commit, last.term)
	}
	if !f.quorumSince(func(id raft.NodeID) bool { return w.nodes[id-1].follow.holds(st.Commit, last.hash) }) {
		v.broken("durability", n, "commits entry %d, which is not on the disks of a majority", st.Commit)
	}
}

// quorumSince reports whether the servers for which has is true are a quorum of a configuration that was in force in the node's last
// turn: of the one that it began with, or one that it has taken up since.
func (f *follow) quorumSince(has func(raft.NodeID) bool) bool {
	if f.inForce <= f.first.index && quorum(f.first.Configuration, has) {
		return true
	}
	for _, c := range f.configs {
		if c.index >= f.inForce && quorum(c.Configuration, has) {
			return true
		}
	}
	return false
}

// newest is the index of the configuration in force.
func (f *follow) newest() uint64 {
	if len(f.configs) > 0 {
		return f.configs[len(f.configs)-1].index
	}
	return f.first.index
}

// quorum reports whether the servers for which has is true are a majority, of both halves while joint.
func quorum(c raft.Configuration, has func(raft.NodeID) bool) bool {
	return majority(c.Voters, has) && (len(c.Outgoing) == 0 || majority(c.Outgoing, has))
}

func majority(set []raft.NodeID, has func(raft.NodeID) bool) bool {
	count := 0
	for _, id := range set {
		if has(id) {
			count++
		}
	}
	return count > len(set)/2
}

// configures checks a configuration that a node takes up: its majorities meet those of the one before, and a leader that
// proposes it has committed that one, and an entry of its own term.
func (v *invariants) configures(n *simNode, st raft.Status) {
	f := &n.follow
	now := f.configs[len(f.configs)-1]
	before := f.configuration(len(f.configs) - 1)
	if disjoint(before.Configuration, now.Configuration) {
		v.broken("configuration safety", n, "takes up a configuration at entry %d with a majority that meets none of the one at entry %d", now.index, before.index)
	}
	if now.Joint() {
		v.world.moment(MomentJoint, n)
	}
	if st.Role != raft.Leader || f.chain[now.index-f.base].term != st.Term {
		return
	}
	clear(f.match)
	if before.index > st.Commit {
		v.broken("configuration safety", n, "proposes a configuration at entry %d, and has not committed the one at entry %d", now.index, before.index)
	}
	if k, ok := f.at(st.Commit); ok && k.term != st.Term {
		v.broken("configuration safety", n, "proposes a configuration in term %d, in which it has committed nothing", st.Term)
	}
}

// disjoint reports whether a quorum of one configuration and a quorum of the other can have nobody in common.
func disjoint(a, b raft.Configuration) bool {
	members := a.Members()
	for _, id := range b.Members() {
		if !contains(members, id) {
			members = append(members, id)
		}
	}
	if len(members) > 12 {
		return false // too many sets to look at: simulated clusters of that size do not change
	}
	for set := range uint32(1) << len(members) {
		in := func(id raft.NodeID) bool { return set>>place(members, id)&1 == 1 }
		if quorum(a, in) && quorum(b, func(id raft.NodeID) bool { return !in(id) }) {
			return true
		}
	}
	return false
}

func place(members []raft.NodeID, id raft.NodeID) int {
	for i, m := range members {
		if m == id {
			return i
		}
	}
	return len(members)
}

func contains(members []raft.NodeID, id raft.NodeID) bool { return place(members, id) < len(members) }
