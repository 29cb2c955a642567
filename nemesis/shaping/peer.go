package shaping

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// maxPeers bounds what is asked of a kernel: a queue for each.
const maxPeers = 64

// Peer is what is done to the packets of one peer.
type Peer struct {
	Address netip.Addr    `json:"address"`
	Shape   nemesis.Shape `json:"shape"`
}

// Check tells what is wrong with it.
func (p Peer) Check() error {
	a := p.Address
	s := p.Shape
	switch {
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback():
		return fmt.Errorf("%v is not the address of one peer", a)
	case s.Delay < 0 || s.Jitter < 0 || s.Rate < 0:
		return fmt.Errorf("%+v: what is asked is less than nothing", s)
	case !(s.Loss >= 0 && s.Loss <= 1) || !(s.Reorder >= 0 && s.Reorder <= 1) || !(s.Duplicate >= 0 && s.Duplicate <= 1):
		return fmt.Errorf("%+v: shares are from 0 to 1", s)
	}
	return nil
}

// CheckPeers gives the peers with plain addresses, each of which may be named once.
func CheckPeers(peers []Peer) ([]Peer, error) {
	if len(peers) > maxPeers {
		return nil, fmt.Errorf("%d peers, at most %d", len(peers), maxPeers)
	}
	peers = slices.Clone(peers)
	for i := range peers {
		if err := peers[i].Check(); err != nil {
			return nil, err
		}
		peers[i].Address = peers[i].Address.Unmap().WithZone("")
		if slices.ContainsFunc(peers[:i], func(p Peer) bool { return p.Address == peers[i].Address }) {
			return nil, fmt.Errorf("%v is named twice", peers[i].Address)
		}
	}
	return peers, nil
}
