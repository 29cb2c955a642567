//go:build !linux

package nfqueue

import "github.com/ordeal-dev/ordeal/nemesis"

// Shaper fails at everything here: see ErrUnsupported.
type Shaper struct{}

func (*Shaper) Replace([]Peer) error              { return ErrUnsupported }
func (*Shaper) Counts() ([]nemesis.Shaped, error) { return nil, ErrUnsupported }
func (*Shaper) Peers() []Peer                     { return nil }
func (*Shaper) Close() error                      { return nil }

// Probe fails: see ErrUnsupported.
// ProbeCopies says so.
func ProbeCopies() error { return ErrUnsupported }

func Probe() error { return ErrUnsupported }
