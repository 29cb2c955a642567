//go:build !linux

package disk

import (
	"context"
	"errors"

	"github.com/ordeal-dev/ordeal/nemesis"
)

var errNotHere = errors.New("disk: faults of disks need FUSE as Linux has it; run them on the docker cluster, or in the simulator")

// Disk is never made on this system.
type Disk struct{}

// Mount fails.
func Mount(string) (*Disk, error) { return nil, errNotHere }

// Probe fails.
func Probe() error { return errNotHere }

// Detach has nothing to detach.
func Detach(string) (bool, error) { return false, nil }

func (*Disk) Settle() error              { return errNotHere }
func (*Disk) Unmount() error             { return errNotHere }
func (*Disk) SetFault(nemesis.DiskFault) {}
func (*Disk) State() nemesis.DiskState   { return nemesis.DiskState{} }
func (*Disk) ForgetUnsynced(context.Context, uint64) (nemesis.PowerLoss, error) {
	return nemesis.PowerLoss{}, errNotHere
}
func (*Disk) FlipBit(context.Context, string, uint64) (nemesis.Flip, error) {
	return nemesis.Flip{}, errNotHere
}
func (*Disk) RestoreBits(context.Context) ([]nemesis.Flip, error) { return nil, errNotHere }
func (*Disk) CutLog(context.Context, string, uint64) (nemesis.Cut, error) {
	return nemesis.Cut{}, errNotHere
}
func (*Disk) Wipe(context.Context) (int, error) { return 0, errNotHere }
