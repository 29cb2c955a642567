package qdisc

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
	"github.com/ordeal-dev/ordeal/nemesis/shaping/neighbours"
)

func TestMain(m *testing.M) { neighbours.Main(m) }

// bob is both his addresses, shaped alike.
func bob(to nemesis.Shape) []shaping.Peer {
	return []shaping.Peer{{Address: netip.MustParseAddr(neighbours.Bob), Shape: to}, {Address: netip.MustParseAddr(neighbours.Bob6), Shape: to}}
}

// shape shapes what is sent to Bob.
func shape(t *testing.T, to nemesis.Shape) *Shaper {
	t.Helper()
	neighbours.Need(t)
	if err := Probe(KindFor(to)); err != nil {
		t.Skip(err)
	}
	s := &Shaper{}
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.Empty(t, queues(t), "nothing is left in the kernel")
	})
	require.NoError(t, s.Replace(bob(to)))
	return s
}

// queues are the kinds of those that the loopback device has, but for what the kernel puts there itself.
func queues(t *testing.T) (kinds []string) {
	t.Helper()
	require.NoError(t, withRoute(func(h *netlink.Handle) error {
		lo, err := h.LinkByName("lo")
		require.NoError(t, err)
		all, err := h.QdiscList(lo)
		for _, q := range all {
			if q.Attrs().Handle != 0 {
				kinds = append(kinds, q.Type())
			}
		}
		return err
	}))
	return kinds
}

func count(t *testing.T, s *Shaper) nemesis.Shaped {
	t.Helper()
	counts, err := s.Counts()
	require.NoError(t, err)
	require.Len(t, counts, 2)
	return counts[0]
}

// A kernel has a kind of queue or it has not; where not, the reason says what to do.
func TestProbe(t *testing.T) {
	neighbours.Need(t)
	for _, kind := range []Kind{Netem, TBF} {
		if err := Probe(kind); err != nil {
			require.ErrorContains(t, err, "modprobe sch_netem")
			require.ErrorContains(t, err, "a "+string(kind)+" in it", "the rest of the tree could be made")
		}
		require.Empty(t, queues(t))
	}
}

// What waits is late and not lost; what goes elsewhere does not wait.
func TestRate(t *testing.T) {
	for _, address := range []string{neighbours.Bob, "[" + neighbours.Bob6 + "]"} {
		t.Run(address, func(t *testing.T) {
			s := shape(t, nemesis.Shape{Rate: 4 << 20})
			got, sent, took := neighbours.Transfer(t, address, 1<<20)
			require.Equal(t, sent, got)
			require.Greater(t, took, 200*time.Millisecond, "1 MiB at 4 MiB a second")
			counts, err := s.Counts()
			require.NoError(t, err)
			require.NotZero(t, counts[0].Limited+counts[1].Limited)
			require.Equal(t, "tbf", counts[0].Method)
			require.Equal(t, nemesis.Shape{Rate: 4 << 20}, counts[0].Shape)
		})
	}
}

// What finds no room before a narrow link is lost, and counted. Many send: the kernel lets no socket have more under way than its buffer.
func TestFullQueue(t *testing.T) {
	s := shape(t, nemesis.Shape{Rate: 10 << 10})
	_, b := neighbours.Datagrams(t)
	for range 50 {
		c, err := net.Dial("udp", b.LocalAddr().String())
		require.NoError(t, err)
		defer c.Close()
		for range 8 {
			_, err := c.Write(make([]byte, 1000))
			require.True(t, err == nil || errors.Is(err, unix.ENOBUFS), "%v", err)
		}
	}
	require.Greater(t, count(t, s).Lost, uint64(100), "of 400, and there is room for twice 64 KiB")
}

func TestOthersAreNotShaped(t *testing.T) {
	s := shape(t, nemesis.Shape{Rate: 1024})
	before := count(t, s).Passed
	a, b := neighbours.Datagrams(t)
	for i := range uint32(50) {
		neighbours.Send(t, b, a.LocalAddr(), i)
		require.Equal(t, i, neighbours.Receive(t, a))
	}
	require.Equal(t, before, count(t, s).Passed)
}

// However little is sent, a link that is narrow is seen to be. Whether a wide one is depends on how fast this machine sends.
func TestNarrowLinksAreFelt(t *testing.T) {
	for _, rate := range []int64{1 << 10, 50 << 10} {
		t.Run(strconv.FormatInt(rate, 10), func(t *testing.T) {
			counts, err := shape(t, nemesis.Shape{Rate: rate}).Counts()
			require.NoError(t, err)
			require.NotZero(t, counts[0].Limited)
			require.NotZero(t, counts[1].Limited)
		})
	}
}

func TestDelay(t *testing.T) {
	const delay = 20 * time.Millisecond
	s := shape(t, nemesis.Shape{Delay: delay, Jitter: 5 * time.Millisecond})
	a, b := neighbours.Datagrams(t)
	for i := range uint32(20) {
		sent := time.Now()
		neighbours.Send(t, a, b.LocalAddr(), i)
		require.Equal(t, i, neighbours.Receive(t, b))
		require.GreaterOrEqual(t, time.Since(sent), delay-5*time.Millisecond)
		neighbours.Send(t, b, a.LocalAddr(), i)
		require.Equal(t, i, neighbours.Receive(t, a))
	}
	c := count(t, s)
	require.EqualValues(t, 20, c.Delayed)
	require.EqualValues(t, 20, c.Passed, "the answers do not go to Bob")
	require.Equal(t, nemesis.Shape{Delay: delay, Jitter: 5 * time.Millisecond}, c.Shape)
}

// What is counted as lost is what does not arrive.
func TestLoss(t *testing.T) {
	s := shape(t, nemesis.Shape{Loss: 0.3})
	a, b := neighbours.Datagrams(t)
	const sent = 200
	for i := range uint32(sent) {
		_, err := a.WriteTo([]byte{0, 0, byte(i >> 8), byte(i)}, b.LocalAddr())
		require.True(t, err == nil || errors.Is(err, unix.ENOBUFS), "%v", err)
	}
	require.Eventually(t, func() bool { c := count(t, s); return c.Passed+c.Lost == sent }, 30*time.Second, time.Millisecond)
	c := count(t, s)
	require.InDelta(t, 60, float64(c.Lost), 40)
	for range c.Passed {
		neighbours.Receive(t, b)
	}
}

// What overtakes is counted as that.
func TestReordering(t *testing.T) {
	s := shape(t, nemesis.Shape{Delay: 5 * time.Millisecond, Reorder: 0.3})
	a, b := neighbours.Datagrams(t)
	var got []uint32
	for i := range uint32(300) {
		neighbours.Send(t, a, b.LocalAddr(), i)
	}
	for range 300 {
		got = append(got, neighbours.Receive(t, b))
	}
	require.False(t, slices.IsSorted(got))
	c := count(t, s)
	require.InDelta(t, 90, float64(c.Reordered), 60)
	require.Equal(t, uint64(300), c.Passed)
	require.Equal(t, c.Passed-c.Reordered, c.Delayed)
	require.Zero(t, c.Lost)
}

// Evidence is what the kernel has: a queue that somebody changed or took away is told of, not counted.
func TestEvidenceIsTheKernels(t *testing.T) {
	s := shape(t, nemesis.Shape{Rate: 4 << 20})
	require.NoError(t, withRoute(func(h *netlink.Handle) error {
		other := *s.branches[0].leaf.(*netlink.Tbf)
		other.Rate *= 2
		return h.QdiscReplace(&other)
	}))
	_, err := s.Counts()
	require.ErrorContains(t, err, "was asked for")
	require.NoError(t, withRoute(func(h *netlink.Handle) error {
		return h.QdiscDel(rootOf(s.branches[0].leaf.Attrs().LinkIndex, shaperMajor))
	}))
	_, err = s.Counts()
	require.ErrorContains(t, err, "the kernel has no tbf for it any more")
}

// Somebody else's queue is neither used nor removed.
func TestForeignQueue(t *testing.T) {
	s := shape(t, nemesis.Shape{Rate: 4 << 20})
	device := s.branches[0].leaf.Attrs().LinkIndex
	require.NoError(t, s.Replace(nil))
	foreign := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: device, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT})
	require.NoError(t, withRoute(func(h *netlink.Handle) error { return h.QdiscAdd(foreign) }))
	require.ErrorContains(t, s.Replace(bob(nemesis.Shape{Rate: 1024})), "has a root queue already, a htb")
	require.Equal(t, []string{"htb"}, queues(t))
	require.NoError(t, withRoute(func(h *netlink.Handle) error { return h.QdiscDel(foreign) }))
}

func TestRefusedShapes(t *testing.T) {
	for _, s := range []nemesis.Shape{{}, {Duplicate: 0.5}, {Rate: 1024, Delay: time.Second}, {Reorder: 0.5}} {
		require.ErrorContains(t, new(Shaper).Replace(bob(s)), "no queue of the kernel does", "%+v", s)
	}
	require.ErrorContains(t, new(Shaper).Replace(bob(nemesis.Shape{Loss: 2})), "shares are from 0 to 1")
}

// What the kernel is asked for, in its units: struct tc_netem_qopt has times in ticks of 64 ns and shares of 2^32.
func TestNetemIsAskedForInItsUnits(t *testing.T) {
	leaf := leafOf(netlink.QdiscAttrs{}, nemesis.Shape{Delay: 20 * time.Millisecond, Jitter: 2 * time.Millisecond}, 1500).(*netlink.Netem)
	require.EqualValues(t, 20_000_000/64, leaf.Latency)
	require.EqualValues(t, 2_000_000/64, leaf.Jitter)
	require.EqualValues(t, netemLimit, leaf.Limit)
	leaf = leafOf(netlink.QdiscAttrs{}, nemesis.Shape{Delay: 5 * time.Second, Reorder: 0.25}, 1500).(*netlink.Netem)
	require.EqualValues(t, 5_000_000_000/64, leaf.Latency)
	require.InDelta(t, 1<<30, float64(leaf.ReorderProb), 1000)
	require.EqualValues(t, 1, leaf.Gap, "each packet may be the one")
	leaf = leafOf(netlink.QdiscAttrs{}, nemesis.Shape{Loss: 1}, 1500).(*netlink.Netem)
	require.EqualValues(t, uint32(1<<32-1), leaf.Loss)
	narrow := leafOf(netlink.QdiscAttrs{}, nemesis.Shape{Rate: 10 << 10}, 1500).(*netlink.Tbf)
	require.EqualValues(t, 10<<10, narrow.Rate)
	require.EqualValues(t, 64<<10, narrow.Limit)
	require.InDelta(t, 1600.0/(10<<10)*1e9/64, float64(narrow.Buffer), 20, "1600 bytes take so many ticks")
}
