//go:build !linux

package netfilter

import "net/netip"

// Replace fails: see ErrUnsupported.
func Replace([]Drop) error { return ErrUnsupported }

// Clear fails: see ErrUnsupported.
func Clear() error { return ErrUnsupported }

// Counts fails: see ErrUnsupported.
func Counts() ([]Count, error) { return nil, ErrUnsupported }

// ResetConnections fails: see ErrUnsupported.
func ResetConnections([]netip.Addr) (int, error) { return 0, ErrUnsupported }
