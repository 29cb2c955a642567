// Package outbox writes to connections. What several threads have to say at once goes out together, from the thread that says it where
// the connection takes it at once, and from a goroutine where it does not. So neither a system call nor a change of threads is paid for
// each message, and nobody is ever held up by a peer that does not read.
package outbox

import (
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Options say how a Box writes and whom it tells. The functions are called without any lock held.
type Options struct {
	Timeout time.Duration   // of a write that the connection does not take at once; 0: none
	Written func(items int) // how many items were handed to the connection; nil: nobody asks
	Failed  func(error)     // a write failed: nothing is written any more. Called once; nil: nobody asks
}

// Box holds what is to be written to a connection.
type Box struct {
	options Options
	conn    net.Conn
	raw     syscall.RawConn // nil: this kind of connection has none, and a goroutine writes everything

	mu      sync.Mutex
	waiting batch
	flying  batch // being written; its memory is used again
	busy    bool  // somebody writes
	err     error

	try attempt
}

// batch is bytes of items, one after the other.
type batch struct {
	bytes []byte
	items []item
}

type item struct {
	id    uint64
	start int // of its bytes
}

func (b *batch) empty() { b.bytes, b.items = b.bytes[:0], b.items[:0] }

// New makes a box for a connection, to which nobody else writes.
func New(conn net.Conn, o Options) *Box {
	b := &Box{options: o, conn: conn}
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			b.raw = raw
		}
	}
	b.try.call = b.try.write
	return b
}

// Put adds an item, whose bytes add appends to what it is given. Its id is for TakeBack. False: a write has failed, and the item is not
// taken.
func (b *Box) Put(id uint64, add func([]byte) []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return false
	}
	b.waiting.items = append(b.waiting.items, item{id, len(b.waiting.bytes)})
	b.waiting.bytes = add(b.waiting.bytes)
	return true
}

// Waiting is how many bytes wait.
func (b *Box) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting.bytes)
}

// Busy reports whether something is being written.
func (b *Box) Busy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.busy
}

// Limits of what a thread writes that has better things to do.
const (
	inlineBytes  = 64 << 10
	inlineWrites = 2
	keptBytes    = 1 << 20 // of memory for a batch
)

// Flush sees to it that all that waits is written. It does not wait for that.
func (b *Box) Flush() {
	b.mu.Lock()
	for n := 0; !b.busy && b.err == nil && len(b.waiting.bytes) > 0; n++ {
		b.take()
		if b.raw == nil || n == inlineWrites || len(b.flying.bytes) > inlineBytes {
			go b.drain(0)
			break
		}
		b.mu.Unlock()
		written, err := b.try.run(b.raw, b.flying.bytes)
		if err == nil && written < len(b.flying.bytes) {
			go b.drain(written)
			return
		}
		b.written(err)
		b.mu.Lock()
	}
	b.mu.Unlock()
}

// take has what waits be what is written. b.mu is held.
func (b *Box) take() {
	if cap(b.flying.bytes) > keptBytes {
		b.flying.bytes = nil
	}
	b.waiting, b.flying = b.flying, b.waiting
	b.waiting.empty()
	b.busy = true
}

// written ends the writing of a batch.
func (b *Box) written(err error) {
	items := len(b.flying.items)
	b.mu.Lock()
	if err == nil {
		b.flying.empty()
		b.busy = false
	} else {
		b.err = err // what was being written stays in flight for ever, and what waits stays where it is
	}
	b.mu.Unlock()
	if err != nil && b.options.Failed != nil {
		b.options.Failed(err)
	}
	if err == nil && b.options.Written != nil {
		b.options.Written(items)
	}
}

// drain writes what is in flight, from a byte on, and then what has come to wait meanwhile.
func (b *Box) drain(from int) {
	for {
		var err error
		if b.options.Timeout > 0 {
			err = b.conn.SetWriteDeadline(time.Now().Add(b.options.Timeout))
		}
		if err == nil {
			_, err = b.conn.Write(b.flying.bytes[from:])
		}
		b.written(err)
		if err != nil {
			return
		}
		b.mu.Lock()
		if b.busy || len(b.waiting.bytes) == 0 { // another writes, or there is nothing
			b.mu.Unlock()
			return
		}
		b.take()
		b.mu.Unlock()
		from = 0
	}
}

// State is how far an item has come.
type State uint8

const (
	// Gone: its bytes were handed to the connection.
	Gone State = iota
	// Flying: they are being written, or were when a write failed.
	Flying
	// Withdrawn: none of them was written, and none will be.
	Withdrawn
)

// TakeBack withdraws an item that still waits.
func (b *Box) TakeBack(id uint64) State {
	b.mu.Lock()
	defer b.mu.Unlock()
	is := func(i item) bool { return i.id == id }
	if b.busy && slices.ContainsFunc(b.flying.items, is) {
		return Flying
	}
	at := slices.IndexFunc(b.waiting.items, is)
	if at < 0 {
		return Gone
	}
	w := &b.waiting
	start, end := w.items[at].start, len(w.bytes)
	if at+1 < len(w.items) {
		end = w.items[at+1].start
	}
	w.bytes = slices.Delete(w.bytes, start, end)
	w.items = slices.Delete(w.items, at, at+1)
	for i := at; i < len(w.items); i++ {
		w.items[i].start -= end - start
	}
	return Withdrawn
}

// attempt is a write that takes only what the connection has room for. Its function is made once: it would be garbage each time.
type attempt struct {
	call    func(fd uintptr)
	bytes   []byte
	written int
	err     error
}

// run returns how many bytes were taken.
func (a *attempt) run(raw syscall.RawConn, bytes []byte) (int, error) {
	a.bytes, a.written, a.err = bytes, 0, nil
	err := raw.Control(a.call)
	a.bytes = nil
	return a.written, errors.Join(err, a.err)
}

func (a *attempt) write(fd uintptr) {
	for a.written < len(a.bytes) {
		n, err := syscall.Write(int(fd), a.bytes[a.written:])
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return
		case err != nil:
			a.err = err
			return
		default:
			a.written += n
		}
	}
}
