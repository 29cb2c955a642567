package raft

import (
	"fmt"
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
	for _, s := range c.servers {
		if uint64(len(s.applied)) < at {
			return false
		}
	}
	return true
}

// nemesis does one bad thing, or heals the network.
func (c *randomCluster) nemesis() error {
	i, j := c.pick(0.3), c.random.IntN(len(c.servers))
	switch c.random.IntN(9) {
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
