package raft

import (
	"fmt"
	"slices"
)

// TransferLeadership hands leadership to a voter: proposals stop, the target is brought up to date, then told to
// stand for election at once (thesis 3.10, R22). It is given up after an election timeout.
func (c *Core) TransferLeadership(to NodeID) error {
	if c.role != Leader {
		return ErrNotLeader{c.leader}
	}
	if to == c.id || !slices.Contains(c.configuration().Voters, to) { // one of C-old only would have to leave at once
		return fmt.Errorf("leadership cannot go to server %d: it must be another voter", to)
	}
	c.leading.transferee = to
	c.leading.transferDeadline = c.now + c.cfg.ElectionTimeout
	c.continueTransfer()
	return nil
}

// continueTransfer sends TimeoutNow when the target's log has everything. It is repeated with each answer of the
// target until another leader appears or the transfer is given up.
func (c *Core) continueTransfer() {
	l := &c.leading
	p := l.peers[l.transferee]
	if l.transferee == 0 || p == nil || p.match < c.log.lastIndex() {
		return
	}
	l.transferred = true
	c.send(Message{Kind: TimeoutNow, To: l.transferee})
}
