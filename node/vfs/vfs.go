package vfs

import (
	"errors"
	"io"
	"path/filepath"
)

// SectorSize is the unit in bytes that a disk writes whole or not at all.
const SectorSize = 512

// ErrLocked says that another process, or another Lock of this one, holds the folder.
var ErrLocked = errors.New("folder is locked")

// FS is a tree of folders and files. Names are paths with the separators of the system.
// Errors name the operation and the path ([io/fs.PathError]) and match [io/fs.ErrNotExist] and the like.
type FS interface {
	// Create makes an empty file, or empties the one there is, and opens it for reading and writing.
	Create(name string) (File, error)
	// Open opens a file that exists for reading and writing.
	Open(name string) (File, error)
	// Rename renames a file within its folder and replaces a file that has the new name.
	Rename(from, to string) error
	// Remove removes a file. One that is open can still be read and written.
	Remove(name string) error
	// List gives the names (without the folder) of what is in a folder, sorted.
	List(dir string) ([]string, error)
	// MkdirAll makes a folder and those above it; those that it made are durable when it returns.
	MkdirAll(dir string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Lock takes a folder for one owner until the lock is closed or the process ends; ErrLocked if it is taken.
	Lock(dir string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	// WriteAt writes at any offset; a gap that it leaves reads as zeros. On an error some of p may be written.
	io.WriterAt
	// Size is the file's length in bytes.
	Size() (int64, error)
	// Truncate sets the file's length; what is cut off is freed, what is added reads as zeros.
	Truncate(size int64) error
	// Reserve sets space aside so that writes below size do not fail for want of it. The file's length does not
	// change. A file system that cannot do that returns nil and does nothing.
	Reserve(size int64) error
	// Sync makes all that was written durable, and of the metadata what is needed to read it (fdatasync).
	Sync() error
	// Name is the name that the file was opened with.
	Name() string
	io.Closer
}

// ReadFile reads a whole file.
func ReadFile(fs FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := ReadAll(f, nil)
	return data, errors.Join(err, f.Close())
}

// ReadAll reads all of an open file into buf, which it replaces by a larger one if it must.
func ReadAll(f File, buf []byte) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	n, err := f.ReadAt(buf, 0)
	if err == io.EOF && int64(n) == size {
		err = nil
	}
	return buf[:n], err
}

// WriteFile puts a file with this content in place of what has the name, durably and at once: after a loss of power
// the old content is there or the new one. It uses the name with ".tmp" added on the way.
func WriteFile(fs FS, name string, data []byte) error {
	return Replace(fs, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Replace is WriteFile for content that write writes, which need not be in memory all at once.
func Replace(fs FS, name string, write func(io.Writer) error) error {
	temporary := name + ".tmp"
	f, err := fs.Create(temporary)
	if err != nil {
		return err
	}
	w := &fileWriter{file: f}
	err = write(w)
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(temporary, name); err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(name))
}

const (
	writeBytes = 256 << 10 // that are written at once
	// SyncBytes is after how many bytes of a large file it is synced, so that others who use the disk never wait for all of it.
	SyncBytes = 16 << 20
)

// fileWriter writes a file from its beginning.
type fileWriter struct {
	file     File
	at       int64 // of what is in the buffer
	unsynced int64
	buf      []byte
}

func (w *fileWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	if len(w.buf) < writeBytes {
		return len(p), nil
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	if w.unsynced < SyncBytes {
		return len(p), nil
	}
	w.unsynced = 0
	return len(p), w.file.Sync()
}

func (w *fileWriter) flush() error {
	if _, err := w.file.WriteAt(w.buf, w.at); err != nil {
		return err
	}
	w.at += int64(len(w.buf))
	w.unsynced += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}
