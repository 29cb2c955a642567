package agent

import (
	"context"
	"net/http"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// The disk under the child's folder, if the agent has mounted one (Config.Disk); else 501. What changes it at rest wants the
// child to be down.
const (
	pathDisk    = "/v1/disk"         // GET: nemesis.DiskState; PUT: nemesis.DiskFault, nemesis.DiskState
	pathSettle  = "/v1/disk/settle"  // POST: nemesis.DiskState
	pathForget  = "/v1/disk/forget"  // POST: ForgetRequest, nemesis.PowerLoss
	pathFlip    = "/v1/disk/flip"    // POST: AtRestRequest, nemesis.Flip
	pathCut     = "/v1/disk/cut"     // POST: AtRestRequest, nemesis.Cut
	pathRestore = "/v1/disk/restore" // POST: []nemesis.Flip
	pathWipe    = "/v1/disk/wipe"    // POST: Wiped
)

// ForgetRequest asks for a loss of power; see nemesis.Disks.
type ForgetRequest struct {
	Seed uint64 `json:"seed,string"` // as text: not every reader of JSON has 64 bits
}

// AtRestRequest asks for a bit to be flipped, or a log to be cut off; see nemesis.Disks.
type AtRestRequest struct {
	Pattern string `json:"pattern"`
	Seed    uint64 `json:"seed,string"`
}

// Wiped tells how many files were removed.
type Wiped struct {
	Files int `json:"files"`
}

// Disk tells the state of the node's disk.
func (c *Client) Disk(ctx context.Context) (nemesis.DiskState, error) {
	return call[nemesis.DiskState](ctx, c, http.MethodGet, pathDisk, nil)
}

// SetDisk puts exactly this fault of the disk in force.
func (c *Client) SetDisk(ctx context.Context, fault nemesis.DiskFault) error {
	_, err := call[nemesis.DiskState](ctx, c, http.MethodPut, pathDisk, fault)
	return err
}

// Settle makes durable all that is on the disk.
func (c *Client) Settle(ctx context.Context) error {
	_, err := call[nemesis.DiskState](ctx, c, http.MethodPost, pathSettle, nil)
	return err
}

// ForgetUnsynced takes away what was not synced; it is an error if the child runs.
func (c *Client) ForgetUnsynced(ctx context.Context, seed uint64) (nemesis.PowerLoss, error) {
	return call[nemesis.PowerLoss](ctx, c, http.MethodPost, pathForget, ForgetRequest{Seed: seed})
}

// FlipBit flips a bit at rest; it is an error if the child runs.
func (c *Client) FlipBit(ctx context.Context, pattern string, seed uint64) (nemesis.Flip, error) {
	return call[nemesis.Flip](ctx, c, http.MethodPost, pathFlip, AtRestRequest{Pattern: pattern, Seed: seed})
}

// CutLog cuts off the last file of the pattern where a sync began; it is an error if the child runs.
func (c *Client) CutLog(ctx context.Context, pattern string, seed uint64) (nemesis.Cut, error) {
	return call[nemesis.Cut](ctx, c, http.MethodPost, pathCut, AtRestRequest{Pattern: pattern, Seed: seed})
}

// RestoreBits flips back what was flipped; it is an error if the child runs.
func (c *Client) RestoreBits(ctx context.Context) ([]nemesis.Flip, error) {
	return call[[]nemesis.Flip](ctx, c, http.MethodPost, pathRestore, nil)
}

// Wipe removes everything from the disk; it is an error if the child runs.
func (c *Client) Wipe(ctx context.Context) (int, error) {
	wiped, err := call[Wiped](ctx, c, http.MethodPost, pathWipe, nil)
	return wiped.Files, err
}
