package link

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// Counters are the exact byte counts of a directed link.
type Counters struct {
	Forwarded uint64 `json:"forwarded"` // bytes passed on to the receiver's side since the network was made
	Stopped   uint64 `json:"stopped"`   // bytes held back since the link was last cut; 0 for a link that was never cut
}

// gate decides for one directed link whether what arrives may go on. All that crosses the link, bytes, ends of streams,
// resets and new connections, does so between enter and leave, and cut returns only when nobody is in between:
// that is the whole argument why nothing sent after a cut arrives.
type gate struct {
	lane atomic.Pointer[shaping.Lane] // how the link is shaped; nil: it is not

	mu      sync.Mutex
	idle    sync.Cond     // broadcast when inside falls to 0
	closed  bool          // the link is cut
	opened  chan struct{} // closed when the link opens again; nil while it is open
	epoch   uint64        // counts cuts
	inside  map[*passage]struct{}
	waiting map[*passage]struct{} // refused since the link was cut
	count   Counters
}

// passage is one stream's way through a gate: a direction of a connection. Its fields belong to the gate's lock.
type passage struct {
	// interrupt makes the operation now between enter and leave return at once.
	interrupt func()
	// wake makes the owner's blocked read return, after the gate opened. It may be called at any time.
	wake func()
	// reset ends the connection at both sides with a reset. It must not block.
	reset func()
	// refused, if not nil, is called each time the gate refuses the passage.
	refused func()
	// uncounted passages leave the link's counters alone: a probe's bytes are not the nodes' traffic.
	uncounted bool

	interrupted bool
	counted     int    // bytes at the head of what is pending that Stopped already counts
	epoch       uint64 // the cut that counted belongs to
}

func newGate() *gate {
	g := &gate{inside: map[*passage]struct{}{}, waiting: map[*passage]struct{}{}}
	g.idle.L = &g.mu
	return g
}

// enter asks to pass with the given number of pending bytes. It returns nil when p is inside and must leave; otherwise p is refused,
// p.wake will be called when the link opens, and the channel closes then.
func (g *gate) enter(p *passage, pending int) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.inside[p] = struct{}{}
		p.interrupted = false
		return nil
	}
	if p.epoch != g.epoch {
		p.epoch, p.counted = g.epoch, 0
	}
	if !p.uncounted {
		g.count.Stopped += uint64(pending - p.counted)
	}
	p.counted = pending
	g.waiting[p] = struct{}{}
	if p.refused != nil {
		p.refused()
	}
	return g.opened
}

// leave ends what enter began. passed is the number of bytes that went on.
func (g *gate) leave(p *passage, passed int) (interrupted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.inside[p]; !ok {
		panic("link: leave without enter")
	}
	delete(g.inside, p)
	if !p.uncounted {
		g.count.Forwarded += uint64(passed)
	}
	if len(g.inside) == 0 {
		g.idle.Broadcast()
	}
	return p.interrupted
}

// forget drops a passage that has ended.
func (g *gate) forget(p *passage) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.waiting, p)
}

// shut cuts the link for everything that has not entered yet; drain then waits for what has.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.closed = true
	g.opened = make(chan struct{})
	g.epoch++
	g.count.Stopped = 0
	for p := range g.inside {
		p.interrupted = true
		p.interrupt()
	}
}

// drain returns once nothing is inside: what was inside when the link was shut has passed or was interrupted.
func (g *gate) drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.idle.Broadcast()
	})
	defer stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.inside) > 0 && g.closed {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.idle.Wait()
	}
	return nil
}

// open heals the link. With reset the connections that the cut held something of are reset, before anything can pass.
func (g *gate) open(reset bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		return
	}
	for p := range g.waiting {
		if reset {
			p.reset()
		}
		p.wake()
	}
	clear(g.waiting)
	g.closed = false
	close(g.opened)
	g.opened = nil
}

func (g *gate) counters() Counters {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}
