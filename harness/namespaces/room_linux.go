package namespaces

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// room is a network namespace, with the thread that lives in it.
type room struct {
	handle int // of the namespace
	work   chan func()
}

// newRoom makes a namespace.
func newRoom() (*room, error) {
	r := &room{work: make(chan func())}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is of no use to anybody else
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			r.handle, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		made <- err
		for do := range r.work {
			do()
		}
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return r, nil
}

// do does something within the namespace.
func (r *room) do(what func() error) error {
	done := make(chan error, 1)
	r.work <- func() { done <- what() }
	return <-done
}

// newBridge makes the bridge in the namespace of the caller.
func newBridge() (*netlink.Bridge, error) {
	if err := raise("lo", nil); err != nil {
		return nil, err
	}
	b := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "nodes"}}
	if err := netlink.LinkAdd(b); err != nil {
		return nil, fmt.Errorf("make a bridge: %w", err)
	}
	own, err := netlink.ParseAddr(bridgePrefix)
	if err != nil {
		return nil, err
	}
	return b, raise(b.Name, own)
}

// raise gives an interface of the caller's namespace its address, if it has any, and has it work.
func raise(name string, address *netlink.Addr) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	if address != nil {
		if err := netlink.AddrAdd(l, address); err != nil {
			return fmt.Errorf("address of interface %s: %w", name, err)
		}
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	return nil
}

// tie ties the room to the bridge, which is in the namespace of the caller.
func (r *room) tie(b *netlink.Bridge, number int, address netip.Addr) error {
	outer := fmt.Sprintf("node%d", number)
	pair := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: outer, MasterIndex: b.Index},
		PeerName:  "eth0", PeerNamespace: netlink.NsFd(r.handle),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make a pair of virtual interfaces: %w", err)
	}
	if err := raise(outer, nil); err != nil {
		return err
	}
	_, network, err := net.ParseCIDR(bridgePrefix)
	if err != nil {
		return err
	}
	network.IP = address.AsSlice()
	return r.do(func() error {
		if err := raise("lo", nil); err != nil {
			return err
		}
		return raise("eth0", &netlink.Addr{IPNet: network})
	})
}
