package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Probe tells whether this process can mount a disk: it does, in a temporary folder.
func Probe() error {
	dir, err := os.MkdirTemp("", "ordeal-disk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d, err := Mount(dir)
	if err != nil {
		return err
	}
	return d.Unmount()
}

// remedy tells what to do about a mount that failed.
func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return "; load the kernel's module: modprobe fuse"
	case errors.Is(err, exec.ErrNotFound):
		return "; install fuse3 (its fusermount3 mounts for users), or run as root"
	case errors.Is(err, fs.ErrPermission):
		return "; it takes the right to mount (CAP_SYS_ADMIN, and no AppArmor profile against it) and access to /dev/fuse"
	}
	return ""
}

// fusermountDetach detaches what fusermount has mounted for a user.
func fusermountDetach(dir string) error {
	var errs []error
	for _, name := range []string{"fusermount3", "fusermount"} {
		out, err := exec.Command(name, "-u", "-z", dir).CombinedOutput()
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out))))
	}
	return errors.Join(errs...)
}
