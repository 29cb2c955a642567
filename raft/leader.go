package raft

import (
	"fmt"
	"time"
)

// leading is what only a leader keeps.
type leading struct {
	peers             map[NodeID]*progress // all members but itself, and those that are leaving
	order             []NodeID             // the keys of peers, sorted
	leaving           bool                 // C-new is committed and does not name this leader
	firstIndex        uint64               // of the no-op that began the term
	heartbeatDeadline time.Duration
	heartbeatDue      bool

	round      uint64      // latest round of confirmation sent
	roundTimes []roundTime // rounds not yet confirmed, oldest first
	confirmed  uint64      // latest round that a quorum answered
	leaseStart time.Duration
	reads      []pendingRead

	transferee       NodeID // thesis 3.10; 0: none
	transferDeadline time.Duration
	transferred      bool // TimeoutNow was sent in this term: it may arrive at any time, so no lease holds any more
}

// becomeLeader: the new leader appends a no-op, which commits what came before it (paper section 8, R13), and sends
// heartbeats at once (paper 5.2, R7).
func (c *Core) becomeLeader() {
	if c.role != Candidate {
		panic(fmt.Sprintf("raft: a %v becomes leader", c.role))
	}
	c.role, c.leader = Leader, c.id
	c.preVotes, c.votes = nil, nil
	c.leading = leading{peers: map[NodeID]*progress{}, heartbeatDue: true, leaseStart: minTime,
		heartbeatDeadline: c.now + c.cfg.HeartbeatInterval}
	c.leading.enlist(c, c.configuration())
	c.leading.firstIndex = c.appendOwn(EntryNoOp, nil)
}

// appendOwn appends an entry of the leader's own term. A leader only ever appends (paper figure 3).
func (c *Core) appendOwn(kind EntryKind, data []byte) uint64 {
	e := Entry{Term: c.term, Index: c.log.lastIndex() + 1, Kind: kind, Data: data}
	if err := c.appendToLog(e); err != nil {
		panic(err) // its own configuration does not decode
	}
	return e.Index
}

// ErrNotLeader is why a server that does not lead serves neither writes nor linearizable reads (R14).
type ErrNotLeader struct{ Leader NodeID } // 0: not known

func (e ErrNotLeader) Error() string {
	if e.Leader == 0 {
		return "not the leader, and no leader is known"
	}
	return fmt.Sprintf("not the leader, server %d is", e.Leader)
}

// ErrTransferring is why a leader that hands over takes no proposals.
type ErrTransferring struct{ To NodeID }

func (e ErrTransferring) Error() string {
	return fmt.Sprintf("leadership is being transferred to server %d", e.To)
}

// Propose appends a command to the leader's log. The command took effect if the entry applied at the returned index
// has the returned term; if another entry is applied there, it never will.
func (c *Core) Propose(command []byte) (index, term uint64, err error) {
	if c.role != Leader {
		return 0, 0, ErrNotLeader{c.leader}
	}
	if c.leading.transferee != 0 {
		return 0, 0, ErrTransferring{c.leading.transferee}
	}
	return c.appendOwn(EntryCommand, command), c.term, nil
}

func (c *Core) tickLeader() {
	if c.cfg.CheckQuorum && !c.configuration().quorum(c.heardLately) {
		c.becomeFollower(c.term) // nobody may count on it any more (thesis 6.2, R15)
		return
	}
	if c.leading.transferee != 0 && c.now >= c.leading.transferDeadline {
		c.leading.transferee = 0
	}
	if c.now >= c.leading.heartbeatDeadline {
		c.leading.heartbeatDue = true
		c.leading.heartbeatDeadline = c.now + c.cfg.HeartbeatInterval
	}
}

func (c *Core) heardLately(id NodeID) bool {
	if id == c.id {
		return true
	}
	p := c.leading.peers[id]
	return p != nil && c.now-p.lastHeard < c.cfg.ElectionTimeout
}

// replicate sends every follower what it is due (paper 5.3, R8).
func (c *Core) replicate() {
	l := &c.leading
	force := c.startRound()
	for _, id := range l.order {
		p := l.peers[id]
		if p.departing && p.farewell == 0 && c.log.commit >= p.leaves {
			p.farewell = l.round + 1 // the next round says that it is committed
		}
		if !c.sendEntries(id, p) && force {
			c.sendAppend(id, p, nil)
		}
	}
	l.heartbeatDue = false
	c.dismiss()
	if l.leaving {
		c.leave()
	}
}

// sendEntries sends entries as far as the follower's window allows, and reports whether it sent any.
func (c *Core) sendEntries(id NodeID, p *progress) bool {
	if p.next <= c.log.lastIncludedIndex {
		p.state = snapshotting
	}
	if p.state == snapshotting {
		c.sendSnapshot(id, p)
		return false // heartbeats go on beside it
	}
	if p.state == probing {
		es := c.log.slice(p.next, c.cfg.MaxAppendBytes)
		if p.waiting || len(es) == 0 {
			return false
		}
		c.sendAppend(id, p, es)
		p.waiting = true
		return true
	}
	sent := false
	for p.next <= c.log.lastIndex() && !p.full(c.cfg.MaxInflight, c.cfg.MaxInflightBytes) {
		es := c.log.slice(p.next, c.cfg.MaxAppendBytes)
		c.sendAppend(id, p, es)
		p.sent(es)
		sent = true
	}
	return sent
}

func (c *Core) sendAppend(id NodeID, p *progress, es []Entry) {
	prev := max(p.next-1, c.log.lastIncludedIndex) // beside a snapshot: a heartbeat, which will be refused
	c.send(Message{Kind: AppendEntries, To: id, PrevLogIndex: prev, PrevLogTerm: c.log.term(prev), Entries: es,
		Commit: c.log.commit, Round: c.leading.round, Removed: p.farewell != 0 && c.leading.round >= p.farewell})
}

func (c *Core) handleAppendEntriesReply(m Message) {
	p := c.leading.peers[m.From]
	if c.role != Leader || p == nil || m.MatchIndex > c.log.lastIndex() {
		return
	}
	p.lastHeard = c.now
	p.ackedRound = max(p.ackedRound, min(m.Round, c.leading.round))
	if m.Reject {
		c.handleRejection(p, m)
	} else {
		news := p.accepted(m.MatchIndex)
		p.replicate(c.log.lastIncludedIndex)
		if news {
			c.advanceCommit()
		}
	}
	if c.role == Leader {
		c.confirmRounds()
		c.continueTransfer()
	}
}

// handleRejection moves next index back to where the logs can agree (paper 5.3, R9).
func (c *Core) handleRejection(p *progress, m Message) {
	if p.state == snapshotting || m.PrevLogIndex <= p.match || p.state == probing && m.PrevLogIndex != p.next-1 {
		return // an answer to an older request
	}
	agree := c.log.lastWithTermAtMost(m.HintIndex, m.HintTerm)
	p.probe(min(agree+1, m.PrevLogIndex))
}

// advanceCommit commits what a majority holds durably, counting only entries of the leader's own term; those before
// them are committed with them (paper 5.4.2 and figure 8, R13).
func (c *Core) advanceCommit() {
	n := c.configuration().reached(func(id NodeID) uint64 {
		if id == c.id {
			return c.log.durable
		}
		if p := c.leading.peers[id]; p != nil {
			return p.match
		}
		return 0
	})
	if n > c.log.commit && c.log.term(n) == c.term {
		c.log.commit = n
		c.afterCommit()
	}
}

// Persisted tells that the write numbered n, and so all before it, are on stable storage.
func (c *Core) Persisted(n uint64) {
	c.log.persisted(n)
	if c.role == Leader {
		c.advanceCommit()
	}
}
