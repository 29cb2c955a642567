package netfilter

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Table is the name of the one table that holds every rule of this package.
const Table = "ordeal"

// ErrUnsupported says that this system has no netfilter to partition with.
var ErrUnsupported = errors.New("packet filter rules need Linux")

// Direction is the way of a packet as seen by the namespace that filters it.
type Direction string

const (
	In  Direction = "in"  // packets that arrive from the peer
	Out Direction = "out" // packets that leave for the peer
)

// Mode says which packets of a direction are dropped.
type Mode string

const (
	// All drops every packet.
	All Mode = "all"
	// Data drops TCP segments that open a connection (SYN without ACK) and every packet that carries payload. Bare
	// acknowledgements pass, so data flows the other way. It needs Linux 5.16.
	Data Mode = "data"
)

// Drop is one rule: drop what the mode says of the packets that come from, or go to, one peer; or, with a port in the
// place of a peer, all TCP packets that arrive for that port, whoever sends them.
type Drop struct {
	Direction Direction  `json:"direction"`
	Peer      netip.Addr `json:"peer,omitzero"`
	Port      uint16     `json:"port,omitempty"`
	Mode      Mode       `json:"mode"`
}

// Count is what one Drop has stopped since it was put in force. Replace starts all counts anew.
type Count struct {
	Drop
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// normalize checks a drop and gives its one spelling: addresses that stand for IPv4 become IPv4.
func (d Drop) normalize() (Drop, error) {
	if d.Direction != In && d.Direction != Out {
		return d, fmt.Errorf("drop %v: direction is %q, want %q or %q", d.Peer, d.Direction, In, Out)
	}
	if d.Mode != All && d.Mode != Data {
		return d, fmt.Errorf("drop %v: mode is %q, want %q or %q", d.Peer, d.Mode, All, Data)
	}
	if d.Port != 0 {
		if d.Direction != In || d.Mode != All || d.Peer.IsValid() {
			return d, fmt.Errorf("drop: of port %d all that arrives is dropped, whoever sends it, and nothing else can be", d.Port)
		}
		return d, nil
	}
	if !d.Peer.IsValid() {
		return d, errors.New("drop: no peer address")
	}
	d.Peer = d.Peer.Unmap().WithZone("")
	// Loopback is the machine itself and an unspecified or multicast address is no one peer: a rule for them is a
	// mistake that would cut more than was asked for.
	if d.Peer.IsLoopback() || d.Peer.IsUnspecified() || d.Peer.IsMulticast() {
		return d, fmt.Errorf("drop: %v is not the address of one peer", d.Peer)
	}
	return d, nil
}

// normalizeAll checks drops, sorts them and removes doubles.
func normalizeAll(drops []Drop) ([]Drop, error) {
	out := make([]Drop, 0, len(drops))
	for _, d := range drops {
		d, err := d.normalize()
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	slices.SortFunc(out, compareDrops)
	return slices.Compact(out), nil
}

func compareDrops(a, b Drop) int {
	if c := strings.Compare(string(a.Direction), string(b.Direction)); c != 0 {
		return c
	}
	if c := strings.Compare(string(a.Mode), string(b.Mode)); c != 0 {
		return c
	}
	if c := a.Peer.Compare(b.Peer); c != 0 {
		return c
	}
	return cmp.Compare(a.Port, b.Port)
}

// Check tells why the kernel could not be asked for this drop.
func (d Drop) Check() error {
	_, err := d.normalize()
	return err
}
