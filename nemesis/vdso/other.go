//go:build !linux || !amd64

package vdso

import (
	"errors"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// ErrUnsupported is what everything answers on machines that are not Linux on amd64.
var ErrUnsupported = errors.New("vdso: clocks of any process can be set on Linux on amd64 only; clocks of nodes that have one of their own can be set everywhere")

// Process cannot be had here.
type Process struct{}

func Open(int) (*Process, error)                     { return nil, ErrUnsupported }
func ProbeChild() error                              { return ErrUnsupported }
func Probe(int) error                                { return ErrUnsupported }
func Check(nemesis.ClockSetting) error               { return ErrUnsupported }
func (*Process) Close()                              {}
func (*Process) PID() int                            { return 0 }
func (*Process) Set(nemesis.ClockSetting) error      { return ErrUnsupported }
func (*Process) Read() (nemesis.ClockReading, error) { return nemesis.ClockReading{}, ErrUnsupported }
