//go:build unix && !linux

package vfs

// Sync is os.File's, which on macOS asks the drive to empty its cache (F_FULLFSYNC).
func (f osFile) Sync() error { return f.File.Sync() }

// Reserve does nothing: the systems differ too much, and it is only a precaution.
func (f osFile) Reserve(int64) error { return nil }
