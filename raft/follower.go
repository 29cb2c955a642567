package raft

import "fmt"

// handleAppendEntries is the receiver's side of AppendEntries (paper figure 2).
func (c *Core) handleAppendEntries(m Message) {
	if m.From == c.id || !wellFormed(m) {
		return
	}
	c.follow(m.From)
	c.removed = c.removed || m.Removed && c.outAsOf(m.Commit)
	if m.PrevLogIndex < c.log.lastIncludedIndex {
		m = c.skipIncluded(m)
	}
	if !c.log.has(m.PrevLogIndex) || c.log.term(m.PrevLogIndex) != m.PrevLogTerm {
		c.refuse(m)
		return
	}
	c.store(m.Entries)
	last := m.PrevLogIndex + uint64(len(m.Entries))
	// Only what this request has shown to match may be committed by it, and commit index never goes back.
	c.log.commit = max(c.log.commit, min(m.Commit, last))
	c.reply(m, Message{Kind: AppendEntriesReply, MatchIndex: last, Round: m.Round})
}

// follow recognises the leader of the current term (paper 5.2).
func (c *Core) follow(leader NodeID) {
	if c.role == Leader || c.leader != 0 && c.leader != leader {
		panic(fmt.Sprintf("raft: election safety broken: servers %d and %d both lead term %d", c.leader, leader, c.term))
	}
	if c.role == Candidate {
		c.becomeFollower(c.term)
	}
	c.preVotes = nil
	c.toldOut = 0 // a leader knows best who is out
	c.leader = leader
	c.leaderContact = c.now
	c.resetElectionTimer()
}

// wellFormed reports whether the entries of m follow one another as a leader's do, and can be read.
func wellFormed(m Message) bool {
	index, term := m.PrevLogIndex, m.PrevLogTerm
	for _, e := range m.Entries {
		if e.Index != index+1 || e.Term < term || e.Term > m.Term {
			return false
		}
		if e.Kind == EntryConfiguration {
			if _, err := DecodeConfiguration(e.Data); err != nil {
				return false
			}
		}
		index, term = e.Index, e.Term
	}
	return true
}

// skipIncluded drops from m what the snapshot before the log covers: it is committed, and so the same everywhere.
func (c *Core) skipIncluded(m Message) Message {
	covered := c.log.lastIncludedIndex - m.PrevLogIndex
	m.Entries = m.Entries[min(covered, uint64(len(m.Entries))):]
	m.PrevLogIndex, m.PrevLogTerm = c.log.lastIncludedIndex, c.log.lastIncludedTerm
	return m
}

// refuse answers with a hint that skips a whole term of conflicting entries (paper 5.3, R9).
func (c *Core) refuse(m Message) {
	hint := c.log.lastWithTermAtMost(m.PrevLogIndex, m.PrevLogTerm)
	c.reply(m, Message{Kind: AppendEntriesReply, Reject: true, PrevLogIndex: m.PrevLogIndex, Round: m.Round,
		HintIndex: hint, HintTerm: c.log.term(hint)})
}

// store appends the entries that are new, and removes a suffix only where it conflicts: a late or repeated request
// must not shorten the log (paper 5.3, figure 2 step 3).
func (c *Core) store(es []Entry) {
	at := c.log.conflict(es)
	if at == 0 {
		return
	}
	if at <= c.log.lastIndex() {
		c.truncateLog(at)
	}
	for _, e := range es[at-es[0].Index:] {
		if err := c.appendToLog(e); err != nil {
			panic(err) // see wellFormed
		}
	}
}
