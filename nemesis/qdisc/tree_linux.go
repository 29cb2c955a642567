package qdisc

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

const (
	// shaperMajor is the number of a shaper's root queue, by which it is known: "or". A probe has another one, since it must not disturb a
	// shaper. The queues of peers have the numbers after it.
	shaperMajor = 0x6f72
	probeMajor  = 0x6e00
	// classRate is what each class lets through, in bits a second: more than anything here sends.
	classRate = 32_000_000_000
	// classBurst is what a class lets through at once, in bytes. Packets of one connection are sent in pieces of up to 64 KiB.
	classBurst   = 1 << 20
	classQuantum = 60_000
	// directQueue is how many packets may wait that no class takes; some devices say nothing themselves.
	directQueue = 1000
	// netemLimit is how many packets a netem holds. Its own limit of 1,000 would lose some of what is to be late only.
	netemLimit = 1_000_000
	// narrowQueue is how far behind a narrow link may be, as with the other mechanisms; there is room for narrowLeast bytes and two packets at least.
	narrowQueue = time.Second
	narrowLeast = 64 << 10
	// headers are the bytes of a packet beside those that a device's MTU counts, generously.
	headers = 100
)

// device is one over which peers are reached.
type device struct{ index, mtu int }

// branch is what shapes the packets to one peer.
type branch struct {
	class  *netlink.HtbClass
	filter *netlink.U32
	leaf   netlink.Qdisc
}

func rootOf(index int, major uint16) *netlink.Htb {
	root := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(major, 0), Parent: netlink.HANDLE_ROOT})
	length := uint32(directQueue)
	root.DirectQlen = &length
	return root
}

// branchOf is the i-th peer's, from 0.
func branchOf(i int, on device, major uint16, p shaping.Peer) branch {
	class := netlink.MakeHandle(major, uint16(i+1))
	attributes := netlink.ClassAttrs{LinkIndex: on.index, Parent: netlink.MakeHandle(major, 0), Handle: class}
	return branch{
		class: netlink.NewHtbClass(attributes, netlink.HtbClassAttrs{Rate: classRate, Ceil: classRate, Buffer: classBurst, Cbuffer: classBurst, Quantum: classQuantum}),
		filter: &netlink.U32{
			FilterAttrs: netlink.FilterAttrs{LinkIndex: on.index, Parent: netlink.MakeHandle(major, 0), Priority: priorityOf(p), Protocol: protocolOf(p)},
			Sel:         destination(p), ClassId: class,
		},
		leaf: leafOf(netlink.QdiscAttrs{LinkIndex: on.index, Parent: class, Handle: netlink.MakeHandle(major+uint16(i)+1, 0)}, p.Shape, on.mtu),
	}
}

func protocolOf(p shaping.Peer) uint16 {
	if p.Address.Is6() {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}

// priorityOf keeps the protocols apart: filters of one priority are of one protocol.
func priorityOf(p shaping.Peer) uint16 {
	if p.Address.Is6() {
		return 2
	}
	return 1
}

// destination matches the address to which a packet goes.
func destination(p shaping.Peer) *netlink.TcU32Sel {
	offset := int32(16) // in the header
	if p.Address.Is6() {
		offset = 24
	}
	s := &netlink.TcU32Sel{Flags: netlink.TC_U32_TERMINAL}
	for b := p.Address.AsSlice(); len(b) > 0; b = b[4:] {
		s.Keys = append(s.Keys, netlink.TcU32Key{Mask: math.MaxUint32, Val: binary.BigEndian.Uint32(b), Off: offset})
		offset += 4
	}
	s.Nkeys = uint8(len(s.Keys))
	return s
}

func leafOf(attributes netlink.QdiscAttrs, s nemesis.Shape, mtu int) netlink.Qdisc {
	if KindFor(s) == TBF {
		burst := burstOf(s.Rate, mtu)
		room := max(narrowLeast, 2*burst, s.Rate*int64(narrowQueue/time.Second)+burst)
		return &netlink.Tbf{
			QdiscAttrs: attributes, Rate: uint64(s.Rate), Limit: uint32(min(math.MaxUint32, room)),
			Buffer: netlink.Xmittime(uint64(s.Rate), uint32(burst)),
		}
	}
	return netlink.NewNetem(attributes, netlink.NetemQdiscAttrs{
		Latency: uint32(s.Delay.Microseconds()), Jitter: uint32(s.Jitter.Microseconds()),
		Loss: float32(s.Loss * 100), ReorderProb: float32(s.Reorder * 100), Limit: netemLimit,
	})
}

// burstOf are the bytes that pass at once: a whole packet, since TBF drops what is larger, or what a fast link sends in a millisecond. More
// would be felt as no limit at all.
func burstOf(rate int64, mtu int) int64 {
	return max(int64(mtu)+headers, rate/1000)
}
