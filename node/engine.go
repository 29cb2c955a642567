package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/snapshot"
	"github.com/ordeal-dev/ordeal/node/wal"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Engine is a node but for its goroutines, sockets and clock: the driver, what has arrived for it, the log and the snapshots. A
// Server runs one in goroutines; a simulator runs the same one in a single thread. It is the part of a Host that stores.
type Engine struct {
	options Options
	inbox   *inbox
	disk    *disk
	*snapshotter
	driver *Driver // set by Start
	spare  batch   // of the last turn, to be used again

	recovered wal.Recovered
	newest    raft.SnapshotMeta
	machine   *kv.Machine // of the newest snapshot, until Start
}

// OpenEngine reads the node's stable storage in o.Data. Only the parts of the options that do not concern sockets are looked at.
func OpenEngine(o Options) (*Engine, error) {
	e := &Engine{options: o, inbox: newInbox()}
	log, recovered, err := wal.Open(o.FS, o.Data, wal.Options{ClusterID: clusterNumber(o.ClusterID), NodeID: o.ID, SegmentSize: o.SegmentSize})
	if err != nil {
		return nil, explainData(o, err)
	}
	e.disk, e.recovered = newDisk(log, e.inbox), recovered
	store, newest, err := snapshot.Open(o.FS, filepath.Join(o.Data, "snapshots"), clusterNumber(o.ClusterID), loadInto(&e.machine, o.Sessions))
	if err != nil {
		return nil, fmt.Errorf("--data %s: %w", o.Data, errors.Join(err, log.Close()))
	}
	e.snapshotter, e.newest = newSnapshotter(store, e.inbox, o.Sessions), newest
	if o.ChunkBytes > 0 {
		e.chunk = o.ChunkBytes
	}
	return e, nil
}

// Start makes the driver. The host stores through this engine. Now is the time on the clock of Turn.
func (e *Engine) Start(host Host, now time.Duration, random *rand.Rand) error {
	core, machine, err := e.recoverCore(now, random)
	if err != nil {
		return fmt.Errorf("--data %s: %w", e.options.Data, err)
	}
	e.driver = NewDriver(core, host, DriverOptions{Machine: machine, SnapshotEntries: e.options.SnapshotEntries, Sessions: e.options.Sessions})
	return nil
}

// Recovered is what the stable storage held: term and vote, where the log begins, its entries, and what the newest
// snapshot covers.
func (e *Engine) Recovered() (hard raft.HardState, start raft.LogStart, entries []raft.Entry, newest raft.SnapshotMeta) {
	r := e.recovered
	return r.HardState, raft.LogStart{Index: r.Snapshot.Index, Term: r.Snapshot.Term}, r.Entries, e.newest
}

// recoverCore makes core and state machine from what is on disk.
func (e *Engine) recoverCore(now time.Duration, random *rand.Rand) (*raft.Core, *kv.Machine, error) {
	o, meta := e.options, e.newest
	var err error
	if e.recovered, err = alignLog(e.disk.log, e.recovered, meta); err != nil {
		return nil, nil, err
	}
	r := e.recovered
	core, err := raft.New(raft.Config{ID: o.ID, Configuration: o.configuration(), Join: o.Join, HardState: r.HardState, Snapshot: meta,
		LogStart: raft.LogStart{Index: r.Snapshot.Index, Term: r.Snapshot.Term}, Entries: r.Entries,
		ElectionTimeout: o.ElectionTimeout, HeartbeatInterval: o.Heartbeat, PreVote: o.PreVote, CheckQuorum: o.CheckQuorum,
		LeaseDuration: o.Lease(), Now: now, Random: random})
	if err != nil {
		return nil, nil, err
	}
	machine := e.machine
	e.machine = nil
	return core, machine, nil
}

// alignLog finishes what a crash cut off between making a received snapshot durable and letting it take the log's place: a
// log that does not reach to the snapshot, or holds another entry there, is replaced by it.
func alignLog(log *wal.Log, r wal.Recovered, meta raft.SnapshotMeta) (wal.Recovered, error) {
	index, term := meta.LastIncludedIndex, meta.LastIncludedTerm
	last := r.Snapshot.Index + uint64(len(r.Entries))
	switch {
	case index < r.Snapshot.Index:
		return r, nil // the core refuses a log whose snapshot is lost
	case index == r.Snapshot.Index && term == r.Snapshot.Term: // also where a crash came between this function's two writes
		err := reachTerm(log, &r, term)
		return r, err
	case index > r.Snapshot.Index && index <= last && r.Entries[index-r.Snapshot.Index-1].Term == term:
		return r, nil
	}
	if err := log.Reset(index, term); err != nil {
		return r, err
	}
	r.Snapshot, r.Entries = wal.Position{Index: index, Term: term}, nil
	err := reachTerm(log, &r, term)
	return r, err
}

// reachTerm makes the current term at least that of the snapshot, in which the vote of an earlier one means nothing.
func reachTerm(log *wal.Log, r *wal.Recovered, term uint64) error {
	if r.HardState.Term >= term {
		return nil
	}
	r.HardState = raft.HardState{Term: term}
	return errors.Join(log.Append(wal.Batch{HardState: &r.HardState}), log.Sync())
}

// Driver is the node's driver. All calls of it, and of Turn, come from one thread.
func (e *Engine) Driver() *Driver { return e.driver }

// Receive takes in messages of peers for the next Turn.
func (e *Engine) Receive(messages ...raft.Message) { e.inbox.putMessages(messages) }

// Take checks a client's request and takes it in for the next Turn.
func (e *Engine) Take(q Request) { e.TakeAll([]Request{q}) }

// TakeAll checks the requests of a client and takes them in for the next Turn.
func (e *Engine) TakeAll(qs []Request) {
	sound := qs[:0]
	for _, q := range qs {
		if q.Kind == wire.Transact {
			parsed, err := kv.DecodeCommand(q.Command)
			if err != nil {
				q.refuse("%v", err)
				continue
			}
			q.Parsed = parsed
		}
		sound = append(sound, q)
	}
	for _, q := range sound[e.inbox.putRequests(sound):] {
		q.refuse("node is overloaded: at most %d requests of %d bytes may wait", MaxPendingRequests, MaxPendingBytes)
	}
}

// Do has the driver's thread call f in the next Turn.
func (e *Engine) Do(f func(*Driver)) {
	e.inbox.put(func(b *batch) { b.control = append(b.control, f) })
}

// Turn gives the driver what has arrived. The clock is read after the inputs were taken: a lease that holds now held when
// they had arrived.
func (e *Engine) Turn(clock func() time.Duration) {
	e.spare = e.inbox.take(e.spare)
	e.driver.Tick(clock())
	e.spare.drive(e.driver)
}

// Write implements that part of Host.
func (e *Engine) Write(w Write) { e.disk.write(w) }

// BeginLog takes what waits for the log now: that, and not what comes later, is what the next WriteLog makes durable. So a simulator
// has a disk that is at work while more arrives.
func (e *Engine) BeginLog() { e.disk.begin() }

// WriteLog makes durable what waits for the log, and then lets the driver know with its next Turn. An error ends the node.
func (e *Engine) WriteLog() error { return e.disk.writeAll() }

// WriteSnapshots stores what waits for the snapshots' folder, likewise.
func (e *Engine) WriteSnapshots() error { return e.snapshotter.workAll() }

// Waiting tells whether something waits for WriteLog, and for WriteSnapshots.
func (e *Engine) Waiting() (log, snapshots bool) { return e.disk.waits(), e.snapshotter.waits() }

// Close gives the files free.
func (e *Engine) Close() error {
	return errors.Join(e.snapshotter.store.Close(), e.disk.log.Close())
}
