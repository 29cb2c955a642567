// Package qdisc shapes the packets that are sent to given peers, in the network namespace of the calling process, with the kernel's traffic
// control: netem delays, loses and reorders, TBF limits the bandwidth. What it does costs this machine's processes nothing, but a kernel
// need not have it (netem is a module that small kernels are built without), so each kind is probed for; package nfqueue is for the rest.
//
// On each device that leads to a peer the root queue becomes an HTB, in which what no class takes passes as before. Each peer has a class,
// to which a u32 filter sends what goes to its address, and in the class its netem or TBF. To be seen with `tc -s qdisc` and `tc filter`.
//
// What is to come twice is not for it. netem counts no copies, so that there would be no evidence, and since Linux 6.16 a
// tree with two netems takes none that duplicates.
package qdisc

import (
	"errors"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// ErrUnsupported says that this system has no traffic control that is known.
var ErrUnsupported = errors.New("traffic control needs Linux")

// Kind is a kind of queue that shapes.
type Kind string

// The kinds that are used, as the kernel calls them.
const (
	None  Kind = "" // none can do it
	Netem Kind = "netem"
	TBF   Kind = "tbf"
)

// KindFor is the kind that does to packets what the shape says.
func KindFor(s nemesis.Shape) Kind {
	switch {
	case s == nemesis.Shape{}, s.Duplicate > 0:
		return None
	case s == nemesis.Shape{Rate: s.Rate}:
		return TBF
	case s.Rate > 0, s.Reorder > 0 && s.Delay == 0: // nothing is overtaken where nothing is late
		return None
	}
	return Netem
}
