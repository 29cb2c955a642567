package vfs

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// each runs a test on the machine's disk and on the one in memory: they must not differ.
func each(t *testing.T, test func(t *testing.T, fs FS, dir string)) {
	t.Run("OS", func(t *testing.T) { test(t, OS, t.TempDir()) })
	t.Run("Mem", func(t *testing.T) { test(t, NewMem(), "/") })
}

func TestWritesAndReads(t *testing.T) {
	each(t, func(t *testing.T, fs FS, dir string) {
		name := filepath.Join(dir, "a")
		f, err := fs.Create(name)
		require.NoError(t, err)
		require.Equal(t, name, f.Name())
		_, err = f.WriteAt([]byte("world"), 6)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("hello"), 0)
		require.NoError(t, err)
		require.NoError(t, f.Reserve(1<<20))
		size, err := f.Size()
		require.NoError(t, err)
		require.EqualValues(t, 11, size, "a reservation is not length")
		require.NoError(t, f.Sync())
		p := make([]byte, 20)
		n, err := f.ReadAt(p, 3)
		require.Equal(t, io.EOF, err)
		require.Equal(t, "lo\x00world", string(p[:n]))
		require.NoError(t, f.Truncate(2))
		require.NoError(t, f.Truncate(4))
		require.NoError(t, f.Close())
		require.ErrorIs(t, f.Close(), os.ErrClosed)
		_, err = f.WriteAt(p, 0)
		require.ErrorIs(t, err, os.ErrClosed)
		data, err := ReadFile(fs, name)
		require.NoError(t, err)
		require.Equal(t, "he\x00\x00", string(data))
		f, err = fs.Create(name)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		data, err = ReadFile(fs, name)
		require.NoError(t, err)
		require.Empty(t, data, "Create empties")
	})
}

func TestNames(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, top string) {
		dir := filepath.Join(top, "x", "y")
		require.NoError(t, fsys.MkdirAll(dir))
		require.NoError(t, fsys.MkdirAll(dir), "twice is no error")
		for _, name := range []string{"c", "a", "b"} {
			require.NoError(t, WriteFile(fsys, filepath.Join(dir, name), []byte(name)))
		}
		require.NoError(t, fsys.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
		names, err := fsys.List(dir)
		require.NoError(t, err)
		require.Equal(t, []string{"b", "c"}, names)
		data, err := ReadFile(fsys, filepath.Join(dir, "b"))
		require.NoError(t, err)
		require.Equal(t, "a", string(data))
		require.NoError(t, fsys.Remove(filepath.Join(dir, "b")))
		require.NoError(t, fsys.SyncDir(dir))
		names, err = fsys.List(filepath.Join(top, "x"))
		require.NoError(t, err)
		require.Equal(t, []string{"y"}, names)

		missing := filepath.Join(top, "no", "file")
		_, err = fsys.Open(missing)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = fsys.Create(missing)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = fsys.List(missing)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = fsys.Lock(missing)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorIs(t, fsys.Rename(missing, missing), fs.ErrNotExist)
		require.ErrorIs(t, fsys.Remove(missing), fs.ErrNotExist)
		require.ErrorIs(t, fsys.SyncDir(missing), fs.ErrNotExist)
		require.Error(t, fsys.MkdirAll(filepath.Join(dir, "c")), "there is a file")
		_, err = fsys.Create(dir)
		require.Error(t, err, "there is a folder")
	})
}

func TestRemovedFileCanBeUsedWhileOpen(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		f, err := fsys.Create(filepath.Join(dir, "a"))
		require.NoError(t, err)
		require.NoError(t, fsys.Remove(filepath.Join(dir, "a")))
		_, err = f.WriteAt([]byte("x"), 0)
		require.NoError(t, err)
		data, err := ReadAll(f, nil)
		require.NoError(t, err)
		require.Equal(t, "x", string(data))
		require.NoError(t, f.Close())
	})
}

func TestLock(t *testing.T) {
	each(t, func(t *testing.T, fs FS, dir string) {
		lock, err := fs.Lock(dir)
		require.NoError(t, err)
		_, err = fs.Lock(dir)
		require.ErrorIs(t, err, ErrLocked)
		require.NoError(t, lock.Close())
		lock, err = fs.Lock(dir)
		require.NoError(t, err)
		require.NoError(t, lock.Close())
	})
}

const holder = "VFS_TEST_HOLD"

// TestMain turns the test binary into a process that holds a lock until its input ends.
func TestMain(m *testing.M) {
	dir := os.Getenv(holder)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := OS.Lock(dir); err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString("held\n")
	io.Copy(io.Discard, os.Stdin)
}

func TestLockIsFreeWhenItsProcessIsKilled(t *testing.T) {
	dir := t.TempDir()
	binary, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), holder+"="+dir)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, 5))
	require.NoError(t, err)
	_, err = OS.Lock(dir)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	lock, err := OS.Lock(dir)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}
