package nfqueue

import (
	"container/heap"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

const (
	idle       = 10 * time.Millisecond // between looks at whether there is something else to do
	batch      = 64                    // packets taken at a time
	maxVerdict = 300 * 32              // bytes of verdicts sent at a time
)

// server takes packets and gives verdicts, on a thread of its own: ppoll waits to within microseconds, Go's timers would not.
type server struct {
	socket socket
	begin  time.Time

	mu    sync.Mutex
	lanes map[uint16]*shaping.Lane // by queue; a queue without one lets everything pass
	drain chan struct{}            // closed by the server when it has let go on all that it held; nil: it need not
	stop  bool
	err   error // of a verdict that could not be given

	held   waiting
	seq    uint64
	out    []byte
	copies []copied // to be sent once the verdicts are given
	copier *copier  // nil: no lane has any
	ended  chan struct{}
}

func newServer() (*server, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	return &server{socket: s, begin: time.Now(), lanes: map[uint16]*shaping.Lane{}, ended: make(chan struct{})}, nil
}

func (s *server) now() time.Duration { return time.Since(s.begin) }

// run serves until close. All queues are bound before.
func (s *server) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.ended)
	buf := make([]byte, bufferSize)
	fds := []unix.PollFd{{Fd: int32(s.socket), Events: unix.POLLIN}}
	for !s.stopped() {
		wait := idle
		if len(s.held) > 0 {
			wait = min(idle, s.held[0].at-s.now())
		}
		if wait > 0 {
			t := unix.NsecToTimespec(int64(wait))
			_, _ = unix.Ppoll(fds, &t, nil)
		}
		for range batch {
			n, _, err := unix.Recvfrom(int(s.socket), buf, unix.MSG_DONTWAIT)
			if err != nil {
				break
			}
			s.take(buf[:n])
		}
		s.release(s.due())
		s.flush()
		s.drained()
	}
}

// due is the time up to which what is held goes on: all of it, when somebody waits for that.
func (s *server) due() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drain != nil {
		return math.MaxInt64
	}
	return s.now()
}

func (s *server) drained() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drain != nil {
		close(s.drain)
		s.drain = nil
	}
}

// letGo lifts every shape and returns when nothing is held. It comes before the rules are removed: the kernel drops then what a queue holds.
func (s *server) letGo() {
	done := make(chan struct{})
	s.mu.Lock()
	s.lanes, s.drain = nil, done
	s.mu.Unlock()
	select {
	case <-done:
	case <-s.ended:
	}
}

func (s *server) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop
}

// take decides about packets that have come.
func (s *server) take(b []byte) {
	now := s.now()
	for _, p := range packets(b) {
		s.mu.Lock()
		lane := s.lanes[p.queue]
		s.mu.Unlock()
		at, lost := now, false
		if lane != nil {
			at, lost = lane.Packet(now, p.size)
		}
		p.bytes = s.copyOf(lane, p.bytes, lost)
		switch {
		case lost:
			s.out = append(s.out, verdict(p.queue, p.id, drop)...)
		case at <= now:
			s.letPass(p)
		default:
			s.seq++
			heap.Push(&s.held, heldPacket{packet: p, at: at, seq: s.seq})
		}
	}
}

// release lets go on what is due.
func (s *server) release(now time.Duration) {
	for len(s.held) > 0 && s.held[0].at <= now {
		p := heap.Pop(&s.held).(heldPacket)
		s.letPass(p.packet)
	}
}

// copyOf is what is to be sent beside a packet when it goes on; nil: nothing.
func (s *server) copyOf(lane *shaping.Lane, bytes []byte, lost bool) []byte {
	if lane == nil || lost || s.copier == nil || !lane.Twice() {
		return nil
	}
	return slices.Clone(bytes) // they lie in a buffer that is used again
}

func (s *server) letPass(p packet) {
	s.out = append(s.out, verdict(p.queue, p.id, accept)...)
	if p.bytes != nil {
		s.copies = append(s.copies, copied{p.queue, p.bytes})
	}
}

// copied is a packet that is to come again.
type copied struct {
	queue uint16
	bytes []byte
}

// sendCopies sends what is to come twice. Only what was sent counts.
func (s *server) sendCopies() {
	for _, c := range s.copies {
		err := s.copier.send(c.bytes)
		s.mu.Lock()
		if lane := s.lanes[c.queue]; err != nil {
			s.err = err
		} else if lane != nil {
			lane.SentTwice()
		}
		s.mu.Unlock()
	}
	s.copies = s.copies[:0]
}

func (s *server) flush() {
	for len(s.out) > 0 {
		n := min(len(s.out), maxVerdict)
		if err := s.socket.send(s.out[:n]); err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
		}
		s.out = s.out[n:]
	}
	s.out = s.out[:0]
	s.sendCopies()
}

// close ends the server.
func (s *server) close() error {
	s.mu.Lock()
	s.stop = true
	s.mu.Unlock()
	<-s.ended
	s.closeSockets()
	return s.err
}

func (s *server) closeSockets() {
	s.socket.close()
	if s.copier != nil {
		s.copier.close()
	}
}

// heldPacket is a packet that goes on later.
type heldPacket struct {
	packet
	at  time.Duration
	seq uint64
}

// waiting is a heap by time.
type waiting []heldPacket

func (w waiting) Len() int { return len(w) }
func (w waiting) Less(i, j int) bool {
	return w[i].at < w[j].at || w[i].at == w[j].at && w[i].seq < w[j].seq
}
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(x any)   { *w = append(*w, x.(heldPacket)) }
func (w *waiting) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}
