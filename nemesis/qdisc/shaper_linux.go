package qdisc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// Shaper shapes what is sent from the network namespace in which its methods are called. One to a namespace is enough. The zero value is
// ready for use; it may be used by many goroutines.
type Shaper struct {
	mu       sync.Mutex
	peers    []shaping.Peer
	branches []branch
	probe    bool
}

func (s *Shaper) major() uint16 {
	if s.probe {
		return probeMajor
	}
	return shaperMajor
}

// Replace shapes exactly what is sent to the given peers, in place of whatever was shaped before; none: nothing is. It needs CAP_NET_ADMIN.
func (s *Shaper) Replace(peers []shaping.Peer) error {
	peers, err := shaping.CheckPeers(peers)
	if err != nil {
		return err
	}
	for _, p := range peers {
		if KindFor(p.Shape) == None {
			return fmt.Errorf("traffic control: no queue of the kernel does %+v", p.Shape)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return withRoute(func(h *netlink.Handle) error {
		if err := s.clear(h); err != nil || len(peers) == 0 {
			return err
		}
		devices := make([]device, len(peers))
		for i, p := range peers {
			if devices[i], err = deviceTo(h, p.Address); err != nil {
				return err
			}
		}
		if err := s.plant(h, peers, devices); err != nil {
			return errors.Join(explain(err), s.clear(h))
		}
		for i, p := range peers {
			press(p, devices[i].mtu)
		}
		return nil
	})
}

// withRoute calls with a connection to the kernel, in the namespace of the calling thread.
func withRoute(do func(*netlink.Handle) error) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return explain(err)
	}
	defer h.Close()
	return do(h)
}

// deviceTo is the device over which packets to the address leave.
func deviceTo(h *netlink.Handle, address netip.Addr) (device, error) {
	routes, err := h.RouteGet(address.AsSlice())
	if err != nil || len(routes) == 0 {
		return device{}, fmt.Errorf("traffic control: there is no route to %v: %w", address, err)
	}
	link, err := h.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return device{}, explain(err)
	}
	return deviceOf(link), nil
}

func deviceOf(l netlink.Link) device { return device{l.Attrs().Index, l.Attrs().MTU} }

// plant makes the queues.
func (s *Shaper) plant(h *netlink.Handle, peers []shaping.Peer, devices []device) error {
	for i, on := range devices {
		if !slices.Contains(devices[:i], on) {
			if err := s.addRoot(h, on.index); err != nil {
				return err
			}
		}
		b := branchOf(i, on, s.major(), peers[i])
		if err := h.ClassAdd(b.class); err != nil {
			return fmt.Errorf("a class of HTB: %w", err)
		}
		if err := h.QdiscAdd(b.leaf); err != nil {
			return fmt.Errorf("a %s in it: %w", b.leaf.Type(), err)
		}
		if err := h.FilterAdd(b.filter); err != nil {
			return fmt.Errorf("a u32 filter: %w", err)
		}
		s.branches = append(s.branches, b)
	}
	s.peers = peers
	return nil
}

// pressAtMost bounds what press sends.
const pressAtMost = 256 << 10

// press sends more to a peer behind a narrow link than the link takes at once, to a port where nobody minds: that it is narrow shows in
// the kernel's counts then, however little else is sent.
func press(p shaping.Peer, mtu int) {
	if KindFor(p.Shape) != TBF {
		return
	}
	c, err := net.ListenPacket("udp", ":0") // not connected: it is not told that nobody listens
	if err != nil {
		return // whoever looks at the counts will see that nothing was felt
	}
	defer c.Close()
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Address, discardPort))
	size := int64(min(mtu, 1500) - headers)
	for left := min(pressAtMost, burstOf(p.Shape.Rate, mtu)+size); left > 0; left -= size {
		_, _ = c.WriteTo(make([]byte, size), to)
	}
}

// discardPort is RFC 863's.
const discardPort = 9

// addRoot puts our root queue on a device, unless somebody else's is there.
func (s *Shaper) addRoot(h *netlink.Handle, index int) error {
	queues, err := queuesOf(h, index)
	if err != nil {
		return err
	}
	for _, q := range queues {
		if a := q.Attrs(); a.Parent == netlink.HANDLE_ROOT && a.Handle != 0 { // what the kernel puts there itself has no number
			return fmt.Errorf("device %d has a root queue already, a %s: %w", index, q.Type(), os.ErrExist)
		}
	}
	if err := h.QdiscAdd(rootOf(index, s.major())); err != nil {
		return fmt.Errorf("an HTB: %w", err)
	}
	return nil
}

func queuesOf(h *netlink.Handle, index int) ([]netlink.Qdisc, error) {
	link, err := h.LinkByIndex(index)
	if err != nil {
		return nil, err
	}
	return h.QdiscList(link)
}

// clear removes every root queue of ours, with all that is below it.
func (s *Shaper) clear(h *netlink.Handle) error {
	s.peers, s.branches = nil, nil
	links, err := h.LinkList()
	if err != nil {
		return explain(err)
	}
	for _, l := range links {
		root := rootOf(l.Attrs().Index, s.major())
		queues, err := h.QdiscList(l)
		if err != nil {
			return explain(err)
		}
		for _, q := range queues {
			if a := q.Attrs(); a.Parent == root.Parent && a.Handle == root.Handle {
				if err := h.QdiscDel(root); err != nil {
					return explain(err)
				}
			}
		}
	}
	return nil
}

// Counts tells, for each peer that is shaped, what was done to the packets to it since. The queues are read back from the kernel: one
// that is not as it was made is an error.
func (s *Shaper) Counts() ([]nemesis.Shaped, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.peers) == 0 {
		return nil, nil
	}
	var counts []nemesis.Shaped
	err := withRoute(func(h *netlink.Handle) (err error) {
		counts, err = s.countsOf(h)
		return err
	})
	return counts, err
}

func (s *Shaper) countsOf(h *netlink.Handle) ([]nemesis.Shaped, error) {
	counts := make([]nemesis.Shaped, len(s.peers))
	for i, b := range s.branches {
		queues, err := queuesOf(h, b.leaf.Attrs().LinkIndex)
		if err != nil {
			return nil, explain(err)
		}
		if counts[i], err = countOf(queues, b.leaf, s.peers[i].Shape); err != nil {
			return nil, fmt.Errorf("traffic control: what is sent to %v: %w", s.peers[i].Address, err)
		}
	}
	return counts, nil
}

// countOf finds a queue among those of the kernel.
func countOf(queues []netlink.Qdisc, want netlink.Qdisc, shape nemesis.Shape) (nemesis.Shaped, error) {
	i := slices.IndexFunc(queues, func(q netlink.Qdisc) bool { return q.Attrs().Handle == want.Attrs().Handle })
	if i < 0 {
		return nemesis.Shaped{}, fmt.Errorf("the kernel has no %s for it any more", want.Type())
	}
	got := queues[i]
	if err := same(got, want); err != nil {
		return nemesis.Shaped{}, err
	}
	st := got.Attrs().Statistics
	if st == nil || st.Basic == nil || st.Queue == nil {
		return nemesis.Shaped{}, fmt.Errorf("the kernel has no counts of its %s", want.Type())
	}
	c := nemesis.Shaped{Shape: shape, Unit: "packets", Method: want.Type(), Passed: uint64(st.Basic.Packets), Lost: uint64(st.Queue.Drops)}
	if want.Type() == string(TBF) {
		c.Limited = uint64(st.Queue.Overlimits)
		return c, nil
	}
	if shape.Reorder > 0 {
		overtaken, err := overtaken(want.Attrs().LinkIndex, want.Attrs().Handle)
		if err != nil {
			return nemesis.Shaped{}, fmt.Errorf("the counts of its netem: %w", err)
		}
		c.Reordered = overtaken
	}
	if shape.Delay > 0 {
		c.Delayed = c.Passed - min(c.Passed, c.Reordered)
	}
	return c, nil
}

// same tells how a queue differs from what was asked for.
func same(got, want netlink.Qdisc) error {
	switch want := want.(type) {
	case *netlink.Netem:
		if got, ok := got.(*netlink.Netem); ok && got.Latency == want.Latency && got.Jitter == want.Jitter && got.Loss == want.Loss &&
			got.Duplicate == want.Duplicate && got.ReorderProb == want.ReorderProb && got.Gap == want.Gap && got.Limit == want.Limit {
			return nil
		}
	case *netlink.Tbf:
		if got, ok := got.(*netlink.Tbf); ok && got.Rate == want.Rate && got.Limit == want.Limit && got.Buffer == want.Buffer {
			return nil
		}
	}
	return fmt.Errorf("the kernel has %+v, and %+v was asked for", got, want)
}

// Close lifts everything.
func (s *Shaper) Close() error { return s.Replace(nil) }

// Probe tells why a kind of queue cannot be had here: it makes one, with all that is around it, on the loopback device, and removes it.
func Probe(kind Kind) error {
	shape := nemesis.Shape{Delay: time.Millisecond}
	if kind == TBF {
		shape = nemesis.Shape{Rate: 1 << 20}
	}
	s := Shaper{probe: true}
	return withRoute(func(h *netlink.Handle) error {
		lo, err := h.LinkByName("lo")
		if err != nil {
			return explain(err)
		}
		documentation := shaping.Peer{Address: netip.AddrFrom4([4]byte{192, 0, 2, 1}), Shape: shape} // RFC 5737
		err = s.plant(h, []shaping.Peer{documentation}, []device{deviceOf(lo)})
		if err != nil {
			return errors.Join(explain(err), s.clear(h))
		}
		_, err = s.countsOf(h)
		return errors.Join(err, s.clear(h))
	})
}

// explain adds what to do to the errors that have a known cause.
func explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("traffic control: %w: it needs CAP_NET_ADMIN (in Docker: cap_add NET_ADMIN)", err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("traffic control: %w: the kernel lacks it (modprobe sch_netem sch_tbf sch_htb cls_u32, from the distribution's package of extra modules)", err)
	}
	return fmt.Errorf("traffic control: %w", err)
}
