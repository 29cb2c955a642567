package node

import (
	"errors"

	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// send gives a message to the network; the chunk of a snapshot is filled in here. Without it the message is not sent, and
// the core tries again later.
func (d *Driver) send(m raft.Message) {
	if m.Kind == raft.InstallSnapshot {
		data, done, err := d.host.ReadChunk(*m.Snapshot, m.Offset)
		if err != nil {
			return
		}
		m.Chunk, m.Done = data, done
	}
	d.host.Send(m)
}

// takeSnapshot has the state saved when enough entries were applied since the last snapshot. Not while a follower is being
// sent one: it would have to start again.
func (d *Driver) takeSnapshot() {
	every := d.options.SnapshotEntries
	if every != 0 && !d.saving && d.applied >= d.core.Snapshot().LastIncludedIndex+every && d.grown >= growth(d.machine.Bytes()) && !d.core.SendingSnapshot() {
		d.save()
	}
}

// growth is how many bytes the log may grow by between two snapshots of a state of so many bytes, whatever the number of entries: a large state
// is not written again for a few of them (thesis 5.1.3).
func growth(state int) int {
	const small, usual = 1 << 20, 64 << 20
	if state < small {
		return 0
	}
	return max(min(4*state, usual), state)
}

// TakeSnapshotNow takes a snapshot because somebody asks for it.
func (d *Driver) TakeSnapshotNow() error {
	switch {
	case d.saving:
		return errors.New("a snapshot is being taken already")
	case d.applied == d.core.Snapshot().LastIncludedIndex:
		return errors.New("nothing was applied since the last snapshot")
	}
	d.save()
	return nil
}

func (d *Driver) save() {
	d.saving, d.grown = true, 0
	meta := raft.SnapshotMeta{LastIncludedIndex: d.applied, LastIncludedTerm: d.appliedTerm, Configuration: d.core.ConfigurationAt(d.applied)}
	d.host.SaveSnapshot(meta, d.machine.Clone())
}

// SnapshotSaved tells that a snapshot that this node took is durable: the log before it may go.
func (d *Driver) SnapshotSaved(meta raft.SnapshotMeta) {
	d.saving = false
	start := d.core.Compact(meta, d.options.SnapshotEntries/10)
	d.host.Write(Write{Compact: &start})
}

// ChunkStored tells what came of storing a chunk of another server's snapshot.
func (d *Driver) ChunkStored(s StoredChunk) {
	if s.Machine == nil {
		d.core.ChunkStored(s.Chunk, s.Next)
		return
	}
	if !d.core.InstallSnapshot(s.Chunk) {
		return
	}
	meta := s.Chunk.Meta
	d.machine = s.Machine
	d.applied, d.grown = meta.LastIncludedIndex, 0
	for index, p := range d.sortedProposals() {
		if index <= d.applied {
			d.forget(index, p)
			p.request.answer(wire.Response{Status: wire.Unknown, Error: "the entry's index is covered by a snapshot from another node"})
		}
	}
	d.refuseOutrun(meta.LastIncludedTerm)
}

// tellConfiguration tells the host who the members are when that has changed.
func (d *Driver) tellConfiguration() {
	c, index := d.core.Configuration()
	if index != d.configuration {
		d.configuration = index
		d.host.Reconfigured(c)
	}
}

// Removed reports whether this node knows that it is no member any more, and so is to stop.
func (d *Driver) Removed() bool { return d.core.Removed() }
