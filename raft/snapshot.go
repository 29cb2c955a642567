package raft

import "fmt"

// SnapshotMeta says what a snapshot of the state machine covers (paper section 7, R16).
type SnapshotMeta struct {
	LastIncludedIndex uint64 // 0: there is none
	LastIncludedTerm  uint64
	// Configuration is the latest one up to LastIncludedIndex.
	Configuration Configuration
}

// Chunk is a part of a snapshot that a leader sent, to be stored at Offset. The last one is Done.
type Chunk struct {
	From   NodeID
	Term   uint64 // of the leader; give it back to ChunkStored
	Meta   SnapshotMeta
	Offset uint64
	Data   []byte
	Done   bool
}

// LogStart is the position before the first entry of a log on stable storage.
type LogStart struct {
	Index uint64
	Term  uint64
}

// ConfigurationAt is the configuration that a snapshot at index, which must be handed out to be applied, has to hold:
// never one that is not committed.
func (c *Core) ConfigurationAt(index uint64) Configuration {
	if index > c.log.handed || index < c.configurations[0].index {
		panic(fmt.Sprintf("raft: configuration at %d asked for, entries are given out up to %d, and the oldest known is of %d",
			index, c.log.handed, c.configurations[0].index))
	}
	for i := len(c.configurations) - 1; ; i-- {
		if c.configurations[i].index <= index {
			return c.configurations[i].configuration
		}
	}
}

// Snapshot is the newest snapshot that Compact or InstallSnapshot told of.
func (c *Core) Snapshot() SnapshotMeta { return c.snapshot }

// Compact tells that a snapshot is on stable storage, and drops the log up to its last entry but for the last retain
// entries, which spare a follower that is a little behind a snapshot. It returns where the log on disk may begin, when all
// that was given out is written. An older snapshot than the last changes nothing.
func (c *Core) Compact(meta SnapshotMeta, retain uint64) LogStart {
	if meta.LastIncludedIndex > c.log.handed {
		panic(fmt.Sprintf("raft: snapshot at %d of a server that has applied %d", meta.LastIncludedIndex, c.log.handed))
	}
	if meta.LastIncludedIndex > c.snapshot.LastIncludedIndex {
		c.snapshot = meta
		if meta.LastIncludedIndex > retain {
			c.log.compact(meta.LastIncludedIndex - retain)
			c.forgetConfigurations()
			c.logStart = LogStart{c.log.lastIncludedIndex, c.log.lastIncludedTerm}
		}
	}
	return c.logStart
}

// compact drops the entries up to index.
func (l *raftLog) compact(index uint64) {
	if index <= l.lastIncludedIndex {
		return
	}
	term := l.term(index)
	l.entries = append([]Entry(nil), l.entries[index-l.lastIncludedIndex:]...) // lets go of the memory
	l.lastIncludedIndex, l.lastIncludedTerm = index, term
}

// forgetConfigurations drops those that no truncation can bring back: all but the latest up to the snapshot.
func (c *Core) forgetConfigurations() {
	for len(c.configurations) > 1 && c.configurations[1].index <= c.snapshot.LastIncludedIndex {
		c.configurations = c.configurations[1:]
	}
}

// SendingSnapshot reports whether a follower that answers is being sent a snapshot. To take a new one meanwhile would
// make it start again.
func (c *Core) SendingSnapshot() bool {
	for id, p := range c.leading.peers {
		if p.state == snapshotting && c.heardLately(id) {
			return true
		}
	}
	return false
}

// sendSnapshot sends the next chunk, whose data the driver fills in, and waits for its answer. The chunk is sent again
// when several heartbeats have gone by without one.
func (c *Core) sendSnapshot(id NodeID, p *progress) {
	if p.snapshot != c.snapshot.LastIncludedIndex {
		p.snapshot, p.offset, p.waiting = c.snapshot.LastIncludedIndex, 0, false
	}
	if p.waiting && c.leading.heartbeatDue {
		p.silentBeats++
		p.waiting = p.silentBeats < chunkPatience
	}
	if p.waiting {
		return
	}
	p.waiting, p.silentBeats = true, 0
	meta := c.snapshot
	c.send(Message{Kind: InstallSnapshot, To: id, Snapshot: &meta, Offset: p.offset})
}

// chunkPatience is how many heartbeats pass before a chunk is sent again.
const chunkPatience = 4

// handleInstallSnapshot is the receiver's side of InstallSnapshot (paper figure 13).
func (c *Core) handleInstallSnapshot(m Message) {
	if m.From == c.id || m.Snapshot == nil || m.Snapshot.LastIncludedTerm > m.Term || m.Snapshot.Configuration.validate() != nil {
		return
	}
	c.follow(m.From)
	meta := *m.Snapshot
	if meta.LastIncludedIndex <= c.log.commit {
		// An old or repeated request: what it covers is here already, and the log after it must stay.
		c.reply(m, Message{Kind: AppendEntriesReply, MatchIndex: c.log.commit})
		return
	}
	c.chunks = append(c.chunks, Chunk{From: m.From, Term: m.Term, Meta: meta, Offset: m.Offset, Data: m.Chunk, Done: m.Done})
}

// ChunkStored tells that the snapshot that ch belongs to is stored up to the byte next, where its next chunk has to
// begin. Storing may have taken a while: the leader may be another one by now.
func (c *Core) ChunkStored(ch Chunk, next uint64) {
	if ch.Term != c.term || c.leader != ch.From {
		return
	}
	c.sendAfterWrite(Message{Kind: InstallSnapshotReply, To: ch.From, MatchIndex: ch.Meta.LastIncludedIndex, Offset: next})
}

// handleInstallSnapshotReply sends on from where the follower is.
func (c *Core) handleInstallSnapshotReply(m Message) {
	p := c.leading.peers[m.From]
	if c.role != Leader || p == nil {
		return
	}
	p.lastHeard = c.now
	// A repeated answer must not make a second stream of chunks. One that asks for the same chunk again waits for the resend.
	if p.state == snapshotting && m.MatchIndex == p.snapshot && m.Offset != p.offset {
		p.offset, p.waiting = m.Offset, false
	}
}

// InstallSnapshot tells that the whole snapshot that ch ends is on stable storage, and reports whether the state machine is
// to be replaced by it. It is not if the log has grown beyond it meanwhile. The log on disk is replaced by the next Ready.
func (c *Core) InstallSnapshot(ch Chunk) bool {
	meta := ch.Meta
	if meta.LastIncludedIndex <= c.log.commit || c.role == Leader {
		c.outrun(meta)
		return false // a leader has all that is committed, and never loses an entry
	}
	c.snapshot = meta
	c.installInLog(meta)
	c.log.commit, c.log.handed = meta.LastIncludedIndex, meta.LastIncludedIndex
	c.adoptConfiguration(meta)
	if ch.Term == c.term && c.leader == ch.From {
		c.sendAfterWrite(Message{Kind: AppendEntriesReply, To: ch.From, MatchIndex: meta.LastIncludedIndex})
	}
	return true
}

// outrun takes up a snapshot that the log has grown beyond while it arrived. It is the newest on stable storage all the same, where
// older ones make way for it: a leader must not offer one of those to a follower.
func (c *Core) outrun(meta SnapshotMeta) {
	if meta.LastIncludedIndex > c.snapshot.LastIncludedIndex {
		c.snapshot = meta
	}
}

// installInLog makes the log begin after a snapshot that is on stable storage. If it holds the snapshot's last entry it goes
// on after that (paper figure 13, step 6): promises may have been made about it. Else it conflicts, or ends before.
func (c *Core) installInLog(meta SnapshotMeta) {
	index, term := meta.LastIncludedIndex, meta.LastIncludedTerm
	if !c.log.has(index) || c.log.term(index) != term {
		c.log.reset(index, term)
		c.installed, c.keepLog = &meta, false
		return
	}
	c.log.compact(index)
	c.installed, c.keepLog = &meta, c.log.written >= index
	// What has not even been given out is written after the snapshot.
	c.log.written, c.log.durable = max(c.log.written, index), max(c.log.durable, index)
}

// reset replaces the whole log by a snapshot.
func (l *raftLog) reset(index, term uint64) {
	l.entries = nil
	l.lastIncludedIndex, l.lastIncludedTerm = index, term
	l.written, l.durable = index, index
	for i := range l.writes { // what they wrote is of the old log
		l.writes[i].first, l.writes[i].last = 0, 0
	}
}

// adoptConfiguration makes the snapshot's configuration the base, under what the log after it holds. An uncommitted one
// of the log that is gone must not survive it.
func (c *Core) adoptConfiguration(meta SnapshotMeta) {
	base := []configurationAt{{meta.LastIncludedIndex, meta.Configuration}}
	for _, at := range c.configurations {
		if at.index > meta.LastIncludedIndex && at.index <= c.log.lastIndex() {
			base = append(base, at)
		}
	}
	c.configurations = base
	c.waits = c.waits && c.memberAsOf(c.id) == 0
}
