package node

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Host is the world around a Driver.
type Host interface {
	// Send gives a message to the network, which may lose it.
	Send(m raft.Message)
	// Write makes a write durable after all before it, and then tells Driver.Written its number. One that fails ends
	// the node: nothing that waits for it may ever leave.
	Write(w Write)
	// SaveSnapshot makes a snapshot of m, which nobody changes any more, durable, and then tells Driver.SnapshotSaved.
	// StoreChunk stores a chunk of another server's snapshot, and then tells Driver.ChunkStored. Both keep the order of
	// calls, and end the node when they fail.
	SaveSnapshot(meta raft.SnapshotMeta, m *kv.Machine)
	StoreChunk(ch raft.Chunk)
	// ReadChunk gives the bytes of a saved snapshot's file from offset on, as many as go into one message, and whether
	// they are the last.
	ReadChunk(meta raft.SnapshotMeta, offset uint64) (data []byte, done bool, err error)
	// Reconfigured tells the members' addresses when the configuration in force changes.
	Reconfigured(c raft.Configuration)
}

// Write is what goes to stable storage together.
type Write struct {
	Number    uint64
	HardState *raft.HardState // nil: unchanged
	Entries   []raft.Entry    // replace the log from the index of the first of them on

	// Installed (nil: none), a snapshot that is durable, takes the log's place before Entries are appended; with KeepLog
	// only of what it covers.
	Installed *raft.SnapshotMeta
	KeepLog   bool
	// Compact (nil: no) lets go of the log up to its index, which a durable snapshot covers. Such a write has no Number.
	Compact *raft.LogStart
}

// StoredChunk is what came of Host.StoreChunk: where the snapshot's next chunk has to begin, or, when it is whole and
// durable, the state in it.
type StoredChunk struct {
	Chunk   raft.Chunk
	Next    uint64
	Machine *kv.Machine
}

// Answerer takes the response to a request. It is called from the driver's thread and must not block.
type Answerer interface {
	Answer(p wire.Response)
}

// Request is a client's transaction on its way through the node.
type Request struct {
	ID          uint64 // repeated in the response
	From        Answerer
	Kind        wire.RequestKind
	Consistency wire.Consistency
	Parsed      kv.Command
	Command     []byte // Parsed as kv.AppendCommand encodes it
}

func (q Request) answer(p wire.Response) {
	p.ID = q.ID
	q.From.Answer(p)
}

func (q Request) refuse(format string, args ...any) {
	q.answer(wire.Response{Status: wire.Refusal, Error: fmt.Sprintf(format, args...)})
}

// Limits on what waits in one node.
const (
	MaxPendingRequests = 1 << 16
	MaxPendingBytes    = 256 << 20 // of their transactions
)

// Driver makes all decisions of a node, in one thread. After a batch of inputs (Tick first, with the time read after
// the inputs were taken in) comes Flush, which does what they led to.
type Driver struct {
	core    *raft.Core
	machine *kv.Machine
	host    Host
	options DriverOptions

	now         time.Duration
	applied     uint64 // last applied entry
	appliedTerm uint64 // its term
	persisted   uint64 // number of the last durable write
	held        []heldMessages

	proposals    map[uint64]proposal // by index of the entry
	pendingBytes int                 // of the commands of all requests that wait
	reads        map[uint64]Request  // by the id given to the core
	lastRead     uint64
	confirmed    []confirmedRead // wait until their index is applied

	saving        bool   // a snapshot is being saved
	configuration uint64 // index of the configuration that the host was told of
	change        *membershipChange
	grown         int // bytes of the entries that were applied since the last snapshot
}

// DriverOptions say what the driver starts from and when it takes snapshots.
type DriverOptions struct {
	// Machine is the state of the core's snapshot; nil: an empty one, there is no snapshot.
	Machine *kv.Machine
	// SnapshotEntries is after how many applied entries a snapshot is taken; 0: never. A tenth of them stays in the log
	// behind it for followers that are a little late. Where the state is large it is more entries: see growth.
	SnapshotEntries uint64
	// Sessions bounds those of a machine that begins empty.
	Sessions kv.Limits
}

// heldMessages may leave when a write is durable.
type heldMessages struct {
	write    uint64
	messages []raft.Message
}

type proposal struct {
	term    uint64
	request Request
}

type confirmedRead struct {
	index   uint64
	request Request
}

// NewDriver makes the driver of a core that was just made.
func NewDriver(core *raft.Core, host Host, o DriverOptions) *Driver {
	d := &Driver{core: core, machine: o.Machine, host: host, options: o, proposals: map[uint64]proposal{}, reads: map[uint64]Request{}}
	if d.machine == nil {
		d.machine = kv.NewMachine().Limited(o.Sessions)
	}
	snapshot := core.Snapshot()
	d.applied, d.appliedTerm = snapshot.LastIncludedIndex, snapshot.LastIncludedTerm
	configuration, index := core.Configuration()
	d.configuration = index
	host.Reconfigured(configuration)
	return d
}

// Tick tells the time.
func (d *Driver) Tick(now time.Duration) {
	d.now = now
	d.core.Tick(now)
}

// Deadline is when Tick next has something to do.
func (d *Driver) Deadline() time.Duration { return d.core.Deadline() }

// Receive takes in a message from a peer.
func (d *Driver) Receive(m raft.Message) { d.core.Step(m) }

// Written tells that write n and all before it are durable.
func (d *Driver) Written(n uint64) {
	d.persisted = n
	d.core.Persisted(n)
	for len(d.held) > 0 && d.held[0].write <= n {
		d.release(d.held[0].messages)
		d.held = d.held[1:]
	}
}

func (d *Driver) release(messages []raft.Message) {
	for _, m := range messages {
		if m.To == m.From {
			d.core.Step(m)
		} else {
			d.host.Send(m)
		}
	}
}

// Handle takes in a client's request.
func (d *Driver) Handle(q Request) {
	switch {
	case q.Kind == wire.WhoLeads:
		d.answerWhoLeads(q)
	case q.Consistency == wire.Stale && q.Parsed.ReadOnly():
		d.answerRead(q)
	case d.pending() >= MaxPendingRequests || d.pendingBytes+len(q.Command) > MaxPendingBytes:
		q.refuse("node is overloaded: %d requests of %d bytes are waiting", d.pending(), d.pendingBytes)
	case q.Consistency != wire.ThroughLog && q.Parsed.ReadOnly():
		d.confirmRead(q)
	default:
		d.propose(q)
	}
}

// pending is how many requests wait.
func (d *Driver) pending() int { return len(d.proposals) + len(d.reads) + len(d.confirmed) }

func (d *Driver) answerWhoLeads(q Request) {
	st := d.core.Status()
	if st.Role != raft.Leader {
		q.answer(wire.Response{Status: wire.NotLeader, Leader: st.Leader, Term: st.Term})
		return
	}
	q.answer(wire.Response{Status: wire.OK, Term: st.Term, LogIndex: d.applied})
}

func (d *Driver) propose(q Request) {
	index, term, err := d.core.Propose(q.Command)
	if err != nil {
		d.refuse(q, err)
		return
	}
	if old, ok := d.proposals[index]; ok {
		// Another leader removed the old entry from this log, but others may still hold it and bring it back.
		d.forget(index, old)
		old.request.answer(wire.Response{Status: wire.Unknown, Error: "the entry was removed from this node's log before it was known to be committed"})
	}
	d.proposals[index] = proposal{term, q}
	d.pendingBytes += len(q.Command)
}

func (d *Driver) forget(index uint64, p proposal) {
	delete(d.proposals, index)
	d.pendingBytes -= len(p.request.Command)
}

func (d *Driver) confirmRead(q Request) {
	d.lastRead++
	if err := d.core.Read(d.lastRead, q.Consistency == wire.Lease); err != nil {
		d.refuse(q, err)
		return
	}
	d.reads[d.lastRead] = q
	d.pendingBytes += len(q.Command)
}

// refuse answers what the core would not take: the request had no effect.
func (d *Driver) refuse(q Request, err error) {
	if e, ok := err.(raft.ErrNotLeader); ok {
		q.answer(wire.Response{Status: wire.NotLeader, Leader: e.Leader})
		return
	}
	q.refuse("%v", err)
}

// Flush does what the inputs led to, until nothing is left to do without new ones.
func (d *Driver) Flush() {
	for {
		d.continueChange()
		r, ok := d.core.Ready()
		if !ok {
			return
		}
		for _, m := range r.Messages {
			d.send(m)
		}
		if r.HasWrite() {
			d.host.Write(Write{Number: r.Write, HardState: r.HardState, Entries: r.Entries, Installed: r.Installed, KeepLog: r.KeepLog})
		}
		for _, ch := range r.Chunks {
			d.host.StoreChunk(ch)
		}
		d.hold(r)
		for _, e := range r.Committed {
			d.apply(e)
		}
		for _, read := range r.Reads {
			d.readConfirmed(read)
		}
		d.serveReads()
		d.takeSnapshot()
		d.tellConfiguration()
	}
}

// hold keeps the promises back until the write behind them is durable.
func (d *Driver) hold(r raft.Ready) {
	switch {
	case len(r.AfterWrite) == 0:
	case r.Write <= d.persisted:
		d.release(r.AfterWrite)
	default:
		d.held = append(d.held, heldMessages{r.Write, r.AfterWrite})
	}
}

// apply gives a committed entry to the state machine, and answers the client if it is waiting here.
func (d *Driver) apply(e raft.Entry) {
	if e.Index != d.applied+1 {
		panic(fmt.Sprintf("node: entry %d is to be applied after entry %d", e.Index, d.applied))
	}
	d.applied = e.Index
	d.grown += len(e.Data)
	defer d.refuseOutrun(e.Term)
	p, waiting := d.proposals[e.Index]
	if waiting {
		d.forget(e.Index, p)
	}
	mine := waiting && p.term == e.Term
	if waiting && !mine {
		// This index is committed with another entry, and an entry is at one index only: it will never be.
		p.request.refuse("lost to a new leader's entry at index %d", e.Index)
	}
	if e.Kind != raft.EntryCommand {
		return
	}
	result, at := d.machine.Apply(e.Index, command(e, p, mine))
	if mine {
		p.request.answer(wire.Response{Status: wire.OK, LogIndex: at, Result: kv.AppendResult(nil, result)})
	}
}

// refuseOutrun refuses the proposals that are older than a term of which an entry was applied. They stand at later
// indexes, and no log that holds that entry, as every later leader's does, has an earlier term after it.
func (d *Driver) refuseOutrun(term uint64) {
	if term == d.appliedTerm {
		return
	}
	d.appliedTerm = term
	for index, p := range d.sortedProposals() {
		if p.term < term {
			d.forget(index, p)
			p.request.refuse("lost to a new leader: term %d was committed before index %d of term %d was", term, index, p.term)
		}
	}
}

// sortedProposals are the proposals that wait, by index in ascending order. They may be forgotten on the way.
func (d *Driver) sortedProposals() iter.Seq2[uint64, proposal] {
	indexes := slices.Sorted(maps.Keys(d.proposals))
	return func(yield func(uint64, proposal) bool) {
		for _, index := range indexes {
			if !yield(index, d.proposals[index]) {
				return
			}
		}
	}
}

// command is what e asks for; a waiting client's was decoded when it arrived.
func command(e raft.Entry, p proposal, mine bool) kv.Command {
	if mine {
		return p.request.Parsed
	}
	c, err := kv.DecodeCommand(e.Data)
	if err != nil {
		// To skip it would let this replica differ from the others.
		panic(fmt.Sprintf("node: committed entry %d of term %d cannot be applied: %v", e.Index, e.Term, err))
	}
	return c
}

func (d *Driver) readConfirmed(r raft.ReadResult) {
	q := d.reads[r.ID]
	delete(d.reads, r.ID)
	if r.Dropped {
		d.pendingBytes -= len(q.Command)
		q.refuse("leadership was lost before the read was confirmed")
		return
	}
	d.confirmed = append(d.confirmed, confirmedRead{r.Index, q})
}

// serveReads answers the confirmed reads whose index is applied, in the order in which they were confirmed.
func (d *Driver) serveReads() {
	n := 0
	for n < len(d.confirmed) && d.confirmed[n].index <= d.applied {
		q := d.confirmed[n].request
		d.pendingBytes -= len(q.Command)
		d.answerRead(q)
		n++
	}
	d.confirmed = d.confirmed[n:]
}

func (d *Driver) answerRead(q Request) {
	result := d.machine.Read(q.Parsed.Txn)
	q.answer(wire.Response{Status: wire.OK, LogIndex: d.applied, Result: kv.AppendResult(nil, result)})
}

// Status is what a node tells of itself.
type Status struct {
	raft.Status
	Applied  uint64
	Snapshot uint64 // last included index of the newest snapshot
	Keys     int
	Sessions int
	Pending  int // requests that wait
}

// Status tells the state of the node now.
func (d *Driver) Status() Status {
	return Status{Status: d.core.Status(), Applied: d.applied, Snapshot: d.core.Snapshot().LastIncludedIndex,
		Keys: d.machine.Len(), Sessions: d.machine.Sessions(), Pending: d.pending()}
}

// Brief is the core's part of Status without its peers, and the last applied entry. It takes no memory.
func (d *Driver) Brief() (st raft.Status, applied uint64) { return d.core.Brief(), d.applied }
