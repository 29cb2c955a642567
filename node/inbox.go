package node

import (
	"sync"

	"github.com/ordeal-dev/ordeal/raft"
)

// inbox gathers what arrives from other goroutines until the driver's thread takes all of it at once: that is what
// makes batches under load.
type inbox struct {
	mu     sync.Mutex
	batch  batch
	notify chan struct{} // holds one token while there may be something
}

type batch struct {
	messages []raft.Message
	requests []Request
	written  uint64
	saved    []raft.SnapshotMeta
	stored   []StoredChunk
	control  []func(*Driver)
	statuses []chan<- Status

	messageBytes, requestBytes int
}

// Limits on what messages may wait for the driver. A leader keeps below them by its window; what is beyond them is
// dropped, as a network may.
const (
	maxMessages     = 1 << 16
	maxMessageBytes = 64 << 20 // of entries
)

// putMessages takes in a peer's messages.
func (in *inbox) putMessages(messages []raft.Message) {
	in.put(func(b *batch) {
		for _, m := range messages {
			size := 0
			for _, e := range m.Entries {
				size += len(e.Data)
			}
			size += len(m.Chunk)
			if len(b.messages) >= maxMessages || b.messageBytes+size > maxMessageBytes {
				return
			}
			b.messages = append(b.messages, m)
			b.messageBytes += size
		}
	})
}

// putRequest takes in a client's request, or reports that too many are waiting.
func (in *inbox) putRequest(q Request) bool {
	taken := false
	in.put(func(b *batch) {
		if taken = len(b.requests) < MaxPendingRequests && b.requestBytes+len(q.Command) <= MaxPendingBytes; taken {
			b.requests = append(b.requests, q)
			b.requestBytes += len(q.Command)
		}
	})
	return taken
}

func newInbox() *inbox { return &inbox{notify: make(chan struct{}, 1)} }

func (in *inbox) put(add func(*batch)) {
	in.mu.Lock()
	add(&in.batch)
	in.mu.Unlock()
	select {
	case in.notify <- struct{}{}:
	default:
	}
}

// drive gives what has arrived to the driver, which was told the time, and has it done. Writes that have finished come
// first: what they allow may leave or be applied before the rest of the batch changes anything.
func (b *batch) drive(d *Driver) {
	if b.written > 0 {
		d.Written(b.written)
	}
	for _, meta := range b.saved {
		d.SnapshotSaved(meta)
	}
	for _, s := range b.stored {
		d.ChunkStored(s)
	}
	for _, m := range b.messages {
		d.Receive(m)
	}
	for _, do := range b.control {
		do(d)
	}
	for _, q := range b.requests {
		d.Handle(q)
	}
	d.Flush()
	for _, answer := range b.statuses {
		answer <- d.Status()
	}
}

// take empties the inbox. The slices of spare, a batch that was taken before and is done with, are used again.
func (in *inbox) take(spare batch) batch {
	clear(spare.messages)
	clear(spare.requests)
	clear(spare.statuses)
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.batch
	in.batch = batch{messages: spare.messages[:0], requests: spare.requests[:0], statuses: spare.statuses[:0]}
	return b
}
