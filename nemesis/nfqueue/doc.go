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

import "errors"

// Table is the name of the tables with the rules.
const Table = "ordeal_shape"

// ErrUnsupported says that this system has no packet queues.
var ErrUnsupported = errors.New("packet queues need Linux")
