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
	statuses []chan<- Status
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
