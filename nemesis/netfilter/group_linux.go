package netfilter

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// group is the drops that one set holds: those of one direction, mode and address family. A set is named, not
// anonymous, because in mode Data two rules use it, and each of its elements counts for itself, so that every link has
// its own evidence.
type group struct {
	direction Direction
	mode      Mode
	v6        bool
	port      bool // of ports in place of addresses
}

func groups() []group {
	var gs []group
	for _, d := range []Direction{In, Out} {
		for _, m := range []Mode{All, Data} {
			for _, v6 := range []bool{false, true} {
				gs = append(gs, group{direction: d, mode: m, v6: v6})
			}
		}
	}
	return append(gs, group{direction: In, mode: All, port: true})
}

func (g group) name() string {
	family := "ip"
	switch {
	case g.port:
		family = "port"
	case g.v6:
		family = "ip6"
	}
	return fmt.Sprintf("%s_%s_%s", g.direction, g.mode, family)
}

func (g group) set(t *nftables.Table) *nftables.Set {
	key := nftables.TypeIPAddr
	switch {
	case g.port:
		key = nftables.TypeInetService
	case g.v6:
		key = nftables.TypeIP6Addr
	}
	return &nftables.Set{Table: t, Name: g.name(), KeyType: key, Counter: true}
}

func (g group) holds(d Drop) bool {
	return d.Direction == g.direction && d.Mode == g.mode && d.Peer.Is6() == g.v6 && (d.Port != 0) == g.port
}

func (g group) elements(drops []Drop) []nftables.SetElement {
	var es []nftables.SetElement
	for _, d := range drops {
		switch {
		case g.holds(d) && g.port:
			es = append(es, nftables.SetElement{Key: binary.BigEndian.AppendUint16(nil, d.Port)})
		case g.holds(d):
			es = append(es, nftables.SetElement{Key: d.Peer.AsSlice()})
		}
	}
	return es
}

// counts turns the set's elements, read back, into counts.
func (g group) counts(elements []nftables.SetElement) ([]Count, error) {
	var cs []Count
	for _, e := range elements {
		drop, ok := g.drop(e.Key)
		if !ok {
			return nil, fmt.Errorf("set %s holds a key that is none of its kind: %x", g.name(), e.Key)
		}
		if e.Counter == nil {
			return nil, fmt.Errorf("set %s: the kernel does not count for %x: it needs Linux 5.11 or newer", g.name(), e.Key)
		}
		cs = append(cs, Count{Drop: drop, Packets: e.Counter.Packets, Bytes: e.Counter.Bytes})
	}
	return cs, nil
}

// drop is the drop that a key of the set stands for.
func (g group) drop(key []byte) (Drop, bool) {
	d := Drop{Direction: g.direction, Mode: g.mode}
	if g.port {
		if len(key) != 2 {
			return d, false
		}
		d.Port = binary.BigEndian.Uint16(key)
		return d, true
	}
	peer, ok := netip.AddrFromSlice(key)
	d.Peer = peer
	return d, ok && peer.Is6() == g.v6
}

// matches are the conditions beside the address, one list for each rule of the group.
func (g group) matches() [][]expr.Any {
	if g.mode == All {
		return [][]expr.Any{nil}
	}
	opening := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlagsOffset, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{tcpSYN | tcpACK}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{tcpSYN}},
	}
	payload := []expr.Any{&expr.Payload{DestRegister: 1, Base: payloadInner, Offset: 0, Len: 1}}
	return [][]expr.Any{opening, payload}
}

// rule drops and counts packets of the family that match and whose peer is in the set. The set is asked last: its
// elements count what asks for them, so only what is dropped may ask.
func (g group) rule(set *nftables.Set, match []expr.Any) []expr.Any {
	if g.port {
		return g.portRule(set)
	}
	family, length := byte(unix.NFPROTO_IPV4), uint32(4)
	offsets := map[Direction]uint32{In: 12, Out: 16} // of source and destination address in the header
	if g.v6 {
		family, length = unix.NFPROTO_IPV6, 16
		offsets = map[Direction]uint32{In: 8, Out: 24}
	}
	rule := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
	}
	rule = append(rule, match...)
	return append(rule,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offsets[g.direction], Len: length},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictDrop},
	)
}

// portRule drops and counts TCP packets whose destination port is in the set, of either family.
func (g group) portRule(set *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}

// ICMPv6 types 133 to 137 are router and neighbor discovery.
const firstDiscovery, lastDiscovery = 133, 137

// passNeighborDiscovery accepts for IPv6 what ARP, which these chains never see, is for IPv4. Without it a heal would
// wait some seconds for the neighbor's address to be found again.
func passNeighborDiscovery() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.NFPROTO_IPV6}},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_ICMPV6}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{firstDiscovery}, ToData: []byte{lastDiscovery}},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}
