package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// patience bounds how long a test waits for a condition that must come.
const patience = 30 * time.Second

func arrow(from, to string) nemesis.Link { return nemesis.Link{From: from, To: to} }

// tester is what a *testing.T and a *rapid.T have in common.
type tester interface {
	require.TestingT
	Helper()
	Cleanup(func())
}

// world is a network with a listener for every node's peer port.
type world struct {
	t     tester
	net   *Network
	peers map[string]net.Listener
}

func newWorld(t tester, options Options, nodes ...string) *world {
	n, err := New(nodes, options)
	require.NoError(t, err)
	w := &world{t: t, net: n, peers: map[string]net.Listener{}}
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	for _, node := range nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		w.peers[node] = l
		n.Forward(node, l.Addr().String())
	}
	return w
}

// dial gives what node from holds of a new connection to node to.
func (w *world) dial(from, to string) *net.TCPConn {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.net.Address(from, to))
	require.NoError(w.t, err)
	return conn.(*net.TCPConn)
}

// accept gives what node to holds of it.
func (w *world) accept(to string) *net.TCPConn {
	w.t.Helper()
	l := w.peers[to].(*net.TCPListener)
	require.NoError(w.t, l.SetDeadline(time.Now().Add(patience)))
	conn, err := l.Accept()
	require.NoError(w.t, err)
	return conn.(*net.TCPConn)
}

func (w *world) connect(from, to string) (near, far *net.TCPConn) {
	w.t.Helper()
	near = w.dial(from, to)
	return near, w.accept(to)
}

func (w *world) cut(links ...nemesis.Link) {
	w.t.Helper()
	require.NoError(w.t, w.net.Cut(context.Background(), links))
}

func (w *world) send(conn net.Conn, text string) {
	w.t.Helper()
	_, err := conn.Write([]byte(text))
	require.NoError(w.t, err)
}

func (w *world) expect(conn net.Conn, text string) {
	w.t.Helper()
	buf := make([]byte, len(text))
	require.NoError(w.t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.ReadFull(conn, buf)
	require.NoError(w.t, err)
	require.Equal(w.t, text, string(buf))
}

// expectNothing looks once; a gate that leaks shows over many looks.
func (w *world) expectNothing(conn net.Conn) {
	w.t.Helper()
	require.NoError(w.t, conn.SetReadDeadline(time.Now().Add(2*time.Millisecond)))
	n, err := conn.Read(make([]byte, 1))
	require.ErrorIs(w.t, err, os.ErrDeadlineExceeded, "read %d bytes", n)
}

func (w *world) waitFor(what string, condition func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		if condition() {
			return
		}
	}
	require.Fail(w.t, "did not come: "+what)
}

// expectCounters waits, for a byte is at the receiver an instant before it is counted.
func (w *world) expectCounters(from, to string, want Counters) {
	w.t.Helper()
	w.waitFor(fmt.Sprintf("%s->%s with %+v", from, to, want), func() bool { return w.net.Counters(arrow(from, to)) == want })
}

func (w *world) stopped(from, to string) uint64 { return w.net.Counters(arrow(from, to)).Stopped }

func TestBytesFlowBothWays(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	near, far := w.connect("n1", "n2")
	w.send(near, "request")
	w.expect(far, "request")
	w.send(far, "answer!")
	w.expect(near, "answer!")
	w.expectCounters("n1", "n2", Counters{Forwarded: 7})
	w.expectCounters("n2", "n1", Counters{Forwarded: 7})
}

func TestHalfCloseAndResetPropagate(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	near, far := w.connect("n1", "n2")
	w.send(near, "last words")
	require.NoError(t, near.CloseWrite())
	w.expect(far, "last words")
	_, err := far.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	w.send(far, "still here")
	w.expect(near, "still here")
	require.NoError(t, far.Close())
	_, err = near.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)

	near, far = w.connect("n1", "n2")
	require.NoError(t, near.SetLinger(0))
	require.NoError(t, near.Close())
	_, err = far.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestPeerThatDoesNotListenResets(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	require.NoError(t, w.peers["n2"].Close())
	near, err := net.Dial("tcp", w.net.Address("n1", "n2"))
	if err == nil { // The reset may be there before connect has returned.
		_, err = near.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)

	// While n2's answers are cut, its refusal does not arrive either.
	w.cut(arrow("n2", "n1"))
	held := w.dial("n1", "n2")
	w.expectNothing(held)
	w.cut()
	require.NoError(t, held.SetReadDeadline(time.Time{}))
	_, err = held.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// A directed cut stops one sender's bytes on the connections of both diallers, and nobody else's.
func TestCutIsDirected(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2", "n3")
	near12, far12 := w.connect("n1", "n2")
	near21, far21 := w.connect("n2", "n1")
	near13, far13 := w.connect("n1", "n3")

	w.cut(arrow("n1", "n2"))
	w.send(near12, "from the dialler")
	w.send(far21, "from the accepter")
	w.send(far12, "back")
	w.expect(near12, "back")
	w.send(near21, "there")
	w.expect(far21, "there")
	w.send(near13, "elsewhere")
	w.expect(far13, "elsewhere")

	w.waitFor("the held bytes counted", func() bool { return w.stopped("n1", "n2") == 33 })
	w.expectNothing(far12)
	w.expectNothing(near21)

	w.cut()
	w.expect(far12, "from the dialler")
	w.expect(near21, "from the accepter")
	w.expectCounters("n1", "n2", Counters{Forwarded: 33, Stopped: 33})
}

func TestEndOfStreamIsHeldBack(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	near, far := w.connect("n1", "n2")
	w.cut(arrow("n1", "n2"))
	w.send(near, "bye")
	require.NoError(t, near.CloseWrite())
	w.waitFor("held bytes", func() bool { return w.stopped("n1", "n2") == 3 })
	w.expectNothing(far)
	w.cut()
	w.expect(far, "bye")
	_, err := far.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestResetIsHeldBack(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	near, far := w.connect("n1", "n2")
	w.cut(arrow("n1", "n2"))
	require.NoError(t, near.SetLinger(0))
	require.NoError(t, near.Close())
	for range 5 {
		w.expectNothing(far)
	}
	w.cut()
	require.NoError(t, far.SetReadDeadline(time.Now().Add(patience)))
	_, err := far.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestConnectionDialledDuringCut(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	w.cut(arrow("n1", "n2"))
	patient := w.dial("n1", "n2")
	w.send(patient, "patient")
	impatient := w.dial("n1", "n2")
	w.send(impatient, "impatient")
	w.waitFor("both held", func() bool { return w.stopped("n1", "n2") == uint64(len("patient"+"impatient")) })
	require.NoError(t, impatient.Close())
	w.waitFor("the one that gave up forgotten", func() bool {
		w.net.mu.Lock()
		defer w.net.mu.Unlock()
		return len(w.net.connections) == 1
	})
	w.cut()
	far := w.accept("n2")
	w.expect(far, "patient")

	// The one that gave up left no trace: the next connection accepted is the next one dialled.
	near, far := w.connect("n1", "n2")
	w.send(near, "next")
	w.expect(far, "next")
}

func TestResetOnHeal(t *testing.T) {
	w := newWorld(t, Options{ResetOnHeal: true}, "n1", "n2")
	near, far := w.connect("n1", "n2")
	idle, idleFar := w.connect("n1", "n2")
	w.cut(arrow("n1", "n2"))
	w.send(near, "lost")
	w.waitFor("held bytes", func() bool { return w.stopped("n1", "n2") == 4 })
	w.cut()
	for _, side := range []net.Conn{near, far} {
		require.NoError(t, side.SetReadDeadline(time.Now().Add(patience)))
		n, err := side.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Zero(t, n)
	}
	w.send(idle, "nothing of this one was held")
	w.expect(idleFar, "nothing of this one was held")
	w.expectCounters("n1", "n2", Counters{Forwarded: 28, Stopped: 4})
}

// blocking is more bytes than the kernel takes for a receiver that does not read: it lends a sender 4 MiB and more.
const blocking = 32 << 20

// A receiver that does not read must not keep a cut from coming into force.
func TestCutInterruptsBlockedWrite(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	near, far := w.connect("n1", "n2")
	payload := bytes.Repeat([]byte("0123456789abcdef"), blocking/16)
	sent := make(chan error, 1)
	go func() {
		_, err := near.Write(payload)
		sent <- errors.Join(err, near.CloseWrite())
	}()
	g := w.net.wires[arrow("n1", "n2")].gate
	w.waitFor("a write blocked", func() bool {
		before := g.counters().Forwarded
		time.Sleep(2 * time.Millisecond)
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.inside) == 1 && g.count.Forwarded == before && before > 0
	})
	w.cut(arrow("n1", "n2"))
	g.mu.Lock()
	require.Empty(t, g.inside, "Cut returns when nobody is inside any more")
	g.mu.Unlock()
	w.cut()
	require.NoError(t, far.SetReadDeadline(time.Now().Add(patience)))
	got, err := io.ReadAll(far)
	require.NoError(t, err)
	require.True(t, bytes.Equal(payload, got), "the stream is whole and in order after an interrupted write")
	require.NoError(t, <-sent)
	require.EqualValues(t, len(payload), w.net.Counters(arrow("n1", "n2")).Forwarded)
}

// A cut waits for whoever is inside the gate, and tells it to leave.
func TestCutWaitsForWhoeverIsInside(t *testing.T) {
	g := newGate()
	told := make(chan struct{})
	p := &passage{interrupt: func() { close(told) }, wake: func() {}}
	require.Nil(t, g.enter(p, 0))
	g.shut()
	<-told
	expired, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, g.drain(expired), context.DeadlineExceeded, "somebody is still inside")
	require.True(t, g.leave(p, 0), "whoever was inside learns that a cut wanted it out")
	require.NoError(t, g.drain(context.Background()))
}

// A peer whose backlog is full keeps a dial waiting. A cut ends the dial, and the heal dials again.
func TestCutInterruptsDial(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	busy := listenWithoutBacklog(t)
	w.net.Forward("n2", busy.address)
	g := w.net.wires[arrow("n1", "n2")].gate
	var dialled []net.Conn
	w.waitFor("a dial that waits", func() bool {
		dialled = append(dialled, w.dial("n1", "n2"))
		time.Sleep(5 * time.Millisecond)
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.inside) > 0
	})
	w.cut(arrow("n1", "n2"))
	w.net.Forward("n2", w.peers["n2"].Addr().String())
	w.cut()
	far := w.accept("n2")
	for _, conn := range dialled { // more than one may have waited
		w.send(conn, "hello")
	}
	w.expect(far, "hello")
}

type busyListener struct{ address string }

// listenWithoutBacklog listens where nobody accepts and the queue is as short as it can be.
func listenWithoutBacklog(t *testing.T) busyListener {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	return busyListener{fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)}
}

// Memory is bounded: a sender that goes on during a cut is stopped by its own full send buffer.
func TestHeldBytesAreBounded(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	near, far := w.connect("n1", "n2")
	w.cut(arrow("n1", "n2"))
	const total = 64 << 20
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		chunk := make([]byte, 64<<10)
		for sent.Load() < total {
			n, err := near.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				done <- err
				return
			}
		}
		done <- near.CloseWrite()
	}()
	w.waitFor("the buffer full", func() bool { return w.stopped("n1", "n2") == bufferSize })
	w.waitFor("the sender blocked", func() bool {
		before := sent.Load()
		time.Sleep(5 * time.Millisecond)
		return sent.Load() == before
	})
	require.Less(t, sent.Load(), int64(total))
	require.EqualValues(t, bufferSize, w.stopped("n1", "n2"))
	w.cut()
	n, err := io.Copy(io.Discard, far)
	require.NoError(t, err)
	require.EqualValues(t, total, n)
	require.NoError(t, <-done)
}

// After Cut has returned no byte written later arrives. The sender counts what it begins to write before it writes, so
// that at any moment during the cut the receiver can have no more than the count was when Cut returned.
func TestNothingSentAfterCutArrives(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	near, far := w.connect("n1", "n2")
	far2, near2 := w.connect("n2", "n1") // here n1 accepted; it sends all the same
	a, b := startStream(near, far), startStream(near2, far2)
	streams := []*stream{a, b}

	for range 50 {
		w.waitFor("bytes to flow", func() bool { return a.moved() && b.moved() })
		w.cut(arrow("n1", "n2"))
		limits := []int64{a.begun.Load(), b.begun.Load()}
		forwarded := w.net.Counters(arrow("n1", "n2")).Forwarded
		w.waitFor("bytes held", func() bool { return w.stopped("n1", "n2") > 0 })
		for i, s := range streams {
			require.LessOrEqual(t, s.received.Load(), limits[i])
		}
		runtime.Gosched()
		for i, s := range streams {
			require.LessOrEqual(t, s.received.Load(), limits[i])
		}
		require.Equal(t, forwarded, w.net.Counters(arrow("n1", "n2")).Forwarded, "nothing at all is passed on after Cut has returned")
		w.cut()
	}
	for _, s := range streams {
		s.stop(t)
	}
}

// stream sends consecutive numbers on one connection and checks them at the other end.
type stream struct {
	begun, received atomic.Int64 // bytes
	quit            atomic.Bool
	from            *net.TCPConn
	sent, got       chan error
	seen            int64
}

func startStream(from, to *net.TCPConn) *stream {
	s := &stream{from: from, sent: make(chan error, 1), got: make(chan error, 1)}
	go func() { s.sent <- s.send() }()
	go func() { s.got <- s.receive(to) }()
	return s
}

func (s *stream) send() error {
	chunk := make([]byte, 0, 1024)
	for next := uint64(0); !s.quit.Load(); {
		chunk = chunk[:0]
		for range 1 + next%100 {
			chunk = binary.BigEndian.AppendUint64(chunk, next)
			next++
		}
		s.begun.Add(int64(len(chunk)))
		if _, err := s.from.Write(chunk); err != nil {
			return err
		}
	}
	return s.from.CloseWrite()
}

func (s *stream) receive(to io.Reader) error {
	buf := make([]byte, 32<<10)
	var number []byte
	var want uint64
	for {
		n, err := to.Read(buf)
		for _, c := range buf[:n] {
			if number = append(number, c); len(number) < 8 {
				continue
			}
			if binary.BigEndian.Uint64(number) != want {
				return errors.New("the stream is out of order")
			}
			want, number = want+1, number[:0]
		}
		s.received.Add(int64(n))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *stream) moved() bool {
	now := s.received.Load()
	moved := now > s.seen
	s.seen = now
	return moved
}

func (s *stream) stop(t *testing.T) {
	s.quit.Store(true)
	require.NoError(t, <-s.sent)
	require.NoError(t, <-s.got)
	require.Equal(t, s.begun.Load(), s.received.Load(), "nothing was lost")
}

func TestProbe(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2", "n3")
	require.NoError(t, w.peers["n3"].Close()) // A probe tells of the link, not of the node.
	near, _ := w.connect("n1", "n2")
	w.cut(arrow("n1", "n2"), arrow("n3", "n1"))
	w.send(near, "12345")
	w.waitFor("held bytes", func() bool { return w.stopped("n1", "n2") == 5 })

	links := []nemesis.Link{arrow("n1", "n2"), arrow("n2", "n1"), arrow("n3", "n1"), arrow("n1", "n3"), arrow("n2", "n3")}
	probes, err := w.net.Probe(context.Background(), links)
	require.NoError(t, err)
	for i, crossed := range []bool{false, true, false, true, true} {
		require.Equal(t, links[i], probes[i].Link)
		require.Equal(t, crossed, probes[i].Crossed, "%v", probes[i])
		require.Empty(t, probes[i].Error)
		require.Equal(t, "bytes", probes[i].Unit)
	}
	require.EqualValues(t, 5, probes[0].Stopped, "the nodes' bytes are counted, the probe's are not")
	require.Zero(t, probes[2].Stopped)
	require.Zero(t, w.net.Counters(arrow("n2", "n1")).Forwarded)

	w.cut()
	probes, err = w.net.Probe(context.Background(), links)
	require.NoError(t, err)
	for _, p := range probes {
		require.True(t, p.Crossed, "%v", p)
	}
	require.NoError(t, w.peers["n2"].(*net.TCPListener).SetDeadline(time.Now().Add(5*time.Millisecond)))
	_, err = w.peers["n2"].Accept()
	require.Error(t, err, "no probe reaches a node")
}

func TestUnknownLink(t *testing.T) {
	w := newWorld(t, Options{}, "n1", "n2")
	err := w.net.Cut(context.Background(), []nemesis.Link{arrow("n1", "n9")})
	require.EqualError(t, err, "link: there is no link n1->n9; the nodes are [n1 n2]")
	_, err = w.net.Probe(context.Background(), []nemesis.Link{arrow("n1", "n1")})
	require.ErrorContains(t, err, "no link n1->n1")
	_, err = New([]string{"n1", "n2", "n1"}, Options{})
	require.ErrorContains(t, err, "named twice")
}

func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	w := newWorld(t, Options{}, "n1", "n2", "n3")
	near, far := w.connect("n1", "n2")
	w.cut(arrow("n1", "n2"), arrow("n3", "n2"))
	w.send(near, "held")
	_ = w.dial("n3", "n2")
	w.waitFor("held bytes", func() bool { return w.stopped("n1", "n2") == 4 })
	require.NoError(t, w.net.Close())
	_, err := far.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	w.waitFor("its goroutines gone", func() bool { return runtime.NumGoroutine() <= before })
}

// Whatever cuts, heals and sends come in whatever order: a byte is at the receiver exactly when its link is open, in
// order, and the counters are exact.
func TestModel(t *testing.T) {
	nodes := []string{"n1", "n2", "n3"}
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t, nodes)
		defer m.close()
		t.Repeat(map[string]func(*rapid.T){
			"cut":  m.cutSome,
			"send": m.sendOne,
			"":     m.check,
		})
		m.heal()
	})
}

// model is a network of which it knows what must be where.
type model struct {
	*world
	lanes     []lane
	cuts      map[nemesis.Link]bool
	held      map[int]string // by lane
	forwarded map[nemesis.Link]uint64
	stopped   map[nemesis.Link]uint64
}

// lane is one direction of one connection.
type lane struct {
	link     nemesis.Link
	from, to *net.TCPConn
}

func newModel(t *rapid.T, nodes []string) *model {
	m := &model{
		world: newWorld(t, Options{}, nodes...), cuts: map[nemesis.Link]bool{}, held: map[int]string{},
		forwarded: map[nemesis.Link]uint64{}, stopped: map[nemesis.Link]uint64{},
	}
	for _, from := range nodes {
		for _, to := range nodes {
			if from != to {
				near, far := m.connect(from, to)
				m.lanes = append(m.lanes, lane{arrow(from, to), near, far}, lane{arrow(to, from), far, near})
			}
		}
	}
	return m
}

func (m *model) close() {
	for _, l := range m.lanes {
		_ = l.from.Close()
		_ = l.to.Close()
	}
}

func (m *model) cutSome(t *rapid.T) {
	indexes := rapid.SliceOfNDistinct(rapid.IntRange(0, len(m.lanes)-1), 0, 4, rapid.ID).Draw(t, "links")
	before := m.cuts
	m.cuts = map[nemesis.Link]bool{}
	var links []nemesis.Link
	for _, i := range indexes {
		l := m.lanes[i].link
		links = append(links, l)
		m.cuts[l] = true
		if !before[l] {
			m.stopped[l] = 0
		}
	}
	m.cut(links...)
	m.receiveHealed()
}

func (m *model) heal() {
	clear(m.cuts)
	m.cut()
	m.receiveHealed()
	m.check(nil)
}

func (m *model) receiveHealed() {
	for i, l := range m.lanes {
		if text := m.held[i]; text != "" && !m.cuts[l.link] {
			m.expect(l.to, text)
			m.forwarded[l.link] += uint64(len(text))
			delete(m.held, i)
		}
	}
}

func (m *model) sendOne(t *rapid.T) {
	i := rapid.IntRange(0, len(m.lanes)-1).Draw(t, "lane")
	text := rapid.StringMatching(`[a-z]{1,20}`).Draw(t, "text")
	l := m.lanes[i]
	m.send(l.from, text)
	if m.cuts[l.link] {
		m.held[i] += text
		m.stopped[l.link] += uint64(len(text))
	} else {
		m.expect(l.to, text)
		m.forwarded[l.link] += uint64(len(text))
	}
}

func (m *model) check(*rapid.T) {
	for _, l := range m.lanes {
		want := Counters{Forwarded: m.forwarded[l.link], Stopped: m.stopped[l.link]}
		m.expectCounters(l.link.From, l.link.To, want)
	}
	for i := range m.held {
		require.NoError(m.t, m.lanes[i].to.SetReadDeadline(time.Now().Add(50*time.Microsecond)))
		n, _ := m.lanes[i].to.Read(make([]byte, 1))
		require.Zero(m.t, n, "a byte crossed the cut link %v", m.lanes[i].link)
	}
}

// BenchmarkEcho measures small messages there and back, many under way at once.
func BenchmarkEcho(b *testing.B) {
	w := newWorld(b, Options{}, "n1", "n2")
	near, far := w.connect("n1", "n2")
	go func() { _, _ = io.Copy(far, far) }()
	message := make([]byte, 128)
	go func() {
		for range b.N {
			if _, err := near.Write(message); err != nil {
				return
			}
		}
	}()
	_, err := io.CopyN(io.Discard, near, int64(b.N)*int64(len(message)))
	require.NoError(b, err)
}

// What comes on a shaped link is never early, in its order and whole; the other direction is as fast as ever. Once the shape is lifted
// nothing is held back.
func TestShapedLink(t *testing.T) {
	w := newWorld(t, Options{}, "a", "b")
	near, far := w.connect("a", "b")
	defer near.Close()
	defer far.Close()
	const delay = 40 * time.Millisecond
	there, back := arrow("a", "b"), arrow("b", "a")
	require.NoError(t, w.net.ShapeLinks(t.Context(), []nemesis.ShapedLink{{Link: there, Shape: nemesis.Shape{Delay: delay}}}))
	echo := make([]byte, 4)
	for i := range 5 {
		sent := time.Now()
		binary.BigEndian.PutUint32(echo, uint32(i))
		_, err := near.Write(echo)
		require.NoError(t, err)
		_, err = io.ReadFull(far, echo)
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(sent), delay)
		require.EqualValues(t, i, binary.BigEndian.Uint32(echo))
		_, err = far.Write(echo)
		require.NoError(t, err)
		_, err = io.ReadFull(near, echo)
		require.NoError(t, err)
	}
	shaped, err := w.net.Shaped(t.Context(), []nemesis.Link{there, back})
	require.NoError(t, err)
	require.Equal(t, delay, shaped[0].Held)
	require.EqualValues(t, 5, shaped[0].Delayed)
	require.Equal(t, nemesis.Shaped{Link: back, Unit: "chunks", Method: "userspace link"}, shaped[1])

	require.NoError(t, w.net.ShapeLinks(t.Context(), []nemesis.ShapedLink{{Link: there, Shape: nemesis.Shape{Delay: time.Hour}}}))
	_, err = near.Write([]byte("held"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		shaped, err := w.net.Shaped(t.Context(), []nemesis.Link{there})
		return err == nil && shaped[0].Delayed == 1
	}, patience, time.Millisecond)
	require.NoError(t, w.net.ShapeLinks(t.Context(), nil))
	require.NoError(t, far.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.ReadFull(far, echo)
	require.NoError(t, err)
	require.Equal(t, "held", string(echo))
}

// Whatever is written, shaped and cut meanwhile, the stream arrives whole and in order, with its end.
func TestShapedStreamsAreWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, Options{}, "a", "b")
		near, far := w.connect("a", "b")
		defer near.Close()
		defer far.Close()
		sent := rapid.SliceOfN(rapid.Byte(), 1, 200_000).Draw(t, "bytes")
		got := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(far)
			got <- all
		}()
		there := arrow("a", "b")
		for rest := sent; len(rest) > 0; {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				shape := nemesis.Shape{Delay: time.Duration(rapid.IntRange(0, 3).Draw(t, "delay")) * time.Millisecond, Jitter: time.Millisecond, Rate: 64 << 20}
				require.NoError(t, w.net.ShapeLinks(context.Background(), []nemesis.ShapedLink{{Link: there, Shape: shape}}))
			case 1:
				require.NoError(t, w.net.ShapeLinks(context.Background(), nil))
			case 2:
				require.NoError(t, w.net.Cut(context.Background(), []nemesis.Link{there}))
				require.NoError(t, w.net.Cut(context.Background(), nil))
			}
			n := rapid.IntRange(1, min(len(rest), 50_000)).Draw(t, "n")
			_, err := near.Write(rest[:n])
			require.NoError(t, err)
			rest = rest[n:]
		}
		require.NoError(t, near.CloseWrite())
		require.True(t, bytes.Equal(sent, <-got))
	})
}
