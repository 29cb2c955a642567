//go:build !linux

package nfqueue

import (
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// Shaper fails at everything here: see ErrUnsupported.
type Shaper struct{}

func (*Shaper) Replace([]shaping.Peer) error      { return ErrUnsupported }
func (*Shaper) Counts() ([]nemesis.Shaped, error) { return nil, ErrUnsupported }
func (*Shaper) Peers() []shaping.Peer             { return nil }
func (*Shaper) Close() error                      { return nil }

// ProbeCopies fails: see ErrUnsupported.
func ProbeCopies() error { return ErrUnsupported }

// Probe fails: see ErrUnsupported.
func Probe() error { return ErrUnsupported }
