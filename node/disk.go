package node

import (
	"context"
	"fmt"
	"sync"

	"github.com/ordeal-dev/ordeal/node/wal"
)

// disk writes the log in a goroutine of its own: everything that waits goes out with one sync (group commit).
type disk struct {
	log   *wal.Log
	inbox *inbox

	mu    sync.Mutex
	queue []Write
	begun []Write // taken by begin, and not written yet
	wake  chan struct{}
}

func newDisk(log *wal.Log, in *inbox) *disk {
	return &disk{log: log, inbox: in, wake: make(chan struct{}, 1)}
}

func (d *disk) write(w Write) {
	d.mu.Lock()
	d.queue = append(d.queue, w)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *disk) take() []Write {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queue
	d.queue = nil
	return q
}

// begin takes what waits for the next writeAll, which then leaves what comes later for the one after it.
func (d *disk) begin() {
	if len(d.begun) == 0 {
		d.begun = d.take()
	}
}

// run writes until ctx ends or a write fails. After a failure nothing is known about the disk, so the node stops: no
// promise that waits for the write ever leaves.
func (d *disk) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		}
		if err := d.writeAll(); err != nil {
			return fmt.Errorf("stable storage failed, the node stops and has acknowledged nothing since: %w", err)
		}
	}
}

// writeAll makes durable what waits, and tells the driver.
func (d *disk) writeAll() error {
	d.begin()
	writes := d.begun
	d.begun = nil
	if len(writes) == 0 {
		return nil
	}
	if err := d.persist(writes); err != nil {
		return err
	}
	number := uint64(0)
	for _, w := range writes {
		number = max(number, w.Number)
	}
	if number > 0 {
		d.inbox.put(func(b *batch) { b.written = number })
	}
	return nil
}

func (d *disk) persist(writes []Write) error {
	for _, w := range writes {
		if err := d.makeWay(w); err != nil {
			return err
		}
		if w.Compact != nil {
			continue
		}
		if err := d.log.Append(wal.Batch{HardState: w.HardState, Entries: w.Entries}); err != nil {
			return err
		}
	}
	return d.log.Sync()
}

// makeWay lets a durable snapshot take the place of the log, or of a part of it.
func (d *disk) makeWay(w Write) error {
	switch {
	case w.Compact != nil && w.Compact.Index == 0:
	case w.Compact != nil:
		return d.log.Compact(w.Compact.Index, w.Compact.Term)
	case w.Installed != nil && w.KeepLog:
		return d.log.Compact(w.Installed.LastIncludedIndex, w.Installed.LastIncludedTerm)
	case w.Installed != nil:
		return d.log.Reset(w.Installed.LastIncludedIndex, w.Installed.LastIncludedTerm)
	}
	return nil
}

// waits reports whether there is anything to write.
func (d *disk) waits() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue)+len(d.begun) > 0
}
