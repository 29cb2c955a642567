package netfilter_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const inUserNamespace = "ORDEAL_NETFILTER_TEST_USER_NAMESPACE"

// TestMain runs the tests in a user namespace if it is not root already, so that they need no root where the machine
// gives such namespaces to everyone. Where it does not, the tests that need one say so and skip.
func TestMain(m *testing.M) {
	if os.Getuid() == 0 || os.Getenv(inUserNamespace) != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inUserNamespace+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		os.Exit(m.Run())
	}
	if err := cmd.Wait(); err != nil {
		os.Exit(1)
	}
}

// namespace runs functions on one thread that has a network namespace of its own. The thread is never unlocked, so it
// ends with its goroutine and takes the namespace along.
type namespace struct {
	work   chan func()
	fd     int
	filter netfilter.Filter
}

func newNamespace(t testing.TB) *namespace {
	t.Helper()
	n := &namespace{work: make(chan func())}
	opened := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			n.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		opened <- err
		for f := range n.work {
			f()
		}
	}()
	t.Cleanup(func() {
		n.filter.Close()
		close(n.work)
	})
	err := <-opened
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("this needs a network namespace, which takes root or CAP_SYS_ADMIN: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(n.fd) })
	n.do(t, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return n
}

// do runs f in the namespace. Sockets that f opens belong to it for good.
func (n *namespace) do(t testing.TB, f func() error) {
	t.Helper()
	done := make(chan error)
	n.work <- func() { done <- f() }
	require.NoError(t, <-done)
}

const (
	aliceV4, bobV4 = "10.213.0.1", "10.213.0.2"
	aliceV6, bobV6 = "fd00:213::1", "fd00:213::2"
)

// newPair gives two namespaces joined by a cable, with an IPv4 and an IPv6 address each.
func newPair(t *testing.T) (alice, bob *namespace) {
	t.Helper()
	alice, bob = newNamespace(t), newNamespace(t)
	alice.do(t, func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "cable"}, PeerName: "cable", PeerNamespace: netlink.NsFd(bob.fd),
		})
	})
	address := func(v4, v6 string) func() error {
		return func() error {
			link, err := netlink.LinkByName("cable")
			if err != nil {
				return err
			}
			for _, a := range []string{v4 + "/24", v6 + "/64"} {
				addr, err := netlink.ParseAddr(a)
				if err != nil {
					return err
				}
				addr.Flags = unix.IFA_F_NODAD // usable at once
				if err := netlink.AddrAdd(link, addr); err != nil {
					return fmt.Errorf("%s: %w", a, err)
				}
			}
			return netlink.LinkSetUp(link)
		}
	}
	alice.do(t, address(aliceV4, aliceV6))
	bob.do(t, address(bobV4, bobV6))
	return alice, bob
}

func (n *namespace) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	n.do(t, func() (err error) { l, err = net.Listen("tcp", address); return err })
	t.Cleanup(func() { l.Close() })
	return l
}

func (n *namespace) listenUDP(t *testing.T, address string) net.PacketConn {
	t.Helper()
	var c net.PacketConn
	n.do(t, func() (err error) { c, err = net.ListenPacket("udp", address); return err })
	t.Cleanup(func() { c.Close() })
	return c
}

// connect opens a connection from n to the listener and gives both ends.
func (n *namespace) connect(t *testing.T, l net.Listener) (dialled, accepted net.Conn) {
	t.Helper()
	n.do(t, func() (err error) { dialled, err = net.Dial("tcp", l.Addr().String()); return err })
	accepted, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return dialled, accepted
}
