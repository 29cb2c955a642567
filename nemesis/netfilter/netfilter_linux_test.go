package netfilter_test

import (
	"io"
	"net"
	"net/netip"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func replace(t *testing.T, n *namespace, drops ...netfilter.Drop) {
	t.Helper()
	n.do(t, func() error { return n.filter.Replace(drops) })
}

func counts(t *testing.T, n *namespace) []netfilter.Count {
	t.Helper()
	var cs []netfilter.Count
	n.do(t, func() (err error) { cs, err = n.filter.Counts(); return err })
	return cs
}

// waitStopped waits until the one drop in force has stopped at least n packets.
func waitStopped(t *testing.T, n *namespace, atLeast uint64) {
	t.Helper()
	require.Eventually(t, func() bool {
		cs := counts(t, n)
		return len(cs) == 1 && cs[0].Packets >= atLeast && cs[0].Bytes > 0
	}, 30*time.Second, 5*time.Millisecond)
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	_, err := c.Write([]byte(s))
	require.NoError(t, err)
}

func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
	b := make([]byte, len(want))
	_, err := io.ReadFull(c, b)
	require.NoError(t, err)
	require.Equal(t, want, string(b))
}

// An established connection is cut without being broken: what was sent meanwhile arrives after the heal, and only then.
func TestCutHoldsBackAnEstablishedConnection(t *testing.T) {
	for name, peer := range map[string]struct{ listen, from string }{
		"IPv4": {bobV4 + ":0", aliceV4},
		"IPv6": {"[" + bobV6 + "]:0", aliceV6},
	} {
		t.Run(name, func(t *testing.T) {
			alice, bob := newPair(t)
			toBob, atBob := alice.connect(t, bob.listen(t, peer.listen))
			send(t, toBob, "before")
			receive(t, atBob, "before")

			replace(t, bob, netfilter.Drop{Direction: netfilter.In, Peer: addr(peer.from), Mode: netfilter.All})
			send(t, toBob, "during")
			waitStopped(t, bob, 2) // the segment and one transmission of it more
			requireNothingToRead(t, atBob)

			bob.do(t, bob.filter.Clear)
			receive(t, atBob, "during")
			require.Empty(t, counts(t, bob))
		})
	}
}

func requireNothingToRead(t *testing.T, c net.Conn) {
	t.Helper()
	// What has arrived is read even when the deadline is past only if the poller is asked first: so ask the socket.
	raw, err := c.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	var n int
	var readErr error
	require.NoError(t, raw.Control(func(fd uintptr) {
		n, _, readErr = syscall.Recvfrom(int(fd), make([]byte, 64), syscall.MSG_DONTWAIT|syscall.MSG_PEEK)
	}))
	require.ErrorIs(t, readErr, syscall.EAGAIN, "%d bytes crossed a cut link", n)
}

// Each direction is cut by itself: datagrams pass the other way.
func TestCutIsOneWay(t *testing.T) {
	alice, bob := newPair(t)
	a, b := alice.listenUDP(t, aliceV4+":0"), bob.listenUDP(t, bobV4+":0")
	replace(t, bob, netfilter.Drop{Direction: netfilter.In, Peer: addr(aliceV4), Mode: netfilter.All})

	_, err := a.WriteTo([]byte("cut"), b.LocalAddr())
	require.NoError(t, err, "the sender is not told")
	waitStopped(t, bob, 1)

	_, err = b.WriteTo([]byte("open"), a.LocalAddr())
	require.NoError(t, err)
	require.NoError(t, a.SetReadDeadline(time.Now().Add(30*time.Second)))
	buf := make([]byte, 16)
	n, _, err := a.ReadFrom(buf)
	require.NoError(t, err)
	require.Equal(t, "open", string(buf[:n]))
}

// A drop of a port keeps everybody from it, also on connections that are established, and from no other port.
func TestCutOfAPort(t *testing.T) {
	alice, bob := newPair(t)
	for _, address := range []string{bobV4, "[" + bobV6 + "]"} {
		shut, other := bob.listen(t, address+":0"), bob.listen(t, address+":0")
		toShut, atShut := alice.connect(t, shut)
		port := uint16(shut.Addr().(*net.TCPAddr).Port)
		replace(t, bob, netfilter.Drop{Direction: netfilter.In, Port: port, Mode: netfilter.All})
		send(t, toShut, "during")
		waitStopped(t, bob, 2)
		requireNothingToRead(t, atShut)
		toOther, atOther := alice.connect(t, other)
		send(t, toOther, "open")
		receive(t, atOther, "open")

		bob.do(t, bob.filter.Clear)
		receive(t, atShut, "during")
	}
}

// A drop of output stops packets where they are sent, and the sender sees EPERM.
func TestCutOfOutput(t *testing.T) {
	alice, bob := newPair(t)
	a, b := alice.listenUDP(t, aliceV4+":0"), bob.listenUDP(t, bobV4+":0")
	replace(t, alice, netfilter.Drop{Direction: netfilter.Out, Peer: addr(bobV4), Mode: netfilter.All})
	_, err := a.WriteTo([]byte("cut"), b.LocalAddr())
	require.ErrorIs(t, err, syscall.EPERM)
	waitStopped(t, alice, 1)
}

// In mode Data the other direction goes on: acknowledgements pass.
func TestDataModeLeavesTheOtherDirectionWorking(t *testing.T) {
	alice, bob := newPair(t)
	listener := bob.listen(t, bobV4+":0")
	toBob, atBob := alice.connect(t, listener)
	replace(t, bob, netfilter.Drop{Direction: netfilter.In, Peer: addr(aliceV4), Mode: netfilter.Data})

	// More than the two socket buffers hold: without acknowledgements this write would never end.
	const megabytes = 32
	sent := make(chan error, 1)
	go func() {
		_, err := atBob.Write(make([]byte, megabytes<<20))
		sent <- err
	}()
	n, err := io.CopyN(io.Discard, toBob, megabytes<<20)
	require.NoError(t, err, "after %d bytes", n)
	require.NoError(t, <-sent)
	require.Zero(t, counts(t, bob)[0].Packets, "bare acknowledgements pass")

	send(t, toBob, "payload")
	waitStopped(t, bob, 1)
	requireNothingToRead(t, atBob)

	bob.do(t, bob.filter.Clear)
	receive(t, atBob, "payload")
}

// In mode Data no connection can be opened in the direction that is cut; in the other one it can.
func TestDataModeStopsOpening(t *testing.T) {
	alice, bob := newPair(t)
	atBob, atAlice := bob.listen(t, bobV4+":0"), alice.listen(t, aliceV4+":0")
	replace(t, bob, netfilter.Drop{Direction: netfilter.In, Peer: addr(aliceV4), Mode: netfilter.Data})
	opened := make(chan error, 1)
	go func() { // not through do: this thread is the namespace's for as long as the dial takes
		alice.work <- func() {
			c, err := net.Dial("tcp", atBob.Addr().String())
			if err == nil {
				c.Close()
			}
			opened <- err
		}
	}()
	waitStopped(t, bob, 1)
	require.Empty(t, opened)
	bob.do(t, bob.filter.Clear)
	require.NoError(t, <-opened)

	replace(t, bob, netfilter.Drop{Direction: netfilter.In, Peer: addr(aliceV4), Mode: netfilter.Data})
	dialled, accepted := bob.connect(t, atAlice)
	send(t, dialled, "open")
	receive(t, accepted, "open")
}

// A reset ends connections that were cut on both ends at once, and no others.
func TestResetConnections(t *testing.T) {
	alice, bob := newPair(t)
	for _, listen := range []string{bobV4 + ":0", "[" + bobV6 + "]:0"} {
		toBob, atBob := alice.connect(t, bob.listen(t, listen))
		other, atOther := bob.connect(t, bob.listen(t, "127.0.0.1:0"))
		bob.do(t, func() error {
			n, err := netfilter.ResetConnections([]netip.Addr{addr(aliceV4), addr(aliceV6)})
			require.Equal(t, 1, n)
			return err
		})
		_, err := atBob.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNABORTED)
		_, err = toBob.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		send(t, other, "alive")
		receive(t, atOther, "alive")
	}
}

// Whatever is asked for, the kernel holds exactly that, and `nft` sees it.
func TestTheKernelHoldsWhatWasAsked(t *testing.T) {
	n := newNamespace(t)
	rapid.Check(t, func(rt *rapid.T) {
		drops := rapid.SliceOfN(dropGenerator(), 0, 12).Draw(rt, "drops")
		replace(t, n, drops...)
		want := map[netfilter.Drop]bool{}
		for _, d := range drops {
			d.Peer = d.Peer.Unmap()
			want[d] = true
		}
		got := map[netfilter.Drop]bool{}
		for _, c := range counts(t, n) {
			got[c.Drop] = true
		}
		require.Equal(rt, want, got)
	})
	replace(t, n, netfilter.Drop{Direction: netfilter.In, Peer: addr("10.1.2.3"), Mode: netfilter.Data})
	if nft, err := exec.LookPath("nft"); err == nil {
		n.do(t, func() error {
			out, err := exec.Command(nft, "list", "ruleset").CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Contains(t, string(out), "table inet ordeal")
			require.Contains(t, string(out), "10.1.2.3")
			t.Logf("%s", out)
			return nil
		})
	}
	n.do(t, n.filter.Clear)
	n.do(t, n.filter.Clear) // twice is as good as once
}

func dropGenerator() *rapid.Generator[netfilter.Drop] {
	return rapid.Custom(func(t *rapid.T) netfilter.Drop {
		last := rapid.IntRange(1, 6).Draw(t, "last")
		peer := netip.AddrFrom4([4]byte{10, 0, 0, byte(last)})
		switch rapid.SampledFrom([]string{"v4", "mapped", "v6", "port"}).Draw(t, "family") {
		case "port":
			return netfilter.Drop{Direction: netfilter.In, Port: uint16(7000 + last), Mode: netfilter.All}
		case "mapped":
			peer = netip.AddrFrom16(peer.As16())
		case "v6":
			peer = netip.AddrFrom16([16]byte{0xfd, 15: byte(last)})
		}
		return netfilter.Drop{
			Direction: rapid.SampledFrom([]netfilter.Direction{netfilter.In, netfilter.Out}).Draw(t, "direction"),
			Peer:      peer,
			Mode:      rapid.SampledFrom([]netfilter.Mode{netfilter.All, netfilter.Data}).Draw(t, "mode"),
		}
	})
}
