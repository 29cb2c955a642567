//go:build !linux

package netfilter

import "net/netip"

// Filter fails at everything here: see ErrUnsupported.
type Filter struct{}

func (*Filter) Replace([]Drop) error     { return ErrUnsupported }
func (*Filter) Clear() error             { return ErrUnsupported }
func (*Filter) Counts() ([]Count, error) { return nil, ErrUnsupported }
func (*Filter) Close() error             { return nil }

// ResetConnections fails: see ErrUnsupported.
func ResetConnections([]netip.Addr) (int, error) { return 0, ErrUnsupported }
