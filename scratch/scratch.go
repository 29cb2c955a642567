// Package scratch makes temporary folders that do not outlive their process for long: whoever makes one holds a lock on a file in it, which
// the kernel lets go of however the process ends, and the next one sweeps the folders whose lock nobody holds.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ownerFile in a folder is locked for as long as its owner lives.
const ownerFile = ".ordeal-owner"

const prefix = "ordeal-"

// Folder is a temporary folder of this process.
type Folder struct {
	Path string
	lock *os.File
}

// New makes a folder in the folder for temporary files, whose name tells what it is for.
func New(what string) (*Folder, error) {
	path, err := os.MkdirTemp("", prefix+what+"-")
	if err != nil {
		return nil, fmt.Errorf("a temporary folder: %w; set TMPDIR to a folder that can be written", err)
	}
	f := &Folder{Path: path}
	if err := f.hold(); err != nil {
		return nil, errors.Join(fmt.Errorf("a temporary folder: %w", err), f.Remove())
	}
	return f, nil
}

// hold puts the locked file into the folder. It is locked before it has its name: a sweep never sees one that is not.
func (f *Folder) hold() (err error) {
	unnamed := filepath.Join(f.Path, ownerFile+".new")
	if f.lock, err = os.OpenFile(unnamed, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := unix.Flock(int(f.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	return os.Rename(unnamed, filepath.Join(f.Path, ownerFile))
}

// Remove removes the folder with all that is in it. It may be called again; of no folder there is nothing to remove.
func (f *Folder) Remove() error {
	if f == nil {
		return nil
	}
	err := os.RemoveAll(f.Path)
	if f.lock != nil {
		_ = f.lock.Close() // the file is gone
	}
	return err
}

// unheldFor is how long a folder may be without its file: its owner is about to put it there, or was killed in that moment.
const unheldFor = time.Hour

// Sweep removes the folders of processes that are gone, and tells which.
func Sweep() (removed []string, err error) {
	paths, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, path := range paths {
		was, err := sweep(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("temporary folder of a process that is gone: %w", err))
		}
		if was {
			removed = append(removed, path+", of a process that is gone")
		}
	}
	return removed, errors.Join(errs...)
}

// sweep removes one folder, if it is of this user and nobody's any more.
func sweep(path string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || !own(info) {
		return false, nil // gone, or none of ours
	}
	lock, err := os.OpenFile(filepath.Join(path, ownerFile), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return unfinished(path, info)
	}
	if err != nil {
		return false, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil // its owner lives
		}
		return false, err
	}
	return true, os.RemoveAll(path)
}

// unfinished removes a folder whose owner was killed before it was its own: there is nothing in it but, perhaps, the file without its name.
// A folder with anything else in it was made by somebody else, and stays.
func unfinished(path string, info fs.FileInfo) (bool, error) {
	if time.Since(info.ModTime()) < unheldFor {
		return false, nil
	}
	unnamed := filepath.Join(path, ownerFile+".new")
	if err := os.Remove(unnamed); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return os.Remove(path) == nil, nil
}

func own(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
