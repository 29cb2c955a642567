package raft

import (
	"fmt"
	"slices"
	"time"
)

// What a randomCluster does to its servers: clients, disks, network and faults.

func (c *randomCluster) upTo(d time.Duration) time.Duration {
	return time.Duration(c.random.Int64N(int64(d) + 1))
}

func (c *randomCluster) chance(p float64) bool { return c.random.Float64() < p }

// route sends messages: to oneself at once, to others over the network.
func (c *randomCluster) route(messages []Message) error {
	for _, m := range messages {
		if err := c.safety.sent(m); err != nil {
			return err
		}
		if m.To == m.From {
			c.servers[m.To-1].core.Step(m)
			continue
		}
		if c.cut[m.From-1][m.To-1] || c.chance(c.weather.loss) {
			continue
		}
		c.carry(m)
		if c.chance(c.weather.duplicate) {
			c.carry(m)
		}
	}
	return nil
}

func (c *randomCluster) carry(m Message) {
	delay := time.Millisecond + c.upTo(4*time.Millisecond)
	if c.chance(c.weather.late) {
		delay = c.upTo(3 * electionTimeout)
	}
	c.schedule(event{at: c.now + delay, kind: eventMessage, server: int(m.To - 1), message: m})
}

// scheduleDisk sets when the first of the writes under way is done.
func (c *randomCluster) scheduleDisk(i int) {
	if len(c.servers[i].queue) > 0 && !c.diskBusy[i] {
		c.diskBusy[i] = true
		c.schedule(event{at: c.diskDone(i), kind: eventDisk, server: i, life: c.lives[i]})
	}
}

// snapshotWhenDue begins to save the state, now and then though a follower is being sent the last snapshot.
func (c *randomCluster) snapshotWhenDue(s *server) {
	last := s.core.Snapshot().LastIncludedIndex
	if c.every == 0 || s.machine.index < last+c.every || s.core.SendingSnapshot() && (c.healed || !c.chance(0.1)) {
		return
	}
	for _, w := range s.queue {
		if w.save != nil {
			return
		}
	}
	s.takeSnapshot(c.random.Uint64N(c.retain + 1))
}

// rare is what all servers together went through.
func (c *randomCluster) rare() (all rareStates) {
	for _, s := range c.servers {
		all.add(s.rare)
	}
	return all
}

// stop: a server that was removed stops by itself; of what it had yet to write, some may still be written.
func (c *randomCluster) stop(i int) {
	s := c.servers[i]
	s.rare.removed++
	s.crash(c.random.IntN(len(s.queue) + 1))
}

// changeMembers asks a leader, if there is one, for any other set of servers, and starts those that are to join.
func (c *randomCluster) changeMembers() error {
	i := c.pick(1)
	s := c.servers[i]
	if s.core == nil || c.maxVoters == 0 {
		return nil
	}
	var to Configuration
	order, voters := c.random.Perm(len(c.servers)), 1+c.random.IntN(c.maxVoters)
	for _, k := range order[:voters] {
		to.Voters = append(to.Voters, NodeID(k+1))
	}
	for _, k := range order[voters:min(voters+c.random.IntN(3), len(order))] {
		to.Learners = append(to.Learners, NodeID(k+1))
	}
	if c.chance(0.3) { // learners only
		now, _ := s.core.Configuration()
		to.Voters = slices.Clone(now.Voters)
		to.Learners = slices.DeleteFunc(to.Learners, func(id NodeID) bool { return slices.Contains(to.Voters, id) })
	}
	slices.Sort(to.Voters)
	slices.Sort(to.Learners)
	s.core.Tick(c.clocks[i].local(c.now))
	if err := c.safety.check(s); err != nil {
		return err
	}
	if err := s.core.ChangeMembership(to); err == nil {
		for _, id := range to.Members() {
			c.schedule(event{at: c.now + c.upTo(electionTimeout), kind: eventStart, server: int(id - 1)})
		}
	}
	if err := c.drive(i); err != nil {
		return err
	}
	if c.chance(0.3) {
		c.isolate(i)
	}
	return nil
}

// startMembers: the operators start again whoever is named by the configuration that the newest leader uses.
func (c *randomCluster) startMembers() {
	for _, id := range c.members().Members() {
		if c.servers[id-1].core == nil {
			c.schedule(event{at: c.now + c.upTo(electionTimeout), kind: eventStart, server: int(id - 1)})
		}
	}
}

// members is the configuration of the server with the newest log.
func (c *randomCluster) members() Configuration {
	best := &server{}
	var log LogStart
	for _, s := range c.servers {
		if s.core == nil {
			continue
		}
		last := LogStart{s.core.log.lastIndex(), s.core.log.lastTerm()}
		if best.core == nil || last.Term > log.Term || last.Term == log.Term && last.Index > log.Index {
			best, log = s, last
		}
	}
	if best.core == nil {
		return c.safety.committedConfiguration(c.safety.lastCommitted()).configuration
	}
	return best.core.configuration()
}

// diskDone is when a write that is queued now is durable.
func (c *randomCluster) diskDone(i int) time.Duration {
	if c.slow[i] {
		return c.now + c.upTo(5*electionTimeout)
	}
	return c.now + c.upTo(2*time.Millisecond)
}

// pick picks a server: with probability p a leader, if there is one.
func (c *randomCluster) pick(p float64) int {
	i := c.random.IntN(len(c.servers))
	if !c.chance(p) {
		return i
	}
	for k := range c.servers {
		j := (i + k) % len(c.servers)
		if s := c.servers[j]; s.core != nil && s.core.role == Leader {
			return j
		}
	}
	return i
}

// client proposes or reads, mostly at a leader.
func (c *randomCluster) client() error {
	if c.healed {
		c.startMembers()
	}
	i := c.pick(0.8)
	s := c.servers[i]
	if s.core == nil {
		return nil
	}
	s.core.Tick(c.clocks[i].local(c.now))
	if c.chance(0.5) {
		c.readIDs++
		c.asked[c.readIDs] = c.safety.lastCommitted()
		_ = s.core.Read(c.readIDs, c.chance(0.5))
		return c.drive(i)
	}
	command := fmt.Appendf(nil, "%d%*d", c.steps, c.random.IntN(20), 0)
	index, term, err := s.core.Propose(command)
	if err == nil && c.healed && (c.proof.index == 0 || c.now > c.proofGiven+3*electionTimeout) {
		c.proof, c.proofGiven = position{index, term}, c.now
	}
	return c.drive(i)
}

// progressed reports whether a command proposed after the healing is applied everywhere, and a read was confirmed.
func (c *randomCluster) progressed() bool {
	at := c.proof.index
	if at == 0 || !c.proofRead || c.safety.lastCommitted() < at || c.safety.committed[at-1].term != c.proof.term {
		return false
	}
	last := c.safety.configurations[len(c.safety.configurations)-1].configuration
	members := last.Members()
	for _, id := range members {
		if s := c.servers[id-1]; s.core == nil || s.machine.index < at || s.core.Changing() {
			return false
		}
	}
	for _, s := range c.servers {
		if s.core != nil && !slices.Contains(members, s.config.ID) && c.mustStop(s.core, last) {
			return false
		}
	}
	return !last.Joint()
}

// mustStop reports whether a server that is out can learn so: it was a member by a committed configuration and remembers
// one, and one of those whom it would ask is still a member.
func (c *randomCluster) mustStop(core *Core, members Configuration) bool {
	return core.wasMember() && slices.ContainsFunc(core.configuration().Voters, members.Voter) &&
		slices.ContainsFunc(c.safety.configurations, func(at configurationAt) bool {
			return slices.Contains(at.configuration.Members(), core.id)
		})
}

// describe tells where everybody stands.
func (c *randomCluster) describe() (b string) {
	for i, s := range c.servers {
		if s.core == nil {
			b += fmt.Sprintf("\n%d is down", i+1)
			continue
		}
		st := s.core.Status()
		_, index := s.core.Configuration()
		b += fmt.Sprintf("\n%d %v term=%d leader=%d log=%d-%d/%d commit=%d applied=%d uses %s of %d removed=%v", st.ID, st.Role, st.Term, st.Leader,
			s.core.log.lastIncludedIndex+1, st.LastIndex, s.core.log.lastTerm(), st.Commit, s.machine.index,
			describeConfiguration(st.Configuration), index, s.core.Removed())
	}
	return b
}

// nemesis does one bad thing, or heals the network.
func (c *randomCluster) nemesis() error {
	i, j := c.pick(0.3), c.random.IntN(len(c.servers))
	switch c.random.IntN(12) {
	case 0:
		c.cut[i][j] = true
	case 1:
		c.isolate(i)
	case 2: // two halves
		half := make([]bool, len(c.servers))
		for k := range half {
			half[k] = c.chance(0.5)
		}
		for k := range half {
			for l := range half {
				c.cut[k][l] = half[k] != half[l]
			}
		}
	case 3:
		c.mend()
	case 4, 5:
		c.crash(i)
	case 6:
		c.slow[i] = !c.slow[i]
	case 7, 8:
		return c.transfer(j)
	case 9, 10, 11:
		return c.changeMembers()
	}
	return nil
}

// isolate cuts a server off, both ways or one.
func (c *randomCluster) isolate(i int) {
	in, out := c.chance(0.8), c.chance(0.8)
	for k := range c.servers {
		c.cut[k][i], c.cut[i][k] = in, out
	}
}

// transfer has a leader hand over to server to, and sometimes cuts that leader off as soon as it has said so.
func (c *randomCluster) transfer(to int) error {
	i := c.pick(1)
	s := c.servers[i]
	if s.core == nil {
		return nil
	}
	s.core.Tick(c.clocks[i].local(c.now))
	_ = s.core.TransferLeadership(NodeID(to + 1))
	err := c.drive(i)
	if c.chance(0.5) {
		c.isolate(i)
	}
	return err
}

func (c *randomCluster) crash(i int) {
	s := c.servers[i]
	if s.core == nil {
		return
	}
	s.crash(c.random.IntN(len(s.queue) + 1))
	c.schedule(event{at: c.now + c.upTo(2*electionTimeout), kind: eventStart, server: i})
}

func (c *randomCluster) mend() {
	for i := range c.cut {
		for j := range c.cut[i] {
			c.cut[i][j] = false
		}
	}
}

// heal ends all faults; messages that are late stay so.
func (c *randomCluster) heal() {
	c.healed = true
	c.weather = weather{}
	c.mend()
	for i := range c.servers {
		c.slow[i] = false
	}
}
