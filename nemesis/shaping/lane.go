// Package shaping decides what becomes of packets on a link that is slow, lossy or narrow: when each may go on, or that it is lost. It is
// only the decision: the mechanisms that hold packets back ask it, a packet queue in the kernel and links in userspace.
package shaping

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

const (
	// longestQueue is how far behind a narrow link may be; what comes then is lost, as in a router whose queue is full.
	longestQueue = time.Second
	// firstRetry and lastRetry are how long TCP waits before it sends a lost segment again, the first time and at most.
	firstRetry = 200 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// Lane is one direction of a link with its shape. It is safe for use by many goroutines.
type Lane struct {
	shape nemesis.Shape

	mu     sync.Mutex
	rng    *rand.Rand
	free   time.Duration // when the link has sent all it was given
	latest time.Duration // when the last packet that was given goes on, of those that keep their order
	counts nemesis.Shaped
	held   time.Duration
}

// NewLane makes a lane of the shape, whose draws follow the seed.
func NewLane(shape nemesis.Shape, seed uint64) *Lane {
	return &Lane{shape: shape, rng: rand.New(rand.NewPCG(seed, 0x6c616e65)), counts: nemesis.Shaped{Shape: shape}}
}

// Shape is the lane's shape.
func (l *Lane) Shape() nemesis.Shape { return l.shape }

// Packet tells when a packet of so many bytes that came at now goes on, or that it is lost. Packets keep no order beyond that.
func (l *Lane) Packet(now time.Duration, size int) (at time.Duration, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draw(l.shape.Loss) {
		l.counts.Lost++
		return 0, true
	}
	sent, full := l.transmit(now, size)
	if full {
		l.counts.Lost++
		return 0, true
	}
	at = sent + l.delay()
	if l.draw(l.shape.Reorder) {
		at = sent
	}
	if at < l.latest {
		l.counts.Reordered++
	}
	l.latest = max(l.latest, at)
	l.pass(now, at)
	return at, false
}

// Twice draws whether a packet that goes on comes twice.
func (l *Lane) Twice() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.draw(l.shape.Duplicate)
}

// SentTwice counts one that did.
func (l *Lane) SentTwice() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Duplicated++
}

// Chunk tells when a part of a stream that came at now goes on. A stream loses nothing and keeps its order: what a link loses comes
// when TCP has sent it again.
func (l *Lane) Chunk(now time.Duration, size int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now
	for retry := firstRetry; l.draw(l.shape.Loss); retry = min(2*retry, lastRetry) {
		l.counts.Lost++
		at += retry
	}
	if l.shape.Rate > 0 && l.free > now {
		l.counts.Limited++
	}
	sent := l.send(max(at, l.latest), size)
	at = max(l.latest, sent+l.delay())
	l.latest = at
	l.pass(now, at)
	return at
}

// Counts are what was decided so far.
func (l *Lane) Counts() nemesis.Shaped {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	if c.Delayed > 0 {
		c.Held = l.held / time.Duration(c.Delayed)
	}
	return c
}

func (l *Lane) draw(share float64) bool { return share > 0 && l.rng.Float64() < share }

func (l *Lane) delay() time.Duration {
	d := l.shape.Delay
	if l.shape.Jitter > 0 {
		d += time.Duration(l.rng.Int64N(2*int64(l.shape.Jitter)+1)) - l.shape.Jitter
	}
	return max(0, d)
}

// transmit tells when a packet has gone through a link of the shape's rate, or that the link's queue is full.
func (l *Lane) transmit(now time.Duration, size int) (sent time.Duration, full bool) {
	if l.shape.Rate == 0 {
		return now, false
	}
	if l.free > now {
		l.counts.Limited++
	}
	if l.free > now+longestQueue {
		return 0, true
	}
	return l.send(now, size), false
}

// send tells when what waits for its turn until at has gone through.
func (l *Lane) send(at time.Duration, size int) time.Duration {
	if l.shape.Rate == 0 {
		return at
	}
	l.free = max(l.free, at) + time.Duration(float64(size)/float64(l.shape.Rate)*float64(time.Second))
	return l.free
}

func (l *Lane) pass(now, at time.Duration) {
	l.counts.Passed++
	if at > now {
		l.counts.Delayed++
		l.held += at - now
	}
}
