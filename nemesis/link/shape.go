package link

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// A shaped link holds back what comes on a connection until it is due. It is a stream that it shapes: nothing of it is lost or comes in
// another order, and what would have been lost on the way comes when TCP would have sent it again.

// chunk is what came in one read on a shaped link.
type chunk struct {
	size int
	due  time.Duration // since begin
}

var begin = time.Now()

// longestHold is how soon a pump notices that the link is not shaped any more.
const longestHold = 10 * time.Millisecond

// shape notes that so many bytes have just come.
func (p *pump) shape(n int) {
	if lane := p.gate.lane.Load(); lane != nil && n > 0 {
		p.late = append(p.late, chunk{n, lane.Chunk(time.Since(begin), n)})
	}
}

// due is how many of the pending bytes may go on now, and where none may how long to wait for the first.
func (p *pump) due() (bytes int, wait time.Duration) {
	if p.gate.lane.Load() == nil {
		p.late = p.late[:0]
	}
	bytes = p.pending()
	for _, c := range p.late {
		bytes -= c.size
	}
	for _, c := range p.late {
		if wait = c.due - time.Since(begin); wait > 0 {
			return bytes, wait
		}
		bytes += c.size
	}
	return bytes, 0
}

// gone notes that so many bytes went on, and are pending no more. Those before the first chunk go first.
func (p *pump) gone(n int) {
	before := p.pending() + n
	for _, c := range p.late {
		before -= c.size
	}
	n -= before
	for n > 0 && len(p.late) > 0 {
		part := min(n, p.late[0].size)
		n -= part
		if p.late[0].size -= part; p.late[0].size == 0 {
			p.late = p.late[1:]
		}
	}
}

// holdFor waits for the time when the first byte is due. Meanwhile it reads as long as there is room, so that each chunk's time counts
// from when it came.
func (p *pump) holdFor(wait time.Duration) {
	wait = min(wait, longestHold)
	p.makeRoom()
	if p.ended == nil && p.end < len(p.buf) {
		_ = p.src.SetReadDeadline(time.Now().Add(wait))
		p.read()
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.conn.done:
	}
}

// ShapeLinks shapes exactly the given links, in place of whatever was shaped before. A link whose shape stays keeps its counts.
func (n *Network) ShapeLinks(_ context.Context, links []nemesis.ShapedLink) error {
	want := map[nemesis.Link]nemesis.Shape{}
	var plain []nemesis.Link
	for _, l := range links {
		plain = append(plain, l.Link)
		want[l.Link] = l.Shape
	}
	if err := n.check(plain); err != nil {
		return err
	}
	n.cutting.Lock()
	defer n.cutting.Unlock()
	for l, w := range n.wires {
		to, shaped := want[l]
		switch lane := w.gate.lane.Load(); {
		case !shaped:
			w.gate.lane.Store(nil)
		case lane == nil || lane.Shape() != to:
			w.gate.lane.Store(shaping.NewLane(to, rand.Uint64()))
		}
	}
	return nil
}

// Shaped tells what was done to each link.
func (n *Network) Shaped(_ context.Context, links []nemesis.Link) ([]nemesis.Shaped, error) {
	if err := n.check(links); err != nil {
		return nil, err
	}
	all := make([]nemesis.Shaped, len(links))
	for i, l := range links {
		if lane := n.wires[l].gate.lane.Load(); lane != nil {
			all[i] = lane.Counts()
		}
		all[i].Link, all[i].Unit, all[i].Method = l, "chunks", "userspace link"
	}
	return all, nil
}
