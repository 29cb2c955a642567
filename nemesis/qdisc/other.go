//go:build !linux

package qdisc

import (
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// Shaper fails at everything here: see ErrUnsupported.
type Shaper struct{}

func (*Shaper) Replace([]shaping.Peer) error      { return ErrUnsupported }
func (*Shaper) Counts() ([]nemesis.Shaped, error) { return nil, ErrUnsupported }
func (*Shaper) Close() error                      { return nil }

// Probe fails: see ErrUnsupported.
func Probe(Kind) error { return ErrUnsupported }
