package nemesis

import (
	"context"
	"math/rand/v2"
	"time"
)

// DiskFault is what a node's disk does wrong. The zero value is a disk in good order.
type DiskFault struct {
	// FailSyncs has every fsync fail with EIO. What was to be synced is not durable, and a later fsync that succeeds does not make
	// it so (Linux takes the pages for clean) unless it was written again.
	FailSyncs bool `json:"fail_syncs,omitempty"`
	// SlowSyncs is how much longer every fsync takes.
	SlowSyncs time.Duration `json:"slow_syncs_ns,omitempty"`
	// Full has every write fail with ENOSPC, in place ones too, as on a thin or copy-on-write volume, and every new file.
	Full bool `json:"full,omitempty"`
}

// DiskState is what a node's disk says of itself. The counts begin when the disk was made.
type DiskState struct {
	Fault       DiskFault `json:"fault"` // in force
	Writes      uint64    `json:"writes"`
	Syncs       uint64    `json:"syncs"`        // that were asked for, of files and folders
	FailedSyncs uint64    `json:"failed_syncs"` // that FailSyncs has failed
	SlowedSyncs uint64    `json:"slowed_syncs"` // that SlowSyncs has delayed, to their end
	Refused     uint64    `json:"refused"`      // writes and new files that Full has refused
	Unsynced    int       `json:"unsynced"`     // sectors and names that a loss of power now would take away
}

// PowerLoss is what a disk forgot when its power was cut.
type PowerLoss struct {
	Sectors int `json:"sectors"` // of 512 bytes, written and not synced: they hold again what they held at the last sync
	Names   int `json:"names"`   // new, removed and renamed directory entries that were not synced, and are as they were before
	Kept    int `json:"kept"`    // sectors and names that were not synced and had reached the disk all the same
}

// Flip is one bit that was flipped at rest.
type Flip struct {
	File   string `json:"file"` // below the node's data folder
	Offset int64  `json:"offset"`
	Bit    uint8  `json:"bit"`
	Before string `json:"before"` // SHA-256 of the file, hexadecimal
	After  string `json:"after"`
}

// Cut is a log that was cut off at rest.
type Cut struct {
	File   string `json:"file"`   // below the node's data folder
	Size   int64  `json:"size"`   // bytes that it had
	Kept   int64  `json:"kept"`   // bytes that it has now
	Syncs  int    `json:"syncs"`  // how many syncs had made durable what is gone
	Before string `json:"before"` // SHA-256 of the file, hexadecimal
	After  string `json:"after"`
}

// DrawCut draws where a log is cut off: where one of its syncs began writing, of which the ascending starts are known, somewhere in its middle half.
// Logs that hold the same lose about the same by the same seed. A start of 0 is the file's birth and no place to cut. syncs is how many are undone.
func DrawCut(starts []int64, seed uint64) (at int64, syncs int, ok bool) {
	if len(starts) > 0 && starts[0] == 0 {
		starts = starts[1:]
	}
	if len(starts) == 0 {
		return 0, 0, false
	}
	share := 0.25 + 0.5*rand.New(rand.NewPCG(seed, 0x637574)).Float64()
	i := int(share * float64(len(starts)))
	return starts[i], len(starts) - i, true
}

// Disks is the part of a cluster that faults of disks need. A World may have it.
type Disks interface {
	// SetDisk puts exactly this fault in force on the node's disk, in place of the one before.
	SetDisk(ctx context.Context, node string, fault DiskFault) error
	// Disk tells the state of the node's disk now.
	Disk(ctx context.Context, node string) (DiskState, error)
	// ForgetUnsynced takes away what the node has written and not synced, as a loss of power does. The node must be down. With a seed
	// of 0 all of it is gone; else each sector may have reached the disk or not, and of the names the older ones, drawn
	// from the seed.
	ForgetUnsynced(ctx context.Context, node string, seed uint64) (PowerLoss, error)
	// FlipBit flips one bit, drawn from the seed, of a file whose base name matches the pattern (path.Match). The node must be down.
	// The bit is one that was synced and has something behind it in its file that was synced later: what was
	// written last before a crash may be damaged by the crash itself, and no checksum can tell the two apart.
	FlipBit(ctx context.Context, node, pattern string, seed uint64) (Flip, error)
	// RestoreBits flips back what FlipBit flipped, and returns it with the hashes as they are then. The node must be down.
	RestoreBits(ctx context.Context, node string) ([]Flip, error)
	// CutLog cuts off the last file, by name, whose base name matches the pattern (path.Match), where a sync of it began writing, as DrawCut
	// draws it: it is what it was when an earlier sync was done, if it was only ever appended to. The node must be down.
	CutLog(ctx context.Context, node, pattern string, seed uint64) (Cut, error)
	// Wipe removes everything from the node's disk and returns how many files that were. The node must be down.
	Wipe(ctx context.Context, node string) (int, error)
}

// NeedsDisks reports whether a fault can be injected only where a cluster has Disks.
func NeedsDisks(fault string) bool {
	k, ok := findKind(fault)
	return ok && k.needs() == toHurtDisks
}

// Logs is the part of a cluster that shows what the nodes print. Where it has none, evidence does without.
type Logs interface {
	// LastOutput is the end of what the node's last process has printed.
	LastOutput(ctx context.Context, node string) (string, error)
}
