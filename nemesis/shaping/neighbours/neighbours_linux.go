package neighbours

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

const inNamespace = "ORDEAL_TEST_NEIGHBOURS"

// The neighbours' addresses.
const (
	Alice, Bob   = "10.214.0.1", "10.214.0.2"
	Alice6, Bob6 = "fd00:214::1", "fd00:214::2"
)

// Main runs the tests in a network namespace of their own. Where the machine gives none, the tests that Need one say so and skip.
func Main(m *testing.M) {
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
	for _, a := range []string{Alice + "/32", Bob + "/32", Alice6 + "/128", Bob6 + "/128"} {
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

// Need skips where there is no namespace.
func Need(t *testing.T) {
	t.Helper()
	if os.Getenv(inNamespace) == "" {
		t.Skip("this needs a network namespace, which this machine does not give")
	}
}

// Datagrams is a socket of each.
func Datagrams(t *testing.T) (a, b net.PacketConn) {
	t.Helper()
	a, err := net.ListenPacket("udp", Alice+":0")
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	b, err = net.ListenPacket("udp", Bob+":0")
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	require.NoError(t, b.(*net.UDPConn).SetReadBuffer(4<<20))
	return a, b
}

// Send sends a number.
func Send(t *testing.T, from net.PacketConn, to net.Addr, n uint32) {
	t.Helper()
	_, err := from.WriteTo(binary.BigEndian.AppendUint32(nil, n), to)
	require.NoError(t, err)
}

// Receive waits for one.
func Receive(t *testing.T, at net.PacketConn) uint32 {
	t.Helper()
	require.NoError(t, at.SetReadDeadline(time.Now().Add(30*time.Second)))
	b := make([]byte, 16)
	_, _, err := at.ReadFrom(b)
	require.NoError(t, err)
	return binary.BigEndian.Uint32(b)
}

// Dial has Alice connect to a listener at an address of Bob.
func Dial(t *testing.T, address string) (net.Listener, net.Conn) {
	l, err := net.Listen("tcp", address+":0")
	require.NoError(t, err)
	from := net.ParseIP(Alice)
	if address != Bob {
		from = net.ParseIP(Alice6)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	c, err := d.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	return l, c
}

// Transfer has Alice send so many bytes over a connection. Took is how long it was from when that was accepted until all were there.
func Transfer(t *testing.T, address string, size int) (got, sent []byte, took time.Duration) {
	l, c := Dial(t, address)
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
	began := time.Now()
	_, err = io.ReadFull(accepted, got)
	require.NoError(t, err)
	return got, sent, time.Since(began)
}
