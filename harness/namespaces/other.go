//go:build !linux

package namespaces

import (
	"context"
	"net/netip"
	"os"

	"github.com/ordeal-dev/ordeal/harness/agents"
)

// Net cannot be had here: see ErrUnsupported.
type Net struct{}

// Main does nothing: no program is a part of namespaces here.
func Main() {}

// Open fails: see ErrUnsupported.
func Open(context.Context, Options) (*Net, error) { return nil, ErrUnsupported }

// Probe fails: see ErrUnsupported.
func Probe(context.Context) error { return ErrUnsupported }

func (*Net) PID() int                                 { return 0 }
func (*Net) Address(string) netip.Addr                { return netip.Addr{} }
func (*Net) Outside(string, int) string               { return "" }
func (*Net) At(string, int) (agents.Node, error)      { return agents.Node{}, ErrUnsupported }
func (*Net) Reach(context.Context, string, int) error { return ErrUnsupported }
func (*Net) Start(string, Command) (*os.Process, func() string, error) {
	return nil, nil, ErrUnsupported
}
func (*Net) Close() error { return nil }
