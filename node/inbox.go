package node

import (
	"sync"

	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// inbox gathers what arrives from other goroutines until the driver's thread takes all of it at once: that is what
// makes batches under load.
type inbox struct {
	mu     sync.Mutex
	batch  batch
	notify chan struct{} // holds one token while there may be something
	// arrived is called by whoever has put something in; it may take the batch at once. What canWait (requests, while what others led to is
	// under way) it may leave there. As it is made it leaves a token.
	arrived func(canWait bool)
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

	some   bool // something was put in
	urgent bool // some of it cannot wait
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

// putRequests takes in requests of a client, up to the first that is too much beside those that wait, and returns how many.
func (in *inbox) putRequests(qs []Request) (taken int) {
	in.add(!immediate(qs), func(b *batch) {
		for _, q := range qs {
			if len(b.requests) >= MaxPendingRequests || b.requestBytes+len(q.Command) > MaxPendingBytes {
				return
			}
			b.requests = append(b.requests, q)
			b.requestBytes += len(q.Command)
			taken++
		}
	})
	return taken
}

// immediate reports whether one of the requests is answered from what the node knows already.
func immediate(qs []Request) bool {
	for _, q := range qs {
		if q.Kind != wire.Transact || q.Consistency == wire.Stale || q.Consistency == wire.Lease {
			return true
		}
	}
	return false
}

func newInbox() *inbox {
	in := &inbox{notify: make(chan struct{}, 1)}
	in.arrived = func(bool) { in.leaveToken() }
	return in
}

func (in *inbox) leaveToken() {
	select {
	case in.notify <- struct{}{}:
	default:
	}
}

func (in *inbox) put(fill func(*batch)) { in.add(false, fill) }

func (in *inbox) add(canWait bool, fill func(*batch)) {
	in.mu.Lock()
	fill(&in.batch)
	in.batch.some = true
	in.batch.urgent = in.batch.urgent || !canWait
	in.mu.Unlock()
	in.arrived(canWait)
}

// holds reports whether anything has arrived that was not taken, and whether any of it cannot wait.
func (in *inbox) holds() (some, urgent bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.batch.some, in.batch.urgent
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
