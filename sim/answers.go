package sim

import (
	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
)

// asked is what has to be known of a client's request to check what it is answered.
type asked struct {
	command *byte    // where its bytes begin, which are the entry's then
	entry   position // that the node has put into its log for it; index 0: none
	term    uint64   // of that entry
	floor   uint64   // an answer must not be of an earlier state: the greatest commit index that there was when the request came; 0: it may
	inOrder sessionCommand
}

// sessionCommand is what all attempts at a command of a session have in common; none where it is in no session.
type sessionCommand struct{ session, sequence uint64 }

// asks takes up a request that has come to a node.
func (v *invariants) asks(k *call, q *node.Request) {
	if q.Kind != wire.Transact || len(q.Command) == 0 {
		return
	}
	k.asked.command = &q.Command[0]
	k.connection.process.commands[k.asked.command] = k
	c, err := kv.DecodeCommand(q.Command)
	if k.asked.inOrder = (sessionCommand{c.Session, c.Sequence}); err != nil || c.Session != 0 || q.Consistency == wire.Stale && c.ReadOnly() {
		return // it may be answered by what it, or another, has seen earlier
	}
	if len(v.commits) > 0 {
		k.asked.floor = v.commits[len(v.commits)-1].index
	}
}

// proposes notes which entry a request has become, if the entry is a request's.
func (v *invariants) proposes(n *simNode, index, term uint64, data []byte) {
	if n.process == nil || len(data) == 0 {
		return
	}
	if k := n.process.commands[&data[0]]; k != nil {
		known, _ := v.find(index, term)
		k.asked.entry, k.asked.term = position{index, known.hash}, term
		if c := k.asked.inOrder; c.session != 0 {
			v.attempts[c] = append(v.attempts[c], k.asked.entry)
		}
	}
}

// answers checks what a client is told. A state that is read must not be older than what was committed when the request came
// (linearizability: whoever was answered before knew of no more), and what is refused must never be committed.
func (v *invariants) answers(k *call, r *wire.Response) {
	n, a := k.connection.node, &k.asked
	delete(k.connection.process.commands, a.command)
	switch r.Status {
	case wire.OK:
		if r.LogIndex < a.floor {
			v.broken("read index", n, "serves a request by the state after entry %d, and entry %d was committed when the request came", r.LogIndex, a.floor)
		}
		v.tookEffect(n, a, r)
	case wire.Refusal, wire.NotLeader:
		if a.entry.index == 0 {
			return
		}
		v.refused[a.entry.hash] = true
		if v.committedAt(a.entry.index) == a.entry.hash {
			v.revives(n, a.entry.index, a.term)
		}
	}
}

// tookEffect checks where a command that is answered took effect: at the first of its session's attempts that is in the node's log, which
// is applied up to the answer's own entry. Only a session that is not known any more has it refused at that entry itself.
func (v *invariants) tookEffect(n *simNode, a *asked, r *wire.Response) {
	if a.entry.index == 0 || r.LogIndex == a.entry.index && len(v.attempts[a.inOrder]) < 2 {
		return
	}
	want := a.entry.index
	for _, p := range v.attempts[a.inOrder] {
		if k, ok := n.follow.at(p.index); p.index < want && (ok && k.hash == p.hash || v.committedAt(p.index) == p.hash) {
			want = p.index
		}
	}
	if r.LogIndex == want {
		return
	}
	if result, err := kv.DecodeResult(r.Result); err == nil && result.Expired && r.LogIndex == a.entry.index {
		return
	}
	v.broken("effect's index", n, "tells that a command took effect at entry %d, and it did at entry %d", r.LogIndex, want)
}

// revives tells of an entry that is committed, though its client was told that it never would be.
func (v *invariants) revives(n *simNode, index, term uint64) {
	v.broken("refusal", n, "has entry %d of term %d committed, of which a client is told that it has no effect", index, term)
}
