package raft

// electionTimeout: no leader was heard of for a whole election timeout.
func (c *Core) electionTimeout() {
	c.resetElectionTimer()
	if c.removed = c.removed || c.toldOut > 0 && c.toldOut >= c.toldMember; c.removed {
		return
	}
	c.toldOut, c.toldMember = 0, 0
	if !c.mayStand() {
		// Learners and removed servers do not stand, but those whom no leader tells ask whether they are still wanted.
		c.leader, c.preVotes = 0, nil
		c.askForVotes(Message{Kind: PreVote, Term: c.term + 1})
		return
	}
	if c.cfg.PreVote {
		c.startPreVote()
		return
	}
	c.startElection(false)
}

// mayStand reports whether this server stands for election: as a voter, or as one until the newest configuration is known to
// be committed. Without it, who may be the only one to hold that, nobody might be electable (thesis 4.2.2). Its own vote
// counts only where it is a voter.
func (c *Core) mayStand() bool {
	for i := len(c.configurations) - 1; i >= 0; i-- {
		if c.configurations[i].configuration.Voter(c.id) {
			return true
		}
		if c.configurations[i].index <= c.log.commit {
			return false
		}
	}
	return false
}

// startPreVote asks whether an election could be won, without a new term (thesis 9.6, R15).
func (c *Core) startPreVote() {
	c.leader = 0
	c.preVotes = map[NodeID]bool{c.id: true}
	c.askForVotes(Message{Kind: PreVote, Term: c.term + 1})
	c.countPreVotes()
}

// startElection: the candidate increments its term, votes for itself and asks the others (paper 5.2, R6).
func (c *Core) startElection(transfer bool) {
	if c.role == Leader {
		panic("raft: a leader stands for election")
	}
	c.becomeFollower(c.term + 1)
	c.role = Candidate
	c.vote = c.id
	c.votes = map[NodeID]bool{}
	c.resetElectionTimer()
	c.askForVotes(Message{Kind: RequestVote, Transfer: transfer})
	// Its own vote counts when it is durable, as everybody's does.
	c.sendAfterWrite(Message{Kind: RequestVoteReply, To: c.id})
}

func (c *Core) askForVotes(m Message) {
	m.LastLogIndex, m.LastLogTerm = c.log.lastIndex(), c.log.lastTerm()
	configuration := c.configuration()
	for _, id := range configuration.Members() {
		if id == c.id || !configuration.Voter(id) {
			continue
		}
		m.To = id
		if m.Kind == PreVote {
			c.send(m)
		} else {
			c.sendAfterWrite(m) // the term and the vote for itself are promises too
		}
	}
}

// handleRequestVote gives the one vote of this term to the first candidate whose log is at least as new (paper 5.2,
// 5.4.1, R6, R11).
func (c *Core) handleRequestVote(m Message) {
	free := c.vote == m.From || c.vote == 0 && c.leader == 0
	if !free || !c.log.upToDate(m.LastLogIndex, m.LastLogTerm) {
		c.reply(m, Message{Kind: RequestVoteReply, Reject: true})
		return
	}
	c.vote = m.From
	c.preVotes = nil
	c.resetElectionTimer()
	c.reply(m, Message{Kind: RequestVoteReply})
}

func (c *Core) handleRequestVoteReply(m Message) {
	if c.role != Candidate {
		return
	}
	if _, answered := c.votes[m.From]; !answered {
		c.votes[m.From] = !m.Reject
	}
	if c.configuration().quorum(func(id NodeID) bool { return c.votes[id] }) {
		c.becomeLeader()
	}
}

// handlePreVote says whether the vote would be given in m.Term, and changes nothing.
func (c *Core) handlePreVote(m Message) {
	if m.Term <= c.term || c.leaderAlive() || !c.log.upToDate(m.LastLogIndex, m.LastLogTerm) {
		c.reply(m, Message{Kind: PreVoteReply, Reject: true})
		return
	}
	c.reply(m, Message{Kind: PreVoteReply, Term: m.Term})
}

func (c *Core) handlePreVoteReply(m Message) {
	if c.preVotes == nil || m.Reject || m.Term != c.term+1 {
		return
	}
	c.preVotes[m.From] = true
	c.countPreVotes()
}

func (c *Core) countPreVotes() {
	if c.configuration().quorum(func(id NodeID) bool { return c.preVotes[id] }) {
		c.preVotes = nil
		c.startElection(false)
	}
}

// leaderAlive reports whether this server has to stand by a leader: it leads, or has heard the leader within the
// least election timeout (paper section 6, thesis 6.4.1).
func (c *Core) leaderAlive() bool {
	return c.role == Leader || c.now-c.leaderContact < c.cfg.ElectionTimeout
}

// handleTimeoutNow stands for election at once, because the leader asks for it (thesis 3.10, R22).
func (c *Core) handleTimeoutNow(m Message) {
	if c.role == Leader || !c.configuration().Voter(c.id) {
		return
	}
	c.startElection(true)
}
