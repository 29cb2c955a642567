package sim

import (
	"slices"

	"github.com/ordeal-dev/ordeal/raft"
)

// promises checks what a node holds to be so against what is: the configuration in force, and what is on its disk.
func (v *invariants) promises(n *simNode, st raft.Status) {
	f := &n.follow
	// The first configuration is what its flags say, which leave out a server that joins.
	if want := f.configuration(len(f.configs)); want.index > 0 && !sameServers(st.Configuration, want.Configuration) {
		v.broken("configuration safety", n, "uses configuration %v, and the newest in its log is %v of entry %d", st.Configuration.Members(), want.Members(), want.index)
	}
	if st.Durable <= f.base {
		return
	}
	if k, ok := f.at(st.Durable); !ok || !f.holds(st.Durable, k.hash) {
		v.broken("durability", n, "holds entry %d to be durable, and its disk has not got it", st.Durable)
	}
}

// configuration is that of place i among those of a node's log, from 1; 0: the one before the log's.
func (f *follow) configuration(i int) configuration {
	if i == 0 {
		return f.first
	}
	return f.configs[i-1]
}

func sameServers(a, b raft.Configuration) bool {
	return slices.Equal(a.Voters, b.Voters) && slices.Equal(a.Outgoing, b.Outgoing) && slices.Equal(a.Learners, b.Learners)
}

// electable checks a new leader: that a majority has voted for it in its term, and that it is a voter, in the newest configuration
// of its log or in one that may be the last that is committed.
func (v *invariants) electable(n *simNode, st raft.Status) {
	f := &n.follow
	if !quorum(st.Configuration, func(id raft.NodeID) bool { return id == n.id || v.world.nodes[id-1].follow.votes[st.Term] == n.id }) {
		v.broken("election safety", n, "leads term %d, in which no majority has voted for it", st.Term)
	}
	for i := len(f.configs); i >= 0; i-- {
		c := f.configuration(i)
		if c.Voter(n.id) {
			return
		}
		if c.index <= st.Commit {
			break
		}
	}
	v.broken("configuration safety", n, "leads term %d, and is no voter", st.Term)
}

// answered notes up to where a node has told a leader that their logs match.
func (v *invariants) answered(m *raft.Message) {
	if m.Kind != raft.AppendEntriesReply || m.Reject {
		return
	}
	to := v.world.nodes[m.To-1]
	f := &to.follow
	if m.Term != f.term || f.role != raft.Leader || m.MatchIndex > f.last() {
		return
	}
	if f.matchTerm != m.Term {
		f.matchTerm, f.match = m.Term, make([]uint64, len(v.world.nodes))
	}
	f.match[m.From-1] = max(f.match[m.From-1], m.MatchIndex)
}

// resends checks that a leader does not send what is known to match: next index is above match index. A server that comes
// into the configuration is known anew.
func (v *invariants) resends(n *simNode, m *raft.Message) {
	f := &n.follow
	if f.matchTerm != m.Term || len(m.Entries) == 0 {
		return
	}
	if match := f.match[m.To-1]; m.Entries[0].Index <= match {
		v.broken("next index", n, "leads term %d and sends n%d entry %d, which matches up to %d", m.Term, m.To, m.Entries[0].Index, match)
	}
}
