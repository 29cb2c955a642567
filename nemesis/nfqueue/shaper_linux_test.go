package nfqueue

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
	"github.com/ordeal-dev/ordeal/nemesis/shaping/neighbours"
)

func TestMain(m *testing.M) { neighbours.Main(m) }

// shape shapes what alice sends.
func shape(t *testing.T, to nemesis.Shape) *Shaper {
	t.Helper()
	neighbours.Need(t)
	s := &Shaper{}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Replace([]shaping.Peer{{Address: netip.MustParseAddr(neighbours.Alice), Shape: to}, {Address: netip.MustParseAddr(neighbours.Alice6), Shape: to}}))
	return s
}

func count(t *testing.T, s *Shaper) nemesis.Shaped {
	t.Helper()
	counts, err := s.Counts()
	require.NoError(t, err)
	require.Len(t, counts, 2)
	return counts[0]
}

// A packet of the peer is never early; the other direction is not delayed at all.
func TestDelay(t *testing.T) {
	const delay = 20 * time.Millisecond
	s := shape(t, nemesis.Shape{Delay: delay})
	a, b := neighbours.Datagrams(t)
	for i := range uint32(20) {
		sent := time.Now()
		neighbours.Send(t, a, b.LocalAddr(), i)
		require.Equal(t, i, neighbours.Receive(t, b))
		require.GreaterOrEqual(t, time.Since(sent), delay)
		neighbours.Send(t, b, a.LocalAddr(), i)
		require.Equal(t, i, neighbours.Receive(t, a))
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
	a, b := neighbours.Datagrams(t)
	const sent = 1000
	for i := range uint32(sent) {
		neighbours.Send(t, a, b.LocalAddr(), i)
	}
	require.Eventually(t, func() bool { c := count(t, s); return c.Passed+c.Lost == sent }, 30*time.Second, time.Millisecond)
	c := count(t, s)
	require.InDelta(t, 300, float64(c.Lost), 100)
	for range c.Passed {
		neighbours.Receive(t, b)
	}
}

// What comes twice comes exactly twice, whole, and its copies are not shaped again.
func TestDuplicates(t *testing.T) {
	for name, delay := range map[string]time.Duration{"at once": 0, "late": 10 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			s := shape(t, nemesis.Shape{Duplicate: 1, Delay: delay})
			a, b := neighbours.Datagrams(t)
			const sent = 300
			for i := range uint32(sent) {
				neighbours.Send(t, a, b.LocalAddr(), i)
			}
			got := map[uint32]int{}
			for range 2 * sent {
				got[neighbours.Receive(t, b)]++
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
	for _, address := range []string{neighbours.Bob, "[" + neighbours.Bob6 + "]"} {
		t.Run(address, func(t *testing.T) {
			s := shape(t, nemesis.Shape{Duplicate: 0.5})
			got, want, _ := neighbours.Transfer(t, address, 4<<20)
			require.True(t, bytes.Equal(want, got))
			counts, err := s.Counts()
			require.NoError(t, err)
			require.NotZero(t, counts[0].Duplicated+counts[1].Duplicated)
		})
	}
}

// Reordered packets arrive, in another order.
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
	require.NotZero(t, count(t, s).Reordered)
	require.Zero(t, count(t, s).Lost)
}

// A connection through a narrow link gets everything across, no faster than the link.
func TestRate(t *testing.T) {
	for _, address := range []string{neighbours.Bob, "[" + neighbours.Bob6 + "]"} {
		t.Run(address, func(t *testing.T) { narrow(t, address) })
	}
}

func narrow(t *testing.T, address string) {
	s := shape(t, nemesis.Shape{Rate: 4 << 20})
	got, sent, took := neighbours.Transfer(t, address, 1<<20)
	require.Equal(t, sent, got)
	require.Greater(t, took, 200*time.Millisecond, "1 MiB at 4 MiB a second")
	counts, err := s.Counts()
	require.NoError(t, err)
	require.NotZero(t, counts[0].Limited+counts[1].Limited)
}

// A heal lets go on what was held, and leaves nothing in the kernel.
func TestHeal(t *testing.T) {
	s := shape(t, nemesis.Shape{Delay: time.Hour})
	a, b := neighbours.Datagrams(t)
	neighbours.Send(t, a, b.LocalAddr(), 7)
	require.Eventually(t, func() bool { return count(t, s).Passed == 1 }, 30*time.Second, time.Millisecond)
	require.NoError(t, s.Replace(nil))
	require.EqualValues(t, 7, neighbours.Receive(t, b))
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
	a, b := neighbours.Datagrams(t)
	s.mu.Lock()
	require.NoError(t, s.server.close())
	s.mu.Unlock()
	neighbours.Send(t, a, b.LocalAddr(), 1)
	require.EqualValues(t, 1, neighbours.Receive(t, b), "a queue that nobody serves is passed by")
	s.server = nil

	require.NoError(t, s.Replace([]shaping.Peer{{Address: netip.MustParseAddr(neighbours.Alice)}}))
	require.NoError(t, s.removeRules())
	_, err := s.Counts()
	require.ErrorContains(t, err, "0 rules of table ordeal_shape, and 1 peers are shaped")
}

func TestProbe(t *testing.T) {
	shape(t, nemesis.Shape{})
	require.NoError(t, Probe())
}

func TestRefusedPeers(t *testing.T) {
	good := netip.MustParseAddr(neighbours.Alice)
	for want, peers := range map[string][]shaping.Peer{
		"is not the address of one peer": {{Address: netip.MustParseAddr("127.0.0.1")}},
		"{Delay:0s Jitter:0s Loss:1.5":   {{Address: good, Shape: nemesis.Shape{Loss: 1.5}}},
		"shares are from 0 to 1":         {{Address: good, Shape: nemesis.Shape{Duplicate: 1.5}}},
		"less than nothing":              {{Address: good, Shape: nemesis.Shape{Delay: -1}}},
		"is named twice":                 {{Address: good}, {Address: netip.MustParseAddr("::ffff:" + neighbours.Alice)}},
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
