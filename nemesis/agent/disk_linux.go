package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/disk"
)

const (
	// fuseDevice is what every FUSE file system is served through.
	fuseDevice           = "/dev/fuse"
	fuseMajor, fuseMinor = 10, 229

	longestSlowSync = time.Minute
)

var (
	errNoDisk   = errors.New("this agent has no disk: start it with --disk")
	errDiskBusy = errors.New("the process runs: kill it before its disk is changed at rest")
)

// mountDisk mounts a disk over the folder, and makes the device for it where that is missing: a container has none unless its
// host had one when it was made.
func mountDisk(dir string) (*disk.Disk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := os.Stat(fuseDevice); errors.Is(err, os.ErrNotExist) {
		if err := unix.Mknod(fuseDevice, unix.S_IFCHR|0o600, int(unix.Mkdev(fuseMajor, fuseMinor))); err != nil {
			return nil, fmt.Errorf("make %s: %w", fuseDevice, err)
		}
	}
	return disk.Mount(dir)
}

// handleDisk adds the disk's part of the API.
func (s *server) handleDisk(mux *http.ServeMux) {
	mux.HandleFunc("GET "+pathDisk, func(w http.ResponseWriter, _ *http.Request) {
		if s.disk == nil {
			failWith(w, errNoDisk)
			return
		}
		answer(w, s.disk.State())
	})
	mux.HandleFunc("PUT "+pathDisk, s.putDisk)
	mux.HandleFunc("POST "+pathSettle, s.settleDisk)
	mux.HandleFunc("POST "+pathForget, atRest(s, func(ctx context.Context, r ForgetRequest) (nemesis.PowerLoss, error) {
		return s.disk.ForgetUnsynced(ctx, r.Seed)
	}))
	mux.HandleFunc("POST "+pathFlip, atRest(s, func(ctx context.Context, r AtRestRequest) (nemesis.Flip, error) {
		return s.disk.FlipBit(ctx, r.Pattern, r.Seed)
	}))
	mux.HandleFunc("POST "+pathCut, atRest(s, func(ctx context.Context, r AtRestRequest) (nemesis.Cut, error) {
		return s.disk.CutLog(ctx, r.Pattern, r.Seed)
	}))
	mux.HandleFunc("POST "+pathRestore, atRest(s, func(ctx context.Context, _ nothing) ([]nemesis.Flip, error) {
		return s.disk.RestoreBits(ctx)
	}))
	mux.HandleFunc("POST "+pathWipe, atRest(s, func(ctx context.Context, _ nothing) (Wiped, error) {
		files, err := s.disk.Wipe(ctx)
		return Wiped{Files: files}, err
	}))
}

func (s *server) putDisk(w http.ResponseWriter, r *http.Request) {
	var fault nemesis.DiskFault
	switch {
	case s.disk == nil:
		failWith(w, errNoDisk)
		return
	case !decode(w, r, &fault):
		return
	case fault.SlowSyncs < 0 || fault.SlowSyncs > longestSlowSync:
		fail(w, http.StatusBadRequest, fmt.Sprintf("slow_syncs_ns is %d, want 0 to %d", fault.SlowSyncs, longestSlowSync))
		return
	}
	s.disk.SetFault(fault)
	s.note("disk: %+v", fault)
	answer(w, s.disk.State())
}

func (s *server) settleDisk(w http.ResponseWriter, _ *http.Request) {
	if s.disk == nil {
		failWith(w, errNoDisk)
		return
	}
	if err := s.disk.Settle(); err != nil {
		failWith(w, err)
		return
	}
	s.note("disk: settled")
	answer(w, s.disk.State())
}

// nothing is the request of a call that has no body.
type nothing struct{}

// check reports what is wrong with the request.
func (nothing) check() error       { return nil }
func (ForgetRequest) check() error { return nil }
func (r AtRestRequest) check() error {
	_, err := path.Match(r.Pattern, "")
	return err
}

// atRest answers a request that changes the disk of a child that is down.
func atRest[In interface{ check() error }, Out any](s *server, do func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if _, empty := any(in).(nothing); !empty && !decode(w, r, &in) {
			return
		}
		if err := in.check(); err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		if s.disk == nil {
			failWith(w, errNoDisk)
			return
		}
		if s.supervisor.state().Running {
			failWith(w, errDiskBusy)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), orderLimit)
		defer cancel()
		out, err := do(ctx, in)
		if err != nil {
			failWith(w, err)
			return
		}
		s.note("disk: %s: %+v", r.URL.Path, out)
		answer(w, out)
	}
}
