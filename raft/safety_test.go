package raft

import "fmt"

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
}

// observed is what a server looked like at the last check, in its present life.
type observed struct {
	core       *Core
	term       uint64
	diskTerm   uint64 // of all lives
	commit     uint64
	applied    int
	role       Role
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
		votes: map[ballot]NodeID{}, entries: map[position]uint64{}}
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
		y.monotone, y.logs, y.commits, y.leadership, y.stateMachine, y.durability} {
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

// logs: log matching, and leader append-only.
func (y *safety) logs(s *server, o *observed) error {
	log := &s.core.log
	same := min(o.commit, log.lastIndex())
	for same < log.lastIndex() && same < uint64(len(o.lastDigest)) && log.entries[same].Term == o.lastDigest[same].term {
		same++
	}
	if same < uint64(len(o.lastDigest)) && o.role == Leader && o.term == s.core.term {
		return fmt.Errorf("leader append-only: a leader removed its entry %d", same+1)
	}
	o.lastDigest = o.lastDigest[:same]
	for _, e := range log.entries[same:] {
		before := uint64(0)
		if e.Index > 1 {
			before = o.lastDigest[e.Index-2].digest
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
	}
	if n := y.lastCommitted(); n == o.commit && n > 0 && s.core.role == Leader {
		return y.stored(n)
	}
	return nil
}

// stored: an entry a majority holds on disk survives the loss of power of any minority.
func (y *safety) stored(index uint64) error {
	n := 0
	for _, s := range y.servers {
		if s.disk.holds(index, y.committed[index-1].term) {
			n++
		}
	}
	if n <= len(y.servers)/2 {
		return fmt.Errorf("entry %d is committed, and on %d of %d disks only", index, n, len(y.servers))
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

// stateMachine: entries are applied once each, in order, only when committed and on the server's own disk.
func (y *safety) stateMachine(s *server, o *observed) error {
	for ; o.applied < len(s.applied); o.applied++ {
		e := s.applied[o.applied]
		switch {
		case e.Index != uint64(o.applied)+1:
			return fmt.Errorf("state machine safety: entry %d applied where %d is next", e.Index, o.applied+1)
		case e.Index > y.lastCommitted() || y.committed[o.applied].digest != o.lastDigest[o.applied].digest:
			return fmt.Errorf("state machine safety: entry %d applied, and not committed", e.Index)
		case !s.disk.holds(e.Index, e.Term):
			return fmt.Errorf("entry %d applied before it is on disk", e.Index)
		}
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
