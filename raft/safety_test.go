package raft

import (
	"bytes"
	"fmt"
	"slices"
)

// safety watches a cluster from outside and reports the first step that breaks a property of the paper's figure 3, or
// one of the stronger ones that this core promises. It remembers everything that any server ever did, so that
// a crash hides nothing.
type safety struct {
	servers   []*server // servers[i] has ID i+1
	seen      []observed
	leaders   map[uint64]NodeID // by term
	votes     map[ballot]NodeID
	entries   map[position]uint64 // digest of the log up to (index, term), whoever holds it
	committed []commitment        // committed[i] is of index i+1
	// configurations are those committed, and at first the initial one, at index 0.
	configurations []configurationAt
}

// observed is what a server looked like at the last check, in its present life.
type observed struct {
	core       *Core
	term       uint64
	diskTerm   uint64 // of all lives
	commit     uint64
	role       Role
	inForce    configurationAt
	lastDigest []entryDigest // of its log
}

type ballot struct {
	voter NodeID
	term  uint64
}

type position struct{ index, term uint64 }

type entryDigest struct{ term, digest uint64 }

// commitment is a committed entry: its digest, and the term of the leader that committed it.
type commitment struct{ term, digest, leaderTerm uint64 }

func newSafety(servers []*server) *safety {
	return &safety{servers: servers, seen: make([]observed, len(servers)), leaders: map[uint64]NodeID{},
		votes: map[ballot]NodeID{}, entries: map[position]uint64{}, configurations: []configurationAt{{0, servers[0].config.Configuration}}}
}

// lastCommitted is the greatest index that any server ever knew to be committed.
func (y *safety) lastCommitted() uint64 { return uint64(len(y.committed)) }

// check looks at one server after a step of it.
func (y *safety) check(s *server) error {
	o := &y.seen[s.config.ID-1]
	if s.core != o.core {
		*o = observed{core: s.core, diskTerm: o.diskTerm}
	}
	if s.core == nil {
		return nil
	}
	for _, property := range []func(*server, *observed) error{
		y.monotone, y.logs, y.commits, y.membership, y.leadership, y.stateMachine, y.durability} {
		if err := property(s, o); err != nil {
			return fmt.Errorf("server %d, term %d: %w", s.config.ID, s.core.term, err)
		}
	}
	o.term, o.role, o.diskTerm = s.core.term, s.core.role, s.disk.hardState.Term
	return nil
}

// monotone: term and commit index of a server never go back; the term not even over a restart.
func (y *safety) monotone(s *server, o *observed) error {
	if s.core.term < o.term || s.core.term < o.diskTerm || s.disk.hardState.Term < o.diskTerm {
		return fmt.Errorf("term went back from %d (on disk %d)", o.term, o.diskTerm)
	}
	if s.core.log.commit < o.commit {
		return fmt.Errorf("commit index went back from %d to %d", o.commit, s.core.log.commit)
	}
	return nil
}

// logs: log matching, and leader append-only. What a snapshot has taken out of a log is committed, and as it was everywhere.
func (y *safety) logs(s *server, o *observed) error {
	log := &s.core.log
	if err := y.included(log, o); err != nil {
		return err
	}
	at := func(i uint64) Entry { return log.entries[i-log.lastIncludedIndex] } // entry i+1
	same := max(min(o.commit, log.lastIndex()), log.lastIncludedIndex)
	for same < log.lastIndex() && same < uint64(len(o.lastDigest)) && at(same).Term == o.lastDigest[same].term {
		same++
	}
	if same < uint64(len(o.lastDigest)) && o.role == Leader && o.term == s.core.term {
		return fmt.Errorf("leader append-only: a leader removed its entry %d", same+1)
	}
	o.lastDigest = o.lastDigest[:same]
	for ; same < log.lastIndex(); same++ {
		e, before := at(same), uint64(0)
		if e.Index != same+1 {
			return fmt.Errorf("the log has entry %d at index %d", e.Index, same+1)
		}
		if same > 0 {
			before = o.lastDigest[same-1].digest
		}
		d := digest(before, e)
		at := position{e.Index, e.Term}
		if other, known := y.entries[at]; known && other != d {
			return fmt.Errorf("log matching: entry %d of term %d is on two servers, and the logs differ up to it", e.Index, e.Term)
		}
		y.entries[at] = d
		o.lastDigest = append(o.lastDigest, entryDigest{e.Term, d})
	}
	return nil
}

// included fills in, from what is committed, the part of the log that a snapshot covers.
func (y *safety) included(log *raftLog, o *observed) error {
	last := log.lastIncludedIndex
	switch {
	case last == 0:
		return nil
	case last > y.lastCommitted():
		return fmt.Errorf("the log begins after entry %d, which nobody has committed", last)
	case y.committed[last-1].term != log.lastIncludedTerm:
		return fmt.Errorf("the log begins after entry %d of term %d, and that of term %d was committed", last, log.lastIncludedTerm, y.committed[last-1].term)
	}
	for i := min(o.commit, last); i < last; i++ {
		d := entryDigest{y.committed[i].term, y.committed[i].digest}
		if i < uint64(len(o.lastDigest)) && o.lastDigest[i] == d {
			continue
		}
		o.lastDigest = append(o.lastDigest[:min(i, uint64(len(o.lastDigest)))], d) // and look anew at what follows
	}
	return nil
}

func digest(before uint64, e Entry) uint64 {
	const prime = 1099511628211
	d := (before^e.Term)*prime ^ e.Index
	d = d*prime ^ uint64(e.Kind)
	for _, b := range e.Data {
		d = d*prime ^ uint64(b)
	}
	return d*prime ^ d>>29
}

// commits: all servers commit the same entries, and what is committed is on the disks of a majority.
func (y *safety) commits(s *server, o *observed) error {
	news := false
	for ; o.commit < s.core.log.commit; o.commit++ {
		if o.commit >= uint64(len(o.lastDigest)) {
			return fmt.Errorf("commit index %d is beyond the log's end %d", s.core.log.commit, len(o.lastDigest))
		}
		here := o.lastDigest[o.commit]
		if o.commit < y.lastCommitted() {
			if y.committed[o.commit].digest != here.digest {
				return fmt.Errorf("leader completeness: two different entries %d are committed", o.commit+1)
			}
			continue
		}
		y.committed = append(y.committed, commitment{here.term, here.digest, s.core.term})
		news = true
		if e := s.core.log.entry(o.commit + 1); e.Kind == EntryConfiguration {
			if err := y.changed(e); err != nil {
				return err
			}
		}
	}
	if news && s.core.role == Leader {
		return y.stored(s)
	}
	return nil
}

// changed looks at a configuration that is committed: voters change through the joint configuration only.
func (y *safety) changed(e Entry) error {
	to, err := DecodeConfiguration(e.Data)
	if err != nil {
		return err
	}
	from := y.configurations[len(y.configurations)-1].configuration
	switch {
	case from.Joint() && (to.Joint() || !slices.Equal(from.Voters, to.Voters)),
		to.Joint() && !slices.Equal(from.Voters, to.Outgoing),
		!from.Joint() && !to.Joint() && !slices.Equal(from.Voters, to.Voters):
		return fmt.Errorf("configuration %+v at %d follows %+v", to, e.Index, from)
	}
	y.configurations = append(y.configurations, configurationAt{e.Index, to})
	return nil
}

// committedConfiguration is the one of all that is committed up to index.
func (y *safety) committedConfiguration(index uint64) configurationAt {
	for i := len(y.configurations) - 1; ; i-- {
		if y.configurations[i].index <= index {
			return y.configurations[i]
		}
	}
}

// membership: a server uses the newest configuration in its log, committed or not, and of all in it only one can be not yet
// committed; what snapshots hold is committed.
func (y *safety) membership(s *server, o *observed) error {
	core := s.core
	last := core.configurations[len(core.configurations)-1]
	if o.inForce.index > last.index {
		s.rare.rolledBack++
	}
	want := y.committedConfiguration(core.log.lastIncludedIndex)
	pending := 0
	for i := len(core.log.entries) - 1; i >= 0; i-- {
		e := core.log.entries[i]
		if e.Kind != EntryConfiguration {
			continue
		}
		if want.index < e.Index {
			c, err := DecodeConfiguration(e.Data)
			if err != nil {
				return err
			}
			want = configurationAt{e.Index, c}
		}
		if e.Index <= y.lastCommitted() {
			break
		}
		if pending++; pending > 1 {
			return fmt.Errorf("configuration at %d was appended before the one at %d was committed", want.index, e.Index)
		}
	}
	if !bytes.Equal(last.configuration.Encode(), want.configuration.Encode()) {
		return fmt.Errorf("uses configuration %+v of %d, and the newest in its log is %+v of %d", last.configuration, last.index, want.configuration, want.index)
	}
	if handed := core.log.handed; !bytes.Equal(core.ConfigurationAt(handed).Encode(), y.committedConfiguration(handed).configuration.Encode()) {
		return fmt.Errorf("a snapshot at %d would hold configuration %+v, and %+v is committed", handed, core.ConfigurationAt(handed), y.committedConfiguration(handed))
	}
	if o.role == Leader && core.role != Leader && core.removed {
		s.rare.left++
	}
	o.inForce = last
	return nil
}

// stored: an entry that a quorum of the leader's configuration holds on disk survives the loss of power of any minority. The
// quorum of a joint configuration, which may have committed just now, is one of C-new too.
func (y *safety) stored(leader *server) error {
	n := y.lastCommitted()
	configuration := leader.core.configuration()
	if !configuration.quorum(func(id NodeID) bool { return y.servers[id-1].disk.holds(n, y.committed[n-1].term) }) {
		return fmt.Errorf("entry %d is committed, and not on the disks of a quorum of %+v", n, configuration)
	}
	return nil
}

// leadership: election safety, and leader completeness of every new leader.
func (y *safety) leadership(s *server, o *observed) error {
	if s.core.role != Leader {
		return nil
	}
	if other, known := y.leaders[s.core.term]; known {
		if other != s.config.ID {
			return fmt.Errorf("election safety: server %d led this term too", other)
		}
		return nil
	}
	y.leaders[s.core.term] = s.config.ID
	for i, c := range y.committed {
		if c.leaderTerm < s.core.term && (i >= len(o.lastDigest) || o.lastDigest[i].digest != c.digest) {
			return fmt.Errorf("leader completeness: the new leader lacks entry %d, committed in term %d", i+1, c.leaderTerm)
		}
	}
	return nil
}

// stateMachine: every state is that of all committed entries in their order, whether they were applied here or came in a
// snapshot, and is on the server's own disk.
func (y *safety) stateMachine(s *server, _ *observed) error {
	m := s.machine
	switch {
	case m.index == 0:
		return nil
	case m.index > y.lastCommitted() || y.committed[m.index-1].digest != m.digest:
		return fmt.Errorf("state machine safety: the state after entry %d is not that of the committed entries", m.index)
	case !s.disk.holds(m.index, m.term):
		return fmt.Errorf("entry %d applied before it is on disk", m.index)
	case m.index != s.core.log.handed:
		return fmt.Errorf("the state machine is at entry %d, the core holds it to be at %d", m.index, s.core.log.handed)
	}
	return nil
}

// durability: what the core holds to be durable is on the disk, in the same version.
func (y *safety) durability(s *server, _ *observed) error {
	log := &s.core.log
	if d := log.durable; d > 0 && !s.disk.holds(d, log.term(d)) {
		return fmt.Errorf("entry %d of term %d is held to be durable, and the disk has not got it", d, log.term(d))
	}
	return nil
}

// sent looks at a message that leaves a server: one vote per term over all lives, and no promise that a crash breaks.
func (y *safety) sent(m Message) error {
	if m.Kind != RequestVoteReply || m.Reject {
		return nil
	}
	b := ballot{m.From, m.Term}
	if other, known := y.votes[b]; known && other != m.To {
		return fmt.Errorf("server %d votes in term %d for %d and for %d", m.From, m.Term, other, m.To)
	}
	y.votes[b] = m.To
	hs := y.servers[m.From-1].disk.hardState
	if hs.Term < m.Term || hs.Term == m.Term && hs.Vote != m.To {
		return fmt.Errorf("server %d votes in term %d, and its disk says term %d vote %d", m.From, m.Term, hs.Term, hs.Vote)
	}
	return nil
}

// read looks at a confirmed read that was asked when committedBefore was the last index any server knew committed.
func (y *safety) read(r ReadResult, committedBefore uint64) error {
	if !r.Dropped && r.Index < committedBefore {
		return fmt.Errorf("stale read %d: at index %d, though %d was committed before it was asked", r.ID, r.Index, committedBefore)
	}
	return nil
}
