package raft

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// cluster is a few servers and a network that carries a message only when it is told to.
type cluster struct {
	servers []*server
	clocks  []time.Duration // a test may let them run apart
	network []Message       // under way, oldest first
	groups  []int           // partition: servers of different groups do not reach each other
	safety  *safety
	asked   map[uint64]uint64 // reads: what was committed when they were asked
	trace   *strings.Builder  // what happened, for transcripts
}

// newCluster starts n servers with empty disks, all of them voters.
func newCluster(n int, config Config) *cluster { return newClusterWithSpares(n, 0, config) }

// newClusterWithSpares has servers besides, which are not started and may join later.
func newClusterWithSpares(n, spares int, config Config) *cluster {
	all := n + spares
	c := &cluster{clocks: make([]time.Duration, all), groups: make([]int, all), asked: map[uint64]uint64{}, trace: &strings.Builder{}}
	config.ElectionTimeout, config.HeartbeatInterval = electionTimeout, heartbeatInterval
	for i := range n {
		config.Configuration.Voters = append(config.Configuration.Voters, NodeID(i+1))
	}
	for i := range all {
		config.ID, config.Random = NodeID(i+1), rand.New(rand.NewPCG(1, uint64(i)))
		c.servers = append(c.servers, &server{config: config, chunkSize: 24})
	}
	c.safety = newSafety(c.servers)
	for i := range n { // the spares later
		c.restart(NodeID(i + 1))
	}
	return c
}

func (c *cluster) logf(format string, args ...any) { fmt.Fprintf(c.trace, format+"\n", args...) }

func (c *cluster) server(id NodeID) *server { return c.servers[id-1] }
func (c *cluster) core(id NodeID) *Core     { return c.servers[id-1].core }

func (c *cluster) ids() (all []NodeID) {
	for _, s := range c.servers {
		all = append(all, s.config.ID)
	}
	return all
}

// restart starts a server from its disk.
func (c *cluster) restart(id NodeID) {
	s := c.server(id)
	if err := s.start(c.clocks[id-1]); err != nil {
		panic(err)
	}
	c.must(c.safety.check(s))
}

// preset gives a server another disk, and restarts it.
func (c *cluster) preset(id NodeID, hs HardState, terms ...uint64) {
	c.server(id).disk = disk{hardState: hs, entries: entriesOfTerms(terms...)}
	c.restart(id)
}

func (c *cluster) must(err error) {
	if err != nil {
		panic(fmt.Sprintf("unsafe: %v\n%s", err, c.trace))
	}
}

// elapse moves a server's clock.
func (c *cluster) elapse(id NodeID, d time.Duration) {
	c.clocks[id-1] += d
	if core := c.core(id); core != nil {
		core.Tick(c.clocks[id-1])
	}
}

// timeout moves a server's clock to where its election timer runs out.
func (c *cluster) timeout(id NodeID) { c.elapse(id, max(0, c.core(id).Deadline()-c.clocks[id-1])) }

// ready does one round of a server's work, except for its write.
func (c *cluster) ready(id NodeID) bool {
	s := c.server(id)
	r, send, busy := s.work()
	if r.HasWrite() {
		c.logf("%d writes%s", id, describeWrite(r))
	}
	for _, e := range r.Committed {
		c.logf("%d applies %s", id, describeEntry(e))
	}
	for _, read := range r.Reads {
		c.must(c.safety.read(read, c.asked[read.ID]))
		if read.Dropped {
			c.logf("%d drops read %d", id, read.ID)
		} else {
			c.logf("%d may serve read %d at index %d", id, read.ID, read.Index)
		}
	}
	c.send(send)
	c.must(c.safety.check(s))
	return busy
}

// persist makes all writes of a server durable, and sends what waited for them.
func (c *cluster) persist(id NodeID) {
	s := c.server(id)
	installed := s.installs
	c.send(s.persist(len(s.queue)))
	if s.installs > installed {
		c.logf("%d takes up the snapshot at %d", id, s.machine.index)
	}
	c.must(c.safety.check(s))
}

// retire stops a server that knows that it was removed, as its driver would.
func (c *cluster) retire(id NodeID) {
	if s := c.server(id); s.core != nil && s.core.Removed() && len(s.queue) == 0 {
		c.logf("%d stops by itself: it was removed", id)
		s.crash(0)
	}
}

func (c *cluster) send(messages []Message) {
	for _, m := range messages {
		c.must(c.safety.sent(m))
		switch {
		case int(m.To) > len(c.servers): // a member that this test does not run
		case m.To == m.From:
			c.core(m.To).Step(m)
		case c.groups[m.From-1] == c.groups[m.To-1]:
			c.network = append(c.network, m)
		}
	}
}

// take removes from the network the messages that match.
func (c *cluster) take(match func(Message) bool) (taken []Message) {
	rest := slices.DeleteFunc(slices.Clone(c.network), match)
	for _, m := range c.network {
		if match(m) {
			taken = append(taken, m)
		}
	}
	c.network = rest
	return taken
}

// deliver gives a message to its receiver.
func (c *cluster) deliver(m Message) {
	c.logf("%s", describe(m))
	if core := c.core(m.To); core != nil {
		core.Step(m)
		c.must(c.safety.check(c.server(m.To)))
	}
}

// stabilize lets the given servers (all, when none is given) work, write and receive until nothing is left to do.
func (c *cluster) stabilize(ids ...NodeID) {
	if len(ids) == 0 {
		ids = c.ids()
	}
	for busy, rounds := true, 0; busy; rounds++ {
		if rounds > 1000 {
			panic("the servers do not come to rest")
		}
		busy = false
		for _, id := range ids {
			if c.core(id) == nil {
				continue
			}
			for c.ready(id) || len(c.server(id).queue) > 0 {
				busy = true
				c.persist(id)
			}
			c.retire(id)
		}
		for _, m := range c.take(func(m Message) bool { return slices.Contains(ids, m.To) && slices.Contains(ids, m.From) }) {
			busy = true
			c.deliver(m)
		}
	}
}

// elect lets a server's election timer run out, and the election take place.
func (c *cluster) elect(id NodeID) {
	for _, other := range c.ids() {
		if core := c.core(other); core != nil && core.role != Leader && core.leaderContact != minTime {
			// Their promise to the last leader runs out; their timers do not, which take longer.
			c.elapse(other, max(0, core.leaderContact+electionTimeout-c.clocks[other-1]))
		}
	}
	c.timeout(id)
	c.stabilize()
}

func (c *cluster) propose(id NodeID, command string) error {
	_, _, err := c.core(id).Propose([]byte(command))
	return err
}

func (c *cluster) read(id NodeID, read uint64, lease bool) error {
	c.asked[read] = c.safety.lastCommitted()
	return c.core(id).Read(read, lease)
}

func describe(m Message) string {
	b := fmt.Sprintf("%d->%d %v term=%d", m.From, m.To, m.Kind, m.Term)
	switch m.Kind {
	case RequestVote, PreVote:
		b += fmt.Sprintf(" last=%d/%d", m.LastLogIndex, m.LastLogTerm)
		if m.Transfer {
			b += " transfer"
		}
	case AppendEntries:
		b += fmt.Sprintf(" prev=%d/%d commit=%d round=%d", m.PrevLogIndex, m.PrevLogTerm, m.Commit, m.Round)
		for _, e := range m.Entries {
			b += " " + describeEntry(e)
		}
		if m.Removed {
			b += " removed"
		}
	case InstallSnapshot:
		b += fmt.Sprintf(" snapshot=%d/%d bytes=%d-%d", m.Snapshot.LastIncludedIndex, m.Snapshot.LastIncludedTerm, m.Offset, m.Offset+uint64(len(m.Chunk)))
		if m.Done {
			b += " done"
		}
	case InstallSnapshotReply:
		b += fmt.Sprintf(" snapshot=%d next=%d", m.MatchIndex, m.Offset)
	case AppendEntriesReply:
		if m.Reject {
			b += fmt.Sprintf(" refused prev=%d hint=%d/%d", m.PrevLogIndex, m.HintIndex, m.HintTerm)
		} else {
			b += fmt.Sprintf(" match=%d round=%d", m.MatchIndex, m.Round)
		}
	case RequestVoteReply, PreVoteReply:
		switch {
		case m.Removed:
			b += fmt.Sprintf(" removed commit=%d", m.MatchIndex)
		case m.Reject:
			b += " refused"
		default:
			b += " granted"
		}
	}
	return b
}

// describeEntry gives index/term and the command.
func describeEntry(e Entry) string {
	if e.Kind == EntryNoOp {
		return fmt.Sprintf("%d/%d:noop", e.Index, e.Term)
	}
	if e.Kind == EntryConfiguration {
		if c, err := DecodeConfiguration(e.Data); err == nil {
			return fmt.Sprintf("%d/%d:%s", e.Index, e.Term, describeConfiguration(c))
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%d/%d:%s", e.Index, e.Term, e.Data), ":")
}

// describeConfiguration gives the voters, those of C-old after a slash, and learners after a plus.
func describeConfiguration(c Configuration) string {
	b := fmt.Sprint(c.Voters)
	if c.Joint() {
		b += fmt.Sprintf("/%v", c.Outgoing)
	}
	if len(c.Learners) > 0 {
		b += fmt.Sprintf("+%v", c.Learners)
	}
	return b
}

func describeWrite(r Ready) (b string) {
	if r.Installed != nil {
		b += fmt.Sprintf(" snapshot=%d/%d", r.Installed.LastIncludedIndex, r.Installed.LastIncludedTerm)
	}
	if r.HardState != nil {
		b += fmt.Sprintf(" term=%d vote=%d", r.HardState.Term, r.HardState.Vote)
	}
	for _, e := range r.Entries {
		b += " " + describeEntry(e)
	}
	return b
}
