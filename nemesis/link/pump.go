package link

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// bufferSize is what one direction of a connection may hold back, and the most that one write passes on.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// past is a deadline that makes a blocked read or write return at once.
var past = time.Unix(1, 0)

// pump moves one direction of a connection through the gate of its link. One goroutine owns it.
type pump struct {
	passage
	conn     *connection
	gate     *gate // of the link that this direction crosses
	back     *gate // of the opposite link, which the news that dst is gone has to cross
	src, dst *net.TCPConn

	buf        *[bufferSize]byte
	start, end int     // buf[start:end] is pending: read and not passed on
	ended      error   // why src gives no more: io.EOF, or what broke it
	late       []chunk // the end of what is pending, as far as it came on a shaped link
}

func newPump(c *connection, gate, back *gate, src *net.TCPConn) *pump {
	p := &pump{conn: c, gate: gate, back: back, src: src, buf: buffers.Get().(*[bufferSize]byte)}
	p.wake = func() { _ = src.SetReadDeadline(past) }
	p.reset = c.reset
	return p
}

func (p *pump) release() {
	p.gate.forget(&p.passage)
	buffers.Put(p.buf)
	p.buf = nil
}

func (p *pump) pending() int { return p.end - p.start }

// run pumps from src to dst until the stream has ended and dst knows, or the connection is gone.
func (p *pump) run(dst *net.TCPConn) {
	p.dst = dst
	p.interrupt = func() { _ = dst.SetWriteDeadline(past) }
	for !p.conn.isDone() {
		if p.pending() == 0 && p.ended == nil {
			p.read()
			continue
		}
		due, wait := p.due()
		if due == 0 && p.pending() > 0 {
			p.holdFor(wait)
			continue
		}
		opened := p.gate.enter(&p.passage, p.pending())
		switch {
		case opened != nil:
			p.hold(opened)
		case p.pending() > 0:
			if !p.write(due) {
				return
			}
		default:
			p.passEnd()
			return
		}
	}
}

// read takes what src has. Being woken leaves everything as it was.
func (p *pump) read() {
	n, err := p.src.Read(p.buf[p.end:])
	p.end += n
	p.shape(n)
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The gate opened. It cannot have closed and opened again since without this passage having asked again,
		// so no later wake is lost by clearing the deadline.
		_ = p.src.SetReadDeadline(time.Time{})
	default:
		p.ended = err
	}
}

// hold waits for the gate to open. While the buffer has room it keeps reading, so that what is held back is counted
// and the end of src is noticed.
func (p *pump) hold(opened <-chan struct{}) {
	p.makeRoom()
	if p.ended == nil && p.end < len(p.buf) {
		p.read()
		return
	}
	select {
	case <-opened:
	case <-p.conn.done:
	}
}

func (p *pump) makeRoom() {
	if p.start > 0 {
		p.end = copy(p.buf[:], p.buf[p.start:p.end])
		p.start = 0
	}
}

// write passes on so many bytes of what is pending. The pump is inside the gate and leaves it here. It reports whether to go on.
func (p *pump) write(due int) bool {
	n, err := p.dst.Write(p.buf[p.start : p.start+due])
	if p.gate.leave(&p.passage, n) {
		_ = p.dst.SetWriteDeadline(time.Time{})
	}
	p.start += n
	p.gone(n)
	if p.start == p.end {
		p.start, p.end = 0, 0
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	p.conn.resetThrough(p.back)
	return false
}

// passEnd tells dst that the stream has ended, in the way that src ended it. The pump is inside the gate and leaves it here.
func (p *pump) passEnd() {
	if errors.Is(p.ended, io.EOF) {
		_ = p.dst.CloseWrite()
	} else {
		p.conn.reset()
	}
	p.gate.leave(&p.passage, 0)
}
