package raft

// Ready is the work that a batch of inputs gave.
type Ready struct {
	// HardState (nil: unchanged) and Entries are to be made durable together. Entries replace whatever the log on
	// disk holds from the index of the first of them on.
	HardState *HardState
	Entries   []Entry
	// Write numbers this write; without one, the latest before it. Give it to Persisted when it is durable.
	Write uint64

	// Messages may leave at once. AfterWrite may leave only when Write and all before it are durable.
	Messages   []Message
	AfterWrite []Message

	// Installed (nil: none) takes the place of the log on disk, with KeepLog only of the part that it covers. It belongs to
	// this Ready's write, before its Entries.
	Installed *SnapshotMeta
	KeepLog   bool
	// Chunks are parts of a snapshot to be stored; see ChunkStored and InstallSnapshot.
	Chunks []Chunk

	// Committed are the next entries to apply, in order.
	Committed []Entry
	// Reads are confirmed reads, and dropped ones.
	Reads []ReadResult
}

// HasWrite reports whether there is anything to make durable.
func (r *Ready) HasWrite() bool {
	return r.HardState != nil || len(r.Entries) > 0 || r.Installed != nil
}

func (r *Ready) empty() bool {
	return !r.HasWrite() && len(r.Messages)+len(r.AfterWrite)+len(r.Committed)+len(r.Reads)+len(r.Chunks) == 0
}

// Ready gathers what is to be done and reports whether there is anything.
func (c *Core) Ready() (Ready, bool) {
	if c.role == Leader {
		c.replicate()
	}
	var r Ready
	if hs := (HardState{Term: c.term, Vote: c.vote}); hs != c.saved {
		c.saved = hs
		r.HardState = &hs
	}
	if c.installed != nil {
		r.Installed, r.KeepLog, c.installed = c.installed, c.keepLog, nil
		c.logStart = LogStart{r.Installed.LastIncludedIndex, r.Installed.LastIncludedTerm}
	}
	r.Chunks, c.chunks = c.chunks, nil
	if r.HardState != nil || r.Installed != nil || c.log.written < c.log.lastIndex() {
		c.writes++
		r.Entries = c.log.giveOut(c.writes)
	}
	r.Write = c.writes
	r.Messages, c.outbox = c.outbox, nil
	r.AfterWrite, c.afterWrite = c.afterWrite, nil
	r.Reads, c.reads = c.reads, nil
	r.Committed = c.committed()
	return r, !r.empty()
}

// committed gives out entries that are committed and on this server's own stable storage: it never applies what a
// crash could take from its log.
func (c *Core) committed() []Entry {
	to := min(c.log.commit, c.log.durable)
	if to <= c.log.handed {
		return nil
	}
	es := c.log.slice(c.log.handed+1, maxInt)[:to-c.log.handed]
	c.log.handed = to
	return es
}
