package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func (f osFile) Sync() error {
	return f.call("fdatasync", func() error { return unix.Fdatasync(int(f.Fd())) })
}

func (f osFile) Reserve(size int64) error {
	err := f.call("fallocate", func() error {
		return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

func (f osFile) call(name string, call func() error) error {
	if err := retryInterrupted(call); err != nil {
		return &os.PathError{Op: name, Path: f.Name(), Err: err}
	}
	return nil
}
