package raft

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Role is what a server is at a time: exactly one of the three (paper 5.1, R1).
type Role uint8

const (
	Follower Role = iota
	Candidate
	Leader
)

func (r Role) String() string { return [...]string{"follower", "candidate", "leader"}[r] }

// Config says how a Core starts and behaves. Durations are on the clock that Tick is given.
type Config struct {
	ID NodeID
	// Configuration is used until the log holds a newer one.
	Configuration Configuration
	// HardState, the newest Snapshot, and the log are what the server's stable storage holds. Entries begin after
	// LogStart, which is at or before the snapshot's last entry. A log that does not reach to it, or holds another entry
	// there, is what a crash leaves between the two writes that install a snapshot: the first Ready finishes that.
	HardState HardState
	Snapshot  SnapshotMeta
	LogStart  LogStart
	Entries   []Entry

	// Join: this server is to be added, perhaps again. Until a configuration that is newer than those it starts with names it, it
	// waits, whatever others say of an earlier removal; a leader's word counts.
	Join bool

	// ElectionTimeout is the least time without a leader after which a server stands for election; each wait is drawn
	// anew from [ElectionTimeout, 2 ElectionTimeout) (paper 5.2).
	ElectionTimeout time.Duration
	// HeartbeatInterval is how often a leader sends AppendEntries at least.
	HeartbeatInterval time.Duration
	// PreVote asks before it disturbs (thesis 9.6). CheckQuorum makes a leader without a majority step down, and
	// servers with a live leader deaf to candidates (thesis 6.2, 4.2.3).
	PreVote     bool
	CheckQuorum bool
	// MaxAppendBytes bounds the data of one AppendEntries, MaxInflight and MaxInflightBytes what a follower may owe
	// answers for. Zero takes the defaults: 1 MiB, 256, 16 MiB.
	MaxAppendBytes   int
	MaxInflight      int
	MaxInflightBytes int

	// Now is the time of the start, Random the source of election timeouts.
	Now    time.Duration
	Random *rand.Rand

	// LeaseDuration is how long after a confirmation of its leadership a leader may serve reads without asking again
	// (thesis 6.4.1); zero for never. It must be shorter than ElectionTimeout by the drift that clocks may have
	// against each other in that time, and needs CheckQuorum.
	LeaseDuration time.Duration
}

func (c *Config) check() error {
	switch {
	case c.ID == 0:
		return errors.New("raft: server id 0 means nobody")
	case c.HeartbeatInterval <= 0:
		return fmt.Errorf("raft: heartbeat interval %v must be positive", c.HeartbeatInterval)
	case c.ElectionTimeout/2 < c.HeartbeatInterval: // and not 2*: that may overflow
		return fmt.Errorf("raft: election timeout %v must be at least twice the heartbeat interval %v", c.ElectionTimeout, c.HeartbeatInterval)
	case c.LeaseDuration < 0 || c.LeaseDuration >= c.ElectionTimeout:
		return fmt.Errorf("raft: lease of %v must be shorter than the election timeout %v", c.LeaseDuration, c.ElectionTimeout)
	case c.LeaseDuration > 0 && !c.CheckQuorum:
		return errors.New("raft: leases need CheckQuorum")
	case c.Random == nil:
		return errors.New("raft: no source of randomness given")
	}
	if c.MaxAppendBytes < 0 || c.MaxInflight < 0 || c.MaxInflightBytes < 0 {
		return errors.New("raft: MaxAppendBytes, MaxInflight and MaxInflightBytes must not be negative")
	}
	if c.MaxAppendBytes == 0 {
		c.MaxAppendBytes = 1 << 20
	}
	if c.MaxInflight == 0 {
		c.MaxInflight = 256
	}
	if c.MaxInflightBytes == 0 {
		c.MaxInflightBytes = 16 << 20
	}
	if err := c.Configuration.validate(); err != nil {
		return fmt.Errorf("raft: %w", err)
	}
	return nil
}

// Core is one server's consensus state. Its methods are for one thread.
type Core struct {
	cfg  Config
	id   NodeID
	now  time.Duration
	log  raftLog
	term uint64
	vote NodeID

	role   Role
	leader NodeID // of the current term, as far as known

	configurations []configurationAt // the log's, oldest first; the last one is in force

	waits            bool   // for being added: see Config.Join
	removed          bool   // this server knows that it is out
	toldOut          uint64 // since it last asked for votes: greatest commit index of those who say that it is out,
	toldMember       uint64 // and greatest index of a configuration, of those who have one that names it
	electionDeadline time.Duration
	leaderContact    time.Duration   // when a leader, of this or an earlier term, was last heard, or minTime
	preVotes         map[NodeID]bool // while asking for pre-votes: who would grant
	votes            map[NodeID]bool // candidates: the answers, true for granted

	leading leading // leaders only

	snapshot  SnapshotMeta  // the newest on stable storage
	chunks    []Chunk       // received, to be stored
	installed *SnapshotMeta // the log on disk is to be replaced by it
	keepLog   bool          // but for the entries after it
	logStart  LogStart      // of the log on disk, when all that was given out is written

	outbox     []Message
	afterWrite []Message
	reads      []ReadResult
	saved      HardState // as last given out
	writes     uint64    // number of the last write given out
}

// configurationAt is a configuration and the index of its entry.
type configurationAt struct {
	index         uint64
	configuration Configuration
}

const minTime = -time.Duration(1 << 62)

// New makes a server from what its stable storage holds. It starts as a follower (paper 5.2).
func New(cfg Config) (*Core, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Core{cfg: cfg, id: cfg.ID, now: cfg.Now, term: cfg.HardState.Term, vote: cfg.HardState.Vote, saved: cfg.HardState}
	c.leaderContact = minTime
	if c.term > 0 {
		// Before the restart this server may have promised a leader's lease not to vote: keep that (thesis 6.4.1).
		c.leaderContact = c.now
	}
	if err := c.recoverAll(); err != nil {
		return nil, fmt.Errorf("raft: stable storage: %w", err)
	}
	c.waits = cfg.Join // whatever its own log says of earlier times
	c.resetElectionTimer()
	return c, nil
}

// recoverAll takes in snapshot and log.
func (c *Core) recoverAll() error {
	cfg, s := &c.cfg, c.cfg.Snapshot
	c.configurations = []configurationAt{{0, cfg.Configuration}}
	if s.LastIncludedIndex > 0 {
		if err := s.Configuration.validate(); err != nil {
			return fmt.Errorf("snapshot at %d: %w", s.LastIncludedIndex, err)
		}
		c.configurations = []configurationAt{{s.LastIncludedIndex, s.Configuration}}
	}
	if err := checkStart(s, cfg.LogStart, c.term); err != nil {
		return err
	}
	c.snapshot, c.logStart = s, cfg.LogStart
	c.log.lastIncludedIndex, c.log.lastIncludedTerm = cfg.LogStart.Index, cfg.LogStart.Term
	for _, e := range cfg.Entries {
		if err := c.recover(e); err != nil {
			return err
		}
	}
	c.log.written, c.log.durable = c.log.lastIndex(), c.log.lastIndex()
	if !c.log.has(s.LastIncludedIndex) || c.log.term(s.LastIncludedIndex) != s.LastIncludedTerm {
		c.installInLog(s)
		c.adoptConfiguration(s)
	}
	c.log.commit, c.log.handed = s.LastIncludedIndex, s.LastIncludedIndex
	return nil
}

// checkStart reports how snapshot and log cannot be of one server.
func checkStart(s SnapshotMeta, start LogStart, term uint64) error {
	switch {
	case start.Index > s.LastIncludedIndex:
		return fmt.Errorf("the log begins after entry %d, and the newest snapshot ends with entry %d: a snapshot was lost", start.Index, s.LastIncludedIndex)
	case start.Index == s.LastIncludedIndex && start.Term != s.LastIncludedTerm:
		return fmt.Errorf("the log begins after entry %d of term %d, and the snapshot ends with that entry in term %d", start.Index, start.Term, s.LastIncludedTerm)
	case s.LastIncludedTerm > term:
		return fmt.Errorf("the snapshot's last entry %d is of term %d, later than the current term %d", s.LastIncludedIndex, s.LastIncludedTerm, term)
	}
	return nil
}

// recover takes in the next entry of the log on stable storage.
func (c *Core) recover(e Entry) error {
	switch {
	case e.Index != c.log.lastIndex()+1:
		return fmt.Errorf("entry %d follows entry %d", e.Index, c.log.lastIndex())
	case e.Term == 0 || e.Term < c.log.lastTerm():
		return fmt.Errorf("entry %d is of term %d, the one before it of term %d", e.Index, e.Term, c.log.lastTerm())
	case e.Term > c.term:
		return fmt.Errorf("entry %d is of term %d, later than the current term %d", e.Index, e.Term, c.term)
	}
	return c.appendToLog(e)
}

// appendToLog appends e, and takes up the configuration in it: a server uses the newest one in its log, committed or
// not (paper section 6).
func (c *Core) appendToLog(e Entry) error {
	if e.Kind == EntryConfiguration && e.Index > c.snapshot.LastIncludedIndex {
		configuration, err := DecodeConfiguration(e.Data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
		c.configurations = append(c.configurations, configurationAt{e.Index, configuration})
		c.waits = c.waits && c.memberAsOf(c.id) == 0
	}
	c.log.append(e)
	return nil
}

// truncateLog removes the entries from index from on, and falls back to the configuration before them.
func (c *Core) truncateLog(from uint64) {
	c.log.truncate(from)
	for c.configurations[len(c.configurations)-1].index >= from {
		c.configurations = c.configurations[:len(c.configurations)-1]
	}
}

func (c *Core) configuration() Configuration {
	return c.configurations[len(c.configurations)-1].configuration
}

// Tick tells the core what time it is. Time never goes back.
func (c *Core) Tick(now time.Duration) {
	c.now = max(c.now, now)
	if c.role == Leader {
		c.tickLeader()
		return
	}
	if c.now >= c.electionDeadline {
		c.electionTimeout()
	}
}

// Deadline is when Tick next has something to do.
func (c *Core) Deadline() time.Duration {
	if c.role == Leader {
		return c.leading.heartbeatDeadline
	}
	return c.electionDeadline
}

// resetElectionTimer draws a new timeout. Only three things may: a current leader's message, granting a vote, and
// standing for election (paper 5.2, R5).
func (c *Core) resetElectionTimer() {
	jitter := time.Duration(c.cfg.Random.Int64N(int64(c.cfg.ElectionTimeout)))
	c.electionDeadline = c.now + c.cfg.ElectionTimeout + jitter
}

// Step takes in a message from another server, or one of its own that was to wait for a write.
func (c *Core) Step(m Message) {
	if m.To != c.id || m.From == 0 || !m.Kind.Valid() || c.removed {
		return // who is about to stop answers no more: a leader that adds it again must not take it for one that runs
	}
	if (m.Kind == PreVote || m.Kind == RequestVote) && c.stranger(m.From) {
		c.tellRemoved(m)
	}
	if m.Kind == PreVoteReply || m.Kind == RequestVoteReply {
		c.hear(m)
	}
	if m.Term < c.term {
		c.refuseStale(m)
		return
	}
	if c.leaderAlive() && c.disturbs(m) {
		return
	}
	if m.Term > c.term && !proposesTerm(m) {
		c.becomeFollower(m.Term) // paper 5.1, R2
	}
	switch m.Kind {
	case RequestVote:
		c.handleRequestVote(m)
	case RequestVoteReply:
		c.handleRequestVoteReply(m)
	case PreVote:
		c.handlePreVote(m)
	case PreVoteReply:
		c.handlePreVoteReply(m)
	case AppendEntries:
		c.handleAppendEntries(m)
	case AppendEntriesReply:
		c.handleAppendEntriesReply(m)
	case InstallSnapshot:
		c.handleInstallSnapshot(m)
	case InstallSnapshotReply:
		c.handleInstallSnapshotReply(m)
	case TimeoutNow:
		c.handleTimeoutNow(m)
	}
}

// disturbs reports whether m, of a removed or cut-off server, must not depose a leader that serves (paper section 6, R15).
// A server that is out may hold any term: it does not know better, and is told so.
func (c *Core) disturbs(m Message) bool {
	switch m.Kind {
	case RequestVote:
		return !m.Transfer && (c.cfg.CheckQuorum || c.stranger(m.From))
	case RequestVoteReply, AppendEntriesReply, InstallSnapshotReply:
		return m.Term > c.term && c.stranger(m.From)
	}
	return false
}

// proposesTerm reports whether the term of m is not its sender's, but that of an election that may never be.
func proposesTerm(m Message) bool {
	return m.Kind == PreVote || m.Kind == PreVoteReply && (!m.Reject || m.Removed)
}

// refuseStale answers a request of an earlier term, so that its sender learns the current one. Replies of an earlier
// term mean nothing any more.
func (c *Core) refuseStale(m Message) {
	switch m.Kind {
	case RequestVote:
		c.reply(m, Message{Kind: RequestVoteReply, Reject: true})
	case PreVote:
		c.reply(m, Message{Kind: PreVoteReply, Reject: true})
	case AppendEntries:
		c.reply(m, Message{Kind: AppendEntriesReply, Reject: true, PrevLogIndex: m.PrevLogIndex})
	case InstallSnapshot:
		c.reply(m, Message{Kind: InstallSnapshotReply, Reject: true})
	}
}

// becomeFollower takes up term, which is the current one or a later one.
func (c *Core) becomeFollower(term uint64) {
	if term < c.term {
		panic(fmt.Sprintf("raft: term would go back from %d to %d", c.term, term))
	}
	if term > c.term {
		// leaderContact stays: the promise to the last leader, its lease, holds whatever terms turn up meanwhile.
		c.term, c.vote, c.leader = term, 0, 0
	}
	if c.role == Leader {
		c.dropReads()
		c.leading = leading{}
		c.leader = 0
		c.resetElectionTimer() // a leader has none running
	}
	c.role = Follower
	c.preVotes, c.votes = nil, nil
}

// send queues a message that promises nothing about what this server has stored.
func (c *Core) send(m Message) {
	m.From = c.id
	if m.Term == 0 {
		m.Term = c.term
	}
	c.outbox = append(c.outbox, m)
}

// sendAfterWrite queues a message that may leave only when all that came before it is durable.
func (c *Core) sendAfterWrite(m Message) {
	m.From = c.id
	if m.Term == 0 {
		m.Term = c.term
	}
	c.afterWrite = append(c.afterWrite, m)
}

func (c *Core) reply(to, m Message) {
	m.To = to.From
	if (m.Kind == PreVoteReply || m.Kind == RequestVoteReply) && !m.Removed {
		m.MatchIndex = c.memberAsOf(to.From)
	}
	c.sendAfterWrite(m)
}

// Status is a server's view of itself and, of a leader, of the others.
type Status struct {
	ID            NodeID
	Role          Role
	Term          uint64
	Vote          NodeID
	Leader        NodeID // 0: not known
	Commit        uint64
	LastIndex     uint64
	Durable       uint64 // last index on stable storage
	Configuration Configuration
	Peers         []PeerStatus // leaders only, sorted by ID
}

// PeerStatus is what a leader knows of another server (R4).
type PeerStatus struct {
	ID        NodeID
	Match     uint64
	Next      uint64
	LastHeard time.Duration // on the clock of Tick
}

// Status tells what the server is and knows now.
func (c *Core) Status() Status {
	s := c.Brief()
	for id, p := range c.leading.peers {
		s.Peers = append(s.Peers, PeerStatus{ID: id, Match: p.match, Next: p.next, LastHeard: p.lastHeard})
	}
	slices.SortFunc(s.Peers, func(a, b PeerStatus) int { return cmp.Compare(a.ID, b.ID) })
	return s
}

// Brief is Status without the peers. It takes no memory, for those who ask after every step.
func (c *Core) Brief() Status {
	return Status{ID: c.id, Role: c.role, Term: c.term, Vote: c.vote, Leader: c.leader, Commit: c.log.commit,
		LastIndex: c.log.lastIndex(), Durable: c.log.durable, Configuration: c.configuration()}
}
