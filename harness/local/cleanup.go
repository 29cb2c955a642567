package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis/disk"
)

// Cleanup removes what runs left behind whose harness is gone: their processes, their folders, their records. It tells what it
// did, a line each. Runs that go on are left alone, and one that cannot be cleaned does not keep it from the others.
func Cleanup(ctx context.Context) ([]string, error) {
	state, err := StateDir()
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(state, "runs", "*.json"))
	if err != nil {
		return nil, err
	}
	var done []string
	var errs []error
	for _, path := range paths {
		r, err := readRecord(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another cleanup was quicker
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if r.Harness.alive() {
			continue
		}
		lines, err := r.clean(ctx)
		done = append(done, lines...)
		if err != nil {
			errs = append(errs, fmt.Errorf("run %s: %w", r.ID, err))
		}
	}
	return done, errors.Join(errs...)
}

// clean ends a dead run's processes, then takes away its disks, its folder and its record, in this order.
func (r *record) clean(ctx context.Context) ([]string, error) {
	var done []string
	nodes := make([]string, 0, len(r.Processes))
	for node := range r.Processes {
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	for _, node := range nodes {
		id := r.Processes[node]
		end := endLeftover
		if r.Adopted {
			end = endAdopted
		}
		ended, err := end(ctx, id)
		if err != nil {
			return done, fmt.Errorf("end %s, pid %d: %w", node, id.PID, err)
		}
		if ended {
			done = append(done, fmt.Sprintf("run %s: ended %s, pid %d", r.ID, node, id.PID))
		}
	}
	for _, dir := range r.Mounts {
		detached, err := disk.Detach(dir)
		if err != nil {
			return done, err
		}
		if detached {
			done = append(done, fmt.Sprintf("run %s: unmounted the disk over %s", r.ID, dir))
		}
	}
	removed, err := r.removeDir()
	if err != nil {
		return done, err
	}
	if removed {
		done = append(done, fmt.Sprintf("run %s: removed its files in %s", r.ID, r.Dir))
	}
	return done, r.remove()
}

// endLeftover kills the process if it is the one that id was taken from, and returns once it is gone.
func endLeftover(ctx context.Context, id identity) (bool, error) {
	process, err := os.FindProcess(id.PID)
	if err != nil {
		return false, err
	}
	defer process.Release()
	// The handle was taken before the identity is compared: on Linux it is of one process and not of whoever has the pid.
	if !id.alive() {
		return false, nil
	}
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false, err
	}
	if err := id.gone(ctx); err != nil {
		return false, err
	}
	return true, nil
}

// gone returns once the process is.
func (id identity) gone(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for id.alive() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
