package raft

import (
	"cmp"
	"errors"
	"slices"
)

// ErrChangeInProgress is why a second change of the configuration has to wait.
var ErrChangeInProgress = errors.New("another change of the configuration is under way")

// ErrNotReady is why a new leader takes no change yet: until an entry of its own term is committed, a configuration of an
// earlier leader may still come to be (Ongaro on raft-dev, 2015).
var ErrNotReady = errors.New("the leader has not committed an entry of its term yet")

// ChangeMembership begins the change to another set of voters and learners (paper section 6, R17): any number of servers
// may come and go in one change. Where voters change, the log gets C-old,new, and once that is committed C-new follows by
// itself. The change is done when Changing reports false. New voters should be learners that have caught up (thesis
// 4.2.1); see CaughtUp.
func (c *Core) ChangeMembership(to Configuration) error {
	switch {
	case c.role != Leader:
		return ErrNotLeader{c.leader}
	case c.leading.transferee != 0:
		return ErrTransferring{c.leading.transferee}
	case !c.committedOwnTerm():
		return ErrNotReady
	case c.Changing():
		return ErrChangeInProgress
	}
	to.Outgoing = nil
	if err := to.validate(); err != nil {
		return err
	}
	now := c.configuration()
	to.Addresses = MergeAddresses(to.Addresses, now.Addresses)
	if slices.Equal(now.Voters, to.Voters) {
		to.Addresses = membersAddresses(to)
	} else {
		to.Outgoing = now.Voters
	}
	c.appendConfiguration(to)
	return nil
}

// Changing reports whether a configuration is joint or not yet committed.
func (c *Core) Changing() bool {
	last := c.configurations[len(c.configurations)-1]
	return last.configuration.Joint() || last.index > c.log.commit
}

// Configuration is the one in force here, and the index of its entry (or of the snapshot it came with; 0: the first one).
func (c *Core) Configuration() (Configuration, uint64) {
	last := c.configurations[len(c.configurations)-1]
	return last.configuration, last.index
}

// Heir is the other voter with the most complete log, to hand leadership to; 0 where there is none, or this server does
// not lead.
func (c *Core) Heir() NodeID {
	if c.role != Leader {
		return 0
	}
	return c.heir()
}

// CaughtUp reports whether a server's log lacks no more than lag entries of the leader's.
func (c *Core) CaughtUp(id NodeID, lag uint64) bool {
	p := c.leading.peers[id]
	return p != nil && p.match+lag >= c.log.lastIndex()
}

// MergeAddresses are those of a, and of b for servers that a does not name, sorted.
func MergeAddresses(a, b []Address) []Address {
	all := slices.Clone(a)
	for _, x := range b {
		if !slices.ContainsFunc(a, func(y Address) bool { return x.ID == y.ID }) {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(x, y Address) int { return cmp.Compare(x.ID, y.ID) })
	return all
}

// appendConfiguration appends a configuration, which is in force from now on.
func (c *Core) appendConfiguration(to Configuration) {
	c.appendOwn(EntryConfiguration, to.Encode())
	c.leading.enlist(c, to)
}

// enlist gives every member a progress. Servers that are no members any more are told until they know that they are out.
func (l *leading) enlist(c *Core, members Configuration) {
	l.order = l.order[:0]
	for _, id := range members.Members() {
		if p := l.peers[id]; p != nil {
			p.departing, p.farewell = false, 0
		} else if id != c.id {
			l.peers[id] = &progress{next: c.log.lastIndex() + 1, lastHeard: c.now}
		}
	}
	for id, p := range l.peers {
		l.order = append(l.order, id)
		if !slices.Contains(members.Members(), id) && !p.departing {
			p.departing, p.leaves, p.farewell = true, c.log.lastIndex(), 0
		}
	}
	slices.Sort(l.order)
}

// afterCommit moves a change of the configuration on.
func (c *Core) afterCommit() {
	last := c.configurations[len(c.configurations)-1]
	if last.index > c.log.commit {
		return
	}
	if now := last.configuration; now.Joint() {
		c.appendConfiguration(Configuration{Voters: now.Voters, Learners: now.Learners, Addresses: membersAddresses(now)})
	} else if !now.Voter(c.id) {
		c.leading.leaving, c.leading.heartbeatDue = true, true
	}
}

// membersAddresses are the addresses of those who stay after a configuration, which may be joint.
func membersAddresses(joint Configuration) []Address {
	return slices.DeleteFunc(slices.Clone(joint.Addresses), func(a Address) bool {
		return !slices.Contains(joint.Voters, a.ID) && !slices.Contains(joint.Learners, a.ID)
	})
}

// dismiss forgets the servers that are out and know it, or have not been heard of for long.
func (c *Core) dismiss() {
	l := &c.leading
	for _, id := range slices.Clone(l.order) {
		p := l.peers[id]
		if !p.departing || c.log.commit < p.leaves {
			continue
		}
		knows := p.farewell != 0 && p.ackedRound >= p.farewell && p.match >= p.leaves
		if knows || c.now-p.lastHeard > departurePatience*c.cfg.ElectionTimeout {
			delete(l.peers, id)
			l.order = slices.DeleteFunc(l.order, func(o NodeID) bool { return o == id })
		}
	}
}

// departurePatience is how many election timeouts a leader tries to tell a removed server so.
const departurePatience = 10

// leave: a leader that is not in C-new leads until C-new is committed, tells the others, has the voter with the most
// complete log stand for election, and steps down (paper section 6).
func (c *Core) leave() {
	if heir := c.heir(); heir != 0 {
		c.send(Message{Kind: TimeoutNow, To: heir})
	}
	c.removed = c.stranger(c.id) // or a learner
	c.becomeFollower(c.term)
}

// heir is the voter, not this server, with the most complete log.
func (c *Core) heir() NodeID {
	best, match := NodeID(0), uint64(0)
	for _, id := range c.configuration().Voters {
		if p := c.leading.peers[id]; p != nil && id != c.id && (best == 0 || p.match > match) {
			best, match = id, p.match
		}
	}
	return best
}

// stranger reports whether the configuration in force is committed and does not name id.
func (c *Core) stranger(id NodeID) bool {
	last := c.configurations[len(c.configurations)-1]
	return last.index > 0 && last.index <= c.log.commit && !slices.Contains(last.configuration.Members(), id)
}

// tellRemoved answers a stranger's request for a vote that it is out, for all that is committed here. It gets the same answer
// as others besides: it may be a member that this server has not heard of yet.
func (c *Core) tellRemoved(m Message) {
	c.reply(m, Message{Kind: PreVoteReply, Reject: true, Removed: true, Term: m.Term, MatchIndex: c.log.commit})
}

// outAsOf reports whether a server is out that the configuration committed at commit does not name. If its log has a later
// one, that one is not committed, or will bring it back.
func (c *Core) outAsOf(commit uint64) bool {
	return c.configurations[len(c.configurations)-1].index <= commit
}

// hear takes in what an answer to a request for a vote says of whether this server is a member. Who is added again meets
// servers that do not know yet, and who is removed others that are and do not know it either: the later configuration counts.
func (c *Core) hear(m Message) {
	switch {
	case m.From == c.id:
	case !m.Removed:
		c.toldMember = max(c.toldMember, m.MatchIndex)
	case c.wasMember() && !c.waits && c.outAsOf(m.MatchIndex):
		c.toldOut = max(c.toldOut, m.MatchIndex)
	}
}

// memberAsOf is the index of the configuration in force, committed or not, if it names id, or else 0.
func (c *Core) memberAsOf(id NodeID) uint64 {
	last := c.configurations[len(c.configurations)-1]
	if !slices.Contains(last.configuration.Members(), id) {
		return 0
	}
	return last.index
}

// wasMember: a server that no configuration here names waits to be added, and has not been removed, whatever those say who
// do not know of it yet.
func (c *Core) wasMember() bool {
	return slices.ContainsFunc(c.configurations, func(at configurationAt) bool {
		return slices.Contains(at.configuration.Members(), c.id)
	})
}

// Removed reports whether this server knows that it is out: the leader said so, or somebody whom it asked for want of a
// leader and nobody knew better, or it led until C-new was committed. It then stops by itself, once what it was given in Ready is done (R17). Its own log does not tell:
// a new server sees configurations without itself go by while it catches up.
func (c *Core) Removed() bool { return c.removed }
