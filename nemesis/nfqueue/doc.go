// Package nfqueue shapes the packets that arrive from given peers, in the network namespace of the calling process, with the kernel's
// packet queue: a rule hands each packet to this process, which lets it go on at its time, or not at all. It needs no traffic control in
// the kernel, which has no netem everywhere, and holds a packet to within some tens of microseconds.
//
// The rules live in a table "ordeal_shape" of family ip or ip6, to be seen with `nft list ruleset`, at hook input: behind the cuts of
// package netfilter, so that a link can be both shaped and cut. Each peer has a queue of its own. A queue that nobody serves lets packets
// through (bypass), so a killed agent cuts nothing off; what it held is lost.
//
// A packet comes twice by a copy that is sent through a raw socket to the address that it was going to, marked so that it is not taken for
// another one. That takes CAP_NET_RAW beside the CAP_NET_ADMIN that all needs.
package nfqueue

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Table is the name of the tables with the rules.
const Table = "ordeal_shape"

// ErrUnsupported says that this system has no packet queues.
var ErrUnsupported = errors.New("packet queues need Linux")

// maxPeers bounds the queues.
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
