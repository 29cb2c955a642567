package node

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/snapshot"
	"github.com/ordeal-dev/ordeal/raft"
)

// chunkBytes is how much of a snapshot goes into one message.
const chunkBytes = 256 << 10

// snapshotter saves and receives snapshots in a goroutine of its own, so that neither the driver nor the log waits for them.
type snapshotter struct {
	store  *snapshot.Store
	inbox  *inbox
	chunk  int       // bytes of a snapshot that go into one message
	limits kv.Limits // of the machines that snapshots are read into

	mu    sync.Mutex
	queue []snapshotJob
	wake  chan struct{}
}

// snapshotJob is a snapshot to save (machine) or a chunk to store.
type snapshotJob struct {
	meta    raft.SnapshotMeta
	machine *kv.Machine
	chunk   raft.Chunk
}

// maxChunks bounds the chunks that wait; beyond them they are dropped, and the leader sends them again.
const maxChunks = 64

func newSnapshotter(store *snapshot.Store, in *inbox, l kv.Limits) *snapshotter {
	return &snapshotter{store: store, inbox: in, chunk: chunkBytes, limits: l, wake: make(chan struct{}, 1)}
}

func (s *snapshotter) put(j snapshotJob) {
	s.mu.Lock()
	if j.machine != nil || len(s.queue) < maxChunks {
		s.queue = append(s.queue, j)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *snapshotter) take() []snapshotJob {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	s.queue = nil
	return q
}

// run works until ctx ends or the disk fails.
func (s *snapshotter) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		}
		if err := s.workAll(); err != nil {
			return fmt.Errorf("snapshots cannot be stored, the node stops: %w", err)
		}
	}
}

func (s *snapshotter) workAll() error {
	for _, j := range s.take() {
		if err := s.work(j); err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshotter) work(j snapshotJob) error {
	if j.machine != nil {
		if err := s.store.Save(j.meta, j.machine); err != nil {
			return err
		}
		s.inbox.put(func(b *batch) { b.saved = append(b.saved, j.meta) })
		return nil
	}
	stored := StoredChunk{Chunk: j.chunk}
	var machine *kv.Machine
	next, whole, err := s.store.Receive(j.chunk, loadInto(&machine, s.limits))
	if err != nil {
		return err
	}
	stored.Next = next
	stored.Chunk.Data = nil
	if whole {
		stored.Machine = machine
	}
	s.inbox.put(func(b *batch) { b.stored = append(b.stored, stored) })
	return nil
}

// loadInto makes a state machine of a snapshot's state.
func loadInto(m **kv.Machine, limits kv.Limits) snapshot.Load {
	return func(state io.Reader, size uint64) error {
		machine, err := kv.ReadState(state, size)
		if err != nil {
			return err
		}
		*m = machine.Limited(limits)
		return nil
	}
}

// SaveSnapshot, StoreChunk and ReadChunk are for the driver.
func (s *snapshotter) SaveSnapshot(meta raft.SnapshotMeta, m *kv.Machine) {
	s.put(snapshotJob{meta: meta, machine: m})
}

func (s *snapshotter) StoreChunk(ch raft.Chunk) { s.put(snapshotJob{chunk: ch}) }

func (s *snapshotter) ReadChunk(meta raft.SnapshotMeta, offset uint64) ([]byte, bool, error) {
	return s.store.Read(meta, offset, s.chunk)
}

// waits reports whether there is anything to store.
func (s *snapshotter) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) > 0
}
