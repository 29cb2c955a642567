package nfqueue

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/ordeal-dev/ordeal/nemesis"
)

const inNamespace = "ORDEAL_NFQUEUE_TEST_NAMESPACE"

const (
	alice, bob     = "10.214.0.1", "10.214.0.2"
	alice6, bobby6 = "fd00:214::1", "fd00:214::2"
)

// TestMain runs the tests in a network namespace of their own, with two neighbours on its loopback. Where the machine gives none, the
// tests that need one say so and skip.
func TestMain(m *testing.M) {
	if os.Getenv(inNamespace) != "" {
		if err := addNeighbours(); err != nil {
			fmt.Fprintln(os.Stderr, "the namespace's addresses:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		os.Exit(m.Run())
	}
	if err := cmd.Wait(); err != nil {
		os.Exit(1)
	}
}

func addNeighbours() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, a := range []string{alice + "/32", bob + "/32", alice6 + "/128", bobby6 + "/128"} {
		address, err := netlink.ParseAddr(a)
		if err == nil {
			err = netlink.AddrAdd(lo, address)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	return netlink.LinkSetUp(lo)
}

// shape shapes what alice sends.
func shape(t *testing.T, to nemesis.Shape) *Shaper {
	t.Helper()
	if os.Getenv(inNamespace) == "" {
		t.Skip("this needs a network namespace, which this machine does not give")
	}
	s := &Shaper{}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Replace([]Peer{{Address: netip.MustParseAddr(alice), Shape: to}, {Address: netip.MustParseAddr(alice6), Shape: to}}))
	return s
}

func count(t *testing.T, s *Shaper) nemesis.Shaped {
	t.Helper()
	counts, err := s.Counts()
	require.NoError(t, err)
	require.Len(t, counts, 2)
	return counts[0]
}

// datagrams is a socket of each.
func datagrams(t *testing.T) (a, b net.PacketConn) {
	t.Helper()
	a, err := net.ListenPacket("udp", alice+":0")
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	b, err = net.ListenPacket("udp", bob+":0")
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	require.NoError(t, b.(*net.UDPConn).SetReadBuffer(4<<20))
	return a, b
}

func send(t *testing.T, from net.PacketConn, to net.Addr, n uint32) {
	t.Helper()
	_, err := from.WriteTo(binary.BigEndian.AppendUint32(nil, n), to)
	require.NoError(t, err)
}

func receive(t *testing.T, at net.PacketConn) uint32 {
	t.Helper()
	require.NoError(t, at.SetReadDeadline(time.Now().Add(30*time.Second)))
	b := make([]byte, 16)
	_, _, err := at.ReadFrom(b)
	require.NoError(t, err)
	return binary.BigEndian.Uint32(b)
}

// A packet of the peer is never early; the other direction is not delayed at all.
func TestDelay(t *testing.T) {
	const delay = 20 * time.Millisecond
	s := shape(t, nemesis.Shape{Delay: delay})
	a, b := datagrams(t)
	for i := range uint32(20) {
		sent := time.Now()
		send(t, a, b.LocalAddr(), i)
		require.Equal(t, i, receive(t, b))
		require.GreaterOrEqual(t, time.Since(sent), delay)
		send(t, b, a.LocalAddr(), i)
		require.Equal(t, i, receive(t, a))
	}
	c := count(t, s)
	require.EqualValues(t, 20, c.Delayed)
	require.EqualValues(t, 20, c.Passed, "the answers are not alice's")
	require.Equal(t, delay, c.Held)
	require.Equal(t, nemesis.Shape{Delay: delay}, c.Shape)
}

// What is counted as lost is what does not arrive.
func TestLoss(t *testing.T) {
	s := shape(t, nemesis.Shape{Loss: 0.3})
	a, b := datagrams(t)
	const sent = 1000
	for i := range uint32(sent) {
		send(t, a, b.LocalAddr(), i)
	}
	require.Eventually(t, func() bool { c := count(t, s); return c.Passed+c.Lost == sent }, 30*time.Second, time.Millisecond)
	c := count(t, s)
	require.InDelta(t, 300, float64(c.Lost), 100)
	for range c.Passed {
		receive(t, b)
	}
}

// What comes twice comes exactly twice, whole, and its copies are not shaped again.
func TestDuplicates(t *testing.T) {
	for name, delay := range map[string]time.Duration{"at once": 0, "late": 10 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			s := shape(t, nemesis.Shape{Duplicate: 1, Delay: delay})
			a, b := datagrams(t)
			const sent = 300
			for i := range uint32(sent) {
				send(t, a, b.LocalAddr(), i)
			}
			got := map[uint32]int{}
			for range 2 * sent {
				got[receive(t, b)]++
			}
			for i := range uint32(sent) {
				require.Equal(t, 2, got[i], "packet %d", i)
			}
			require.Eventually(t, func() bool { return count(t, s).Duplicated == sent }, 30*time.Second, time.Millisecond)
			require.EqualValues(t, sent, count(t, s).Passed)
		})
	}
}

// A share of what a connection sends comes twice, its large segments too, and what arrives is what was sent.
func TestDuplicatesOfAConnection(t *testing.T) {
	for _, address := range []string{bob, "[" + bobby6 + "]"} {
		t.Run(address, func(t *testing.T) {
			s := shape(t, nemesis.Shape{Duplicate: 0.5})
			got, want := transfer(t, address, 4<<20)
			require.True(t, bytes.Equal(want, got))
			counts, err := s.Counts()
			require.NoError(t, err)
			require.NotZero(t, counts[0].Duplicated+counts[1].Duplicated)
		})
	}
}

// dial has alice connect to a listener at an address.
func dial(t *testing.T, address string) (net.Listener, net.Conn) {
	l, err := net.Listen("tcp", address+":0")
	require.NoError(t, err)
	from := net.ParseIP(alice)
	if address != bob {
		from = net.ParseIP(alice6)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	c, err := d.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	return l, c
}

// transfer has alice send so many bytes over a connection.
func transfer(t *testing.T, address string, size int) (got, sent []byte) {
	l, c := dial(t, address)
	defer l.Close()
	defer c.Close()
	sent = make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	go func() { _, _ = c.Write(sent) }()
	accepted, err := l.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	require.NoError(t, accepted.SetReadDeadline(time.Now().Add(time.Minute)))
	got = make([]byte, size)
	_, err = io.ReadFull(accepted, got)
	require.NoError(t, err)
	return got, sent
}

// Reordered packets arrive, in another order.
func TestReordering(t *testing.T) {
	s := shape(t, nemesis.Shape{Delay: 5 * time.Millisecond, Reorder: 0.3})
	a, b := datagrams(t)
	var got []uint32
	for i := range uint32(300) {
		send(t, a, b.LocalAddr(), i)
	}
	for range 300 {
		got = append(got, receive(t, b))
	}
	require.False(t, slices.IsSorted(got))
	require.NotZero(t, count(t, s).Reordered)
	require.Zero(t, count(t, s).Lost)
}

// A connection through a narrow link gets everything across, no faster than the link.
func TestRate(t *testing.T) {
	for _, address := range []string{bob, "[" + bobby6 + "]"} {
		t.Run(address, func(t *testing.T) { narrow(t, address) })
	}
}

func narrow(t *testing.T, address string) {
	s := shape(t, nemesis.Shape{Rate: 4 << 20})
	l, c := dial(t, address)
	defer l.Close()
	defer c.Close()
	const size = 1 << 20
	go func() { _, _ = c.Write(make([]byte, size)) }()
	accepted, err := l.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	began := time.Now()
	_, err = io.CopyN(io.Discard, accepted, size)
	require.NoError(t, err)
	require.Greater(t, time.Since(began), 200*time.Millisecond, "1 MiB at 4 MiB a second")
	counts, err := s.Counts()
	require.NoError(t, err)
	require.NotZero(t, counts[0].Limited+counts[1].Limited)
}

// A heal lets go on what was held, and leaves nothing in the kernel.
func TestHeal(t *testing.T) {
	s := shape(t, nemesis.Shape{Delay: time.Hour})
	a, b := datagrams(t)
	send(t, a, b.LocalAddr(), 7)
	require.Eventually(t, func() bool { return count(t, s).Passed == 1 }, 30*time.Second, time.Millisecond)
	require.NoError(t, s.Replace(nil))
	require.EqualValues(t, 7, receive(t, b))
	counts, err := s.Counts()
	require.NoError(t, err)
	require.Empty(t, counts)
	conn, err := nftables.New()
	require.NoError(t, err)
	tables, err := conn.ListTables()
	require.NoError(t, err)
	require.Empty(t, tables)
	require.NoError(t, s.Replace(nil), "twice is as good as once")
}

// Nothing is cut off by a shaper that died, and rules that are gone are no shape.
func TestRulesAndServerBelongTogether(t *testing.T) {
	s := shape(t, nemesis.Shape{Loss: 1})
	a, b := datagrams(t)
	s.mu.Lock()
	require.NoError(t, s.server.close())
	s.mu.Unlock()
	send(t, a, b.LocalAddr(), 1)
	require.EqualValues(t, 1, receive(t, b), "a queue that nobody serves is passed by")
	s.server = nil

	require.NoError(t, s.Replace([]Peer{{Address: netip.MustParseAddr(alice)}}))
	require.NoError(t, s.removeRules())
	_, err := s.Counts()
	require.ErrorContains(t, err, "0 rules of table ordeal_shape, and 1 peers are shaped")
}

func TestProbe(t *testing.T) {
	shape(t, nemesis.Shape{})
	require.NoError(t, Probe())
}

func TestRefusedPeers(t *testing.T) {
	good := netip.MustParseAddr(alice)
	for want, peers := range map[string][]Peer{
		"is not the address of one peer": {{Address: netip.MustParseAddr("127.0.0.1")}},
		"{Delay:0s Jitter:0s Loss:1.5":   {{Address: good, Shape: nemesis.Shape{Loss: 1.5}}},
		"shares are from 0 to 1":         {{Address: good, Shape: nemesis.Shape{Duplicate: 1.5}}},
		"less than nothing":              {{Address: good, Shape: nemesis.Shape{Delay: -1}}},
		"is named twice":                 {{Address: good}, {Address: netip.MustParseAddr("::ffff:" + alice)}},
	} {
		require.ErrorContains(t, new(Shaper).Replace(peers), want)
	}
}

// Whatever the kernel sent, reading it ends, and gives packets with an id.
func FuzzPackets(f *testing.F) {
	one := message(messagePacket, 0, 7, attribute(packetHeader, []byte{0, 0, 0, 9, 8, 0, 1}), attribute(packetLength, be32(1500)))
	f.Add(one)
	f.Add(append(slices.Clone(one), one...))
	f.Add(message(messagePacket, 0, 7, []byte{3, 0, 1, 0}))
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		require.LessOrEqual(t, len(packets(b)), len(b)/headerSize)
	})
}

func TestPackets(t *testing.T) {
	one := message(messagePacket, 0, 7, attribute(packetHeader, []byte{0, 0, 0, 9, 8, 0, 1}), attribute(packetLength, be32(1500)))
	require.Equal(t, []packet{{queue: 7, id: 9, size: 1500}, {queue: 7, id: 9, size: 1500}}, packets(append(slices.Clone(one), one...)))
	require.Empty(t, packets(one[:len(one)-1]))
}
