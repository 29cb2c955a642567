package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/raft"
	"github.com/ordeal-dev/ordeal/store"
)

// Violation is a safety property that was broken.
type Violation struct {
	At        time.Duration `json:"at_ns"`
	Invariant string        `json:"invariant"` // its name: "election safety"
	Node      raft.NodeID   `json:"node"`      // where it showed; 0: nowhere in particular
	Text      string        `json:"text"`
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s", v.Invariant, v.Text) }

// invariants are the safety properties of docs/raft.md, checked after every step in constant time: each node's log is
// followed as a chain of hashes, so that two logs that agree at an index are known to agree before it.
type invariants struct {
	world *world
	off   bool // only what ends a node by itself counts
	// beyond: more was taken away than Raft survives, and so nothing is a violation any more.
	beyond bool

	leaders   map[uint64]raft.NodeID        // by term
	entries   [][]known                     // by index: the entries that there have been
	committed []uint64                      // by index: the chain's hash there; 0: not known
	commits   []commit                      // the greatest committed index, as it grew
	states    map[uint64]uint64             // by index: the hash of the state machine
	reigns    []store.Leadership            // in the order of their begins
	refused   map[uint64]bool               // by the chain's hash: entries whose clients were told that they have no effect
	attempts  map[sessionCommand][]position // the entries of commands in sessions, in the order in which they came into a log

	violations []Violation
}

// known is an entry somebody has had in his log: its term, and the hash of the chain up to it.
type known struct {
	term, hash uint64
}

// commit is a growth of the greatest committed index.
type commit struct {
	term  uint64 // in which it was committed
	index uint64
	hash  uint64
}

func newInvariants(w *world) invariants {
	return invariants{world: w, off: w.options.NoInvariants, leaders: map[uint64]raft.NodeID{}, states: map[uint64]uint64{}, refused: map[uint64]bool{}, attempts: map[sessionCommand][]position{},
		entries: make([][]known, 1, 256), committed: make([]uint64, 1, 256)}
}

// violate notes a violation, which ends the run.
func (v *invariants) violate(invariant string, id raft.NodeID, format string, args ...any) {
	if v.beyond {
		return
	}
	w := v.world
	violation := Violation{At: w.now, Invariant: invariant, Node: id, Text: fmt.Sprintf(format, args...)}
	v.violations = append(v.violations, violation)
	w.tell(Event{At: w.now, Kind: ViolationFound, Node: id, Text: violation.String()})
}

// broken is violate of an invariant that can be switched off.
func (v *invariants) broken(invariant string, n *simNode, format string, args ...any) {
	if !v.off {
		v.violate(invariant, n.id, n.name()+" "+format, args...)
	}
}

// follow is a node's log as its writes tell it, and what is known to be on its disk.
type follow struct {
	base      uint64 // index before the first of chain
	chain     []known
	unwritten []writing // given to the disk and not known to be durable
	durable   position  // last entry on the disk
	hard      raft.HardState

	role    raft.Role
	term    uint64
	commit  uint64
	applied uint64
	votes   map[uint64]raft.NodeID // by term, over all lives
	first   configuration          // before those of the log: the cluster's first one, or the snapshot's
	configs []configuration        // of the log, the newest last

	match     []uint64 // of a leader of matchTerm: up to where each node has told it that the logs match
	matchTerm uint64
	inForce   uint64 // index of the one that was in force after the last turn
}

// newFollow follows a log that is empty, in a cluster of so many nodes.
func newFollow(nodes int) follow {
	f := follow{chain: make([]known, 1, 64), votes: map[uint64]raft.NodeID{}}
	for i := range nodes {
		f.first.Voters = append(f.first.Voters, raft.NodeID(i+1))
	}
	return f
}

// writing is a write under way to the disk.
type writing struct {
	first uint64 // index from which on it replaces the log; 0: it does not
	last  position
	hard  *raft.HardState
}

type position struct {
	index, hash uint64
}

type configuration struct {
	index uint64
	raft.Configuration
}

func (f *follow) last() uint64 { return f.base + uint64(len(f.chain)) - 1 }

// at is the log's entry at an index, the one before the log's first included; false: it is not known.
func (f *follow) at(index uint64) (known, bool) {
	if index < f.base || index > f.last() {
		return known{}, false
	}
	return f.chain[index-f.base], true
}

// find is what is known of an entry.
func (v *invariants) find(index, term uint64) (known, bool) {
	if index == 0 {
		return known{}, true
	}
	if index < uint64(len(v.entries)) {
		for _, k := range v.entries[index] {
			if k.term == term {
				return k, true
			}
		}
	}
	return known{}, false
}

// reset makes the log begin after an entry.
func (v *invariants) reset(f *follow, index, term uint64) {
	k, ok := v.find(index, term)
	if !ok {
		k = known{term: term, hash: ^term}
	}
	f.base, f.chain = index, append(f.chain[:0], k)
}

// append takes up an entry, and compares it with that of the same index and term elsewhere (log matching).
func (v *invariants) append(n *simNode, e *raft.Entry) {
	f := &n.follow
	before := f.chain[len(f.chain)-1]
	k := known{e.Term, mix(before.hash, entryHash(e))}
	f.chain = append(f.chain, k)
	for uint64(len(v.entries)) <= e.Index {
		v.entries = append(v.entries, nil)
	}
	if other, ok := v.find(e.Index, e.Term); !ok {
		v.entries[e.Index] = append(v.entries[e.Index], k)
	} else if other.hash != k.hash {
		v.broken("log matching", n, "has another log up to entry %d of term %d than a node had before", e.Index, e.Term)
	}
	if e.Kind == raft.EntryConfiguration {
		c, err := raft.DecodeConfiguration(e.Data)
		if err != nil {
			v.broken("log matching", n, "has entry %d with a configuration that cannot be read: %v", e.Index, err)
			return
		}
		f.configs = append(f.configs, configuration{e.Index, c})
	}
}

// started takes up what a process finds on its disk, and compares it with what had become durable there.
func (v *invariants) started(n *simNode, hard raft.HardState, start raft.LogStart, entries []raft.Entry, newest raft.SnapshotMeta) {
	f := &n.follow
	if hard.Term < f.hard.Term || hard.Term == f.hard.Term && f.hard.Vote != 0 && hard.Vote != f.hard.Vote {
		if newest.LastIncludedTerm < f.hard.Term {
			v.broken("durable term and vote", n, "had term %d and vote %d on its disk, and starts with term %d and vote %d", f.hard.Term, f.hard.Vote, hard.Term, hard.Vote)
		}
	}
	if hard.Vote != 0 {
		v.world.coverage.Count(VoteRestored)
	}
	if newest.LastIncludedIndex > 0 {
		v.world.coverage.Count(RestartsFromSnapshot)
	}
	floor := f.durable
	for _, w := range f.unwritten {
		if w.first > 0 && w.first <= floor.index {
			k, _ := f.at(w.first - 1)
			floor = position{w.first - 1, k.hash}
		}
	}
	f.configs = nil
	if newest.LastIncludedIndex > 0 {
		f.first = configuration{newest.LastIncludedIndex, newest.Configuration}
	}
	v.reset(f, start.Index, start.Term)
	for i := range entries {
		v.append(n, &entries[i])
	}
	switch k, ok := f.at(floor.index); {
	case floor.index <= newest.LastIncludedIndex: // its place may just not have been taken yet by the snapshot, which covers it
	case floor.index > f.last():
		v.broken("durability", n, "had entries up to %d on its disk, and starts with %d", floor.index, f.last())
	case ok && floor.hash != 0 && k.hash != floor.hash:
		v.broken("durability", n, "starts with another entry %d than it had on its disk", floor.index)
	}
	// A snapshot that was received whole before the crash takes the log's place where that conflicts with it, or ends before it.
	if k, ok := f.at(newest.LastIncludedIndex); !ok || k.term != newest.LastIncludedTerm {
		v.world.coverage.Count(LogReplacedAtStart)
		v.reset(f, newest.LastIncludedIndex, newest.LastIncludedTerm)
		f.configs = nil
	}
	f.unwritten, f.hard = f.unwritten[:0], hard
	f.durable = position{f.last(), f.chain[len(f.chain)-1].hash}
}

// wouldStart compares what a process would find on a disk that is not the node's, as started does, and changes nothing of the node.
func (v *invariants) wouldStart(n *simNode, hard raft.HardState, start raft.LogStart, entries []raft.Entry, newest raft.SnapshotMeta) {
	copied, coverage := *n, v.world.coverage
	copied.follow.chain = slices.Clone(n.follow.chain)
	copied.follow.unwritten = slices.Clone(n.follow.unwritten)
	copied.follow.configs = slices.Clone(n.follow.configs)
	v.started(&copied, hard, start, entries, newest)
	v.world.coverage = coverage
}

// began notes where a process starts.
func (v *invariants) began(n *simNode, st raft.Status, applied uint64) {
	f := &n.follow
	if st.Term < f.hard.Term {
		v.broken("terms grow", n, "had term %d on its disk, and starts with term %d", f.hard.Term, st.Term)
	}
	f.role, f.term, f.commit, f.applied, f.inForce = st.Role, st.Term, st.Commit, applied, f.newest()
}

// ended notes what a process leaves behind.
func (v *invariants) ended(n *simNode, p *process) {
	f := &n.follow
	if f.role == raft.Leader {
		v.dethrone(n, f.term)
	}
	if f.role == raft.Leader && len(f.unwritten) > 0 {
		v.world.coverage.Count(LeaderCrashedUnsynced)
	}
	if len(f.configs) > 0 && f.configs[len(f.configs)-1].Joint() {
		v.world.coverage.Count(CrashWhileJoint)
	}
	f.role = raft.Follower
}

// writes takes up what a node gives to its disk, which is how its log changes.
func (v *invariants) writes(n *simNode, st raft.Status, w *node.Write) {
	f := &n.follow
	if w.Compact != nil {
		v.forget(f, w.Compact.Index)
		return
	}
	out := writing{hard: w.HardState}
	if w.Installed != nil {
		v.installed(n, w)
		out.first = w.Installed.LastIncludedIndex
		if w.KeepLog {
			out.first = 0
		}
	}
	if len(w.Entries) > 0 {
		v.replaces(n, st, w.Entries[0].Index)
		if out.first == 0 {
			out.first = w.Entries[0].Index
		}
		for i := range w.Entries {
			v.append(n, &w.Entries[i])
			v.proposes(n, w.Entries[i].Index, w.Entries[i].Term, w.Entries[i].Data)
			if w.Entries[i].Kind == raft.EntryConfiguration {
				v.configures(n, st)
			}
		}
	}
	out.last = position{f.last(), f.chain[len(f.chain)-1].hash}
	f.unwritten = append(f.unwritten, out)
}

// replaces cuts a node's log before entry first comes.
func (v *invariants) replaces(n *simNode, st raft.Status, first uint64) {
	f := &n.follow
	last := f.last()
	switch {
	case first > last+1:
		v.broken("log matching", n, "writes entry %d after entry %d", first, last)
		v.reset(f, first-1, 0)
		return
	case first == last+1:
		return
	case first <= f.base:
		v.broken("leader completeness", n, "replaces entry %d, which a snapshot covers", first)
		return
	}
	v.world.coverage.Count(EntriesTruncated)
	v.world.moment(MomentTruncates, n)
	if st.Role == raft.Leader && f.role == raft.Leader && f.term == st.Term {
		v.broken("leader append-only", n, "leads term %d and replaces its entries %d to %d", st.Term, first, last)
	}
	if first <= f.commit {
		v.broken("state machine safety", n, "replaces entry %d, and had committed up to %d", first, f.commit)
	}
	f.chain = f.chain[:first-f.base]
	for len(f.configs) > 0 && f.configs[len(f.configs)-1].index >= first {
		f.configs = f.configs[:len(f.configs)-1]
		v.world.coverage.Count(ConfigurationTruncated)
	}
}

// installed has a snapshot take the place of a node's log, or of what it covers of it.
func (v *invariants) installed(n *simNode, w *node.Write) {
	f, meta := &n.follow, w.Installed
	v.world.coverage.Count(SnapshotsInstalled)
	v.world.moment(MomentInstalls, n)
	v.world.tell(Event{At: v.world.now, Kind: SnapshotTaken, Node: n.id, Term: meta.LastIncludedTerm, Index: meta.LastIncludedIndex})
	if hash := v.committedAt(meta.LastIncludedIndex); hash != 0 {
		if k, ok := v.find(meta.LastIncludedIndex, meta.LastIncludedTerm); ok && k.hash != hash {
			v.broken("state machine safety", n, "installs a snapshot up to entry %d of term %d, which is not what was committed there", meta.LastIncludedIndex, meta.LastIncludedTerm)
		}
	} else {
		v.broken("state machine safety", n, "installs a snapshot up to entry %d, which nobody has committed", meta.LastIncludedIndex)
	}
	if k, ok := f.at(meta.LastIncludedIndex); ok && k.term == meta.LastIncludedTerm {
		v.forget(f, meta.LastIncludedIndex)
		return
	}
	v.reset(f, meta.LastIncludedIndex, meta.LastIncludedTerm)
	f.first, f.configs = configuration{meta.LastIncludedIndex, meta.Configuration}, nil
}

// forget lets go of the chain before an index: the log is gone there.
func (v *invariants) forget(f *follow, index uint64) {
	if index > f.base && index <= f.last() {
		f.chain = append(f.chain[:0], f.chain[index-f.base:]...)
		f.base = index
	}
}

func (v *invariants) committedAt(index uint64) uint64 {
	if index < uint64(len(v.committed)) {
		return v.committed[index]
	}
	return 0
}

// durable notes that the first writes under way have become durable.
func (v *invariants) durable(n *simNode, writes int) {
	f := &n.follow
	for _, w := range f.unwritten[:writes] {
		if w.hard != nil {
			f.hard = *w.hard
		}
		f.durable = w.last
	}
	f.unwritten = append(f.unwritten[:0], f.unwritten[writes:]...)
}

// holds reports whether a node's disk surely holds the entry of this hash.
func (f *follow) holds(index, hash uint64) bool {
	for _, w := range f.unwritten {
		if w.first > 0 && w.first <= index {
			return false
		}
	}
	if index < f.base {
		return true // covered by a snapshot, which is durable and was committed
	}
	k, ok := f.at(index)
	return ok && index <= f.durable.index && k.hash == hash
}

// saves compares the state that a node is about to save with that of others at the same entry (state machine safety).
func (v *invariants) saves(n *simNode, meta raft.SnapshotMeta, m *kv.Machine) {
	w := v.world
	w.coverage.Count(SnapshotsSaved)
	w.moment(MomentSaves, n)
	w.tell(Event{At: w.now, Kind: SnapshotSaved, Node: n.id, Term: meta.LastIncludedTerm, Index: meta.LastIncludedIndex})
	if c := n.follow.configs; len(c) > 0 && c[len(c)-1].Joint() {
		w.coverage.Count(SnapshotWhileJoint)
	}
	hash := mixBytes(1, m.AppendState(nil))
	if other, ok := v.states[meta.LastIncludedIndex]; !ok {
		v.states[meta.LastIncludedIndex] = hash
	} else if other != hash {
		v.broken("state machine safety", n, "has another state after entry %d than another node had", meta.LastIncludedIndex)
	}
}

// sent checks what a node says to another.
func (v *invariants) sent(n *simNode, m *raft.Message) {
	switch m.Kind {
	case raft.AppendEntries, raft.InstallSnapshot:
		v.leads(n, m.Term)
		v.resends(n, m)
	case raft.RequestVote:
		v.votes(n, m.Term, n.id)
	case raft.RequestVoteReply:
		if !m.Reject && !m.Removed {
			v.world.moment(MomentVotes, n)
			v.votes(n, m.Term, m.To)
		}
	case raft.TimeoutNow:
		v.world.coverage.Count(Transfers)
		v.world.moment(MomentHandsOver, n)
	}
	if m.Kind == raft.InstallSnapshot && m.Offset > 0 {
		v.resumes(n, m)
	}
}

// leads notes who leads a term (election safety).
func (v *invariants) leads(n *simNode, term uint64) {
	if other, ok := v.leaders[term]; ok && other != n.id {
		v.broken("election safety", n, "leads term %d, and so did n%d", term, other)
	}
	v.leaders[term] = n.id
}

// votes notes a vote: one in each term, over restarts.
func (v *invariants) votes(n *simNode, term uint64, candidate raft.NodeID) {
	f := &n.follow
	if other, ok := f.votes[term]; ok && other != candidate {
		v.broken("one vote a term", n, "votes for n%d in term %d, and had voted for n%d", candidate, term, other)
	}
	f.votes[term] = candidate
}

// resumes notes a snapshot's transfer that another leader had begun.
func (v *invariants) resumes(n *simNode, m *raft.Message) {
	to := v.world.nodes[m.To-1]
	if to.sender != 0 && to.sender != n.id {
		v.world.coverage.Count(SnapshotResumed)
	}
	to.sender = n.id
}
