package raft

import "time"

// ReadResult answers one Read: the state machine may be read once it has applied Index. Dropped: leadership was lost
// before it was confirmed, and the read did not happen.
type ReadResult struct {
	ID      uint64
	Index   uint64
	Dropped bool
}

type pendingRead struct {
	id    uint64
	index uint64
	round uint64 // 0: not yet assigned
}

type roundTime struct {
	round uint64
	at    time.Duration
}

// Read asks for the index at which a linearizable read may be served, by confirming leadership with a quorum first
// (ReadIndex, thesis 6.4, R20). The answer comes in Ready.Reads with the id. With lease, a leader that holds one
// answers without asking (thesis 6.4.1); one that holds none asks.
func (c *Core) Read(id uint64, lease bool) error {
	if c.role != Leader {
		return ErrNotLeader{c.leader}
	}
	if lease && c.holdsLease() {
		c.reads = append(c.reads, ReadResult{ID: id, Index: c.log.commit})
		return nil
	}
	c.leading.reads = append(c.leading.reads, pendingRead{id: id})
	return nil
}

// committedOwnTerm: only after an entry of its own term is committed does a leader know the commit index (thesis 6.4).
func (c *Core) committedOwnTerm() bool { return c.log.commit >= c.leading.firstIndex }

func (c *Core) holdsLease() bool {
	l := &c.leading
	return c.cfg.LeaseDuration > 0 && c.committedOwnTerm() && !l.transferred && c.now-l.leaseStart < c.cfg.LeaseDuration
}

// startRound begins a round of confirmation if a heartbeat or a read needs one. All reads that wait share it; those
// that come later need a later one.
func (c *Core) startRound() bool {
	l := &c.leading
	waiting := c.committedOwnTerm() && len(l.reads) > 0 && l.reads[len(l.reads)-1].round == 0
	if !waiting && !l.heartbeatDue {
		return false
	}
	l.round++
	if c.cfg.LeaseDuration > 0 {
		l.roundTimes = append(l.roundTimes, roundTime{l.round, c.now})
	}
	if waiting {
		for i := len(l.reads) - 1; i >= 0 && l.reads[i].round == 0; i-- {
			l.reads[i].round, l.reads[i].index = l.round, c.log.commit
		}
	}
	c.confirmRounds() // a cluster of one confirms by itself
	return true
}

// confirmRounds answers the reads whose round a quorum has answered.
func (c *Core) confirmRounds() {
	l := &c.leading
	confirmed := c.configuration().reached(func(id NodeID) uint64 {
		if id == c.id {
			return l.round
		}
		if p := l.peers[id]; p != nil {
			return p.ackedRound
		}
		return 0
	})
	if confirmed <= l.confirmed {
		return
	}
	l.confirmed = confirmed
	for len(l.roundTimes) > 0 && l.roundTimes[0].round <= confirmed {
		l.leaseStart = l.roundTimes[0].at
		l.roundTimes = l.roundTimes[1:]
	}
	n := 0
	for n < len(l.reads) && l.reads[n].round != 0 && l.reads[n].round <= confirmed {
		c.reads = append(c.reads, ReadResult{ID: l.reads[n].id, Index: l.reads[n].index})
		n++
	}
	l.reads = l.reads[n:]
}

// dropReads tells those who wait that leadership is lost.
func (c *Core) dropReads() {
	for _, r := range c.leading.reads {
		c.reads = append(c.reads, ReadResult{ID: r.id, Dropped: true})
	}
	c.leading.reads = nil
}
