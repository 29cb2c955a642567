package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// mounted is a disk under a folder of its own.
func mounted(t *testing.T) (*Disk, string) {
	if err := Probe(); err != nil {
		t.Skip("no disk can be mounted here: ", err)
	}
	dir := t.TempDir()
	d, err := Mount(dir)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, d.Unmount())
		require.NotContains(t, mounts(t), dir, "the mount is left")
	})
	return d, dir
}

func mounts(t *testing.T) string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	return string(text)
}

func put(t *testing.T, path, text string, sync bool) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	if sync {
		require.NoError(t, f.Sync())
	}
	require.NoError(t, f.Close())
}

// folderWith makes a folder with files of that name and content, all of it durable.
func folderWith(t *testing.T, dir string, files ...string) {
	require.NoError(t, os.Mkdir(dir, 0o755))
	for _, f := range files {
		put(t, filepath.Join(dir, f), f, true)
	}
	syncFolder(t, dir)
	syncFolder(t, filepath.Dir(dir))
}

func syncFolder(t *testing.T, dir string) {
	f, err := os.Open(dir)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

// tree is all there is below a folder: "a=text b/c=text".
func tree(t *testing.T, dir string) string {
	var all []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if e.IsDir() {
			name += "/"
		} else {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name += "=" + string(text)
		}
		all = append(all, name)
		return nil
	}))
	return strings.Join(all, " ")
}

// What a process may do between a sync and a loss of power, and what is there after.
func TestPowerLoss(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(t *testing.T, dir string)
		want string // at first there is "log=synced", durably
	}{
		"nothing":                  {func(*testing.T, string) {}, "log=synced"},
		"written, not synced":      {func(t *testing.T, dir string) { put(t, dir+"/log", "other!", false) }, "log=synced"},
		"written longer":           {func(t *testing.T, dir string) { put(t, dir+"/log", "much longer", false) }, "log=synced"},
		"written and synced":       {func(t *testing.T, dir string) { put(t, dir+"/log", "other!", true) }, "log=other!"},
		"cut":                      {func(t *testing.T, dir string) { require.NoError(t, os.Truncate(dir+"/log", 2)) }, "log=synced"},
		"cut by opening":           {func(t *testing.T, dir string) { require.NoError(t, os.WriteFile(dir+"/log", []byte("x"), 0o644)) }, "log=synced"},
		"new name, not synced":     {func(t *testing.T, dir string) { put(t, dir+"/new", "data", true) }, "log=synced"},
		"new name, data not":       {func(t *testing.T, dir string) { put(t, dir+"/new", "data", false); syncFolder(t, dir) }, "log=synced new="},
		"new name and data synced": {func(t *testing.T, dir string) { put(t, dir+"/new", "data", true); syncFolder(t, dir) }, "log=synced new=data"},
		"removed":                  {func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir+"/log")) }, "log=synced"},
		"written, then removed": {func(t *testing.T, dir string) {
			put(t, dir+"/log", "other!", false)
			require.NoError(t, os.Remove(dir+"/log"))
		}, "log=synced"},
		"removed and synced": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir+"/log")); syncFolder(t, dir) }, ""},
		"replaced by rename": {func(t *testing.T, dir string) {
			put(t, dir+"/tmp", "new", true)
			syncFolder(t, dir)
			require.NoError(t, os.Rename(dir+"/tmp", dir+"/log"))
		}, "log=synced tmp=new"},
		"replaced by rename, synced": {func(t *testing.T, dir string) {
			put(t, dir+"/tmp", "new", true)
			require.NoError(t, os.Rename(dir+"/tmp", dir+"/log"))
			syncFolder(t, dir)
		}, "log=new"},
		"folders": {func(t *testing.T, dir string) {
			require.NoError(t, os.Mkdir(dir+"/a", 0o755))
			put(t, dir+"/a/b", "data", true)
			syncFolder(t, dir+"/a")
		}, "log=synced"},
		"folders, synced": {func(t *testing.T, dir string) {
			require.NoError(t, os.Mkdir(dir+"/a", 0o755))
			syncFolder(t, dir)
			put(t, dir+"/a/b", "data", true)
			put(t, dir+"/a/c", "data", true)
			syncFolder(t, dir+"/a")
			require.NoError(t, os.Remove(dir+"/a/c"))
		}, "a/ a/b=data a/c=data log=synced"},
		"removed from a folder that was renamed": {func(t *testing.T, dir string) {
			folderWith(t, dir+"/a", "b", "c")
			require.NoError(t, os.Remove(dir+"/a/b"))
			require.NoError(t, os.Rename(dir+"/a", dir+"/z"))
		}, "a/ a/b=b a/c=c log=synced"},
		"removed from a folder that was renamed for good": {func(t *testing.T, dir string) {
			folderWith(t, dir+"/a", "b", "c")
			require.NoError(t, os.Remove(dir+"/a/b"))
			put(t, dir+"/a/d", "new", false)
			require.NoError(t, os.Rename(dir+"/a/c", dir+"/a/e"))
			require.NoError(t, os.Rename(dir+"/a", dir+"/z"))
			syncFolder(t, dir)
		}, "log=synced z/ z/b=b z/c=c"},
		"moved out of a folder that was renamed for good": {func(t *testing.T, dir string) {
			folderWith(t, dir+"/a", "b")
			folderWith(t, dir+"/k")
			require.NoError(t, os.Rename(dir+"/a/b", dir+"/k/b"))
			require.NoError(t, os.Rename(dir+"/a", dir+"/z"))
			require.NoError(t, os.Rename(dir+"/k", dir+"/y"))
			syncFolder(t, dir)
		}, "log=synced y/ z/ z/b=b"},
		"a folder removed with what was in it": {func(t *testing.T, dir string) {
			folderWith(t, dir+"/a", "b", "c")
			require.NoError(t, os.RemoveAll(dir+"/a"))
		}, "a/ a/b=b a/c=c log=synced"},
		"a folder removed for good, and another one made": {func(t *testing.T, dir string) {
			folderWith(t, dir+"/a", "b", "c")
			require.NoError(t, os.RemoveAll(dir+"/a"))
			syncFolder(t, dir)
			folderWith(t, dir+"/n", "m")
		}, "log=synced n/ n/m=m"},
		"a folder replaced by another one": {func(t *testing.T, dir string) {
			folderWith(t, dir+"/a", "b")
			folderWith(t, dir+"/n", "m")
			require.NoError(t, os.Remove(dir+"/a/b"))
			require.NoError(t, unix.Rename(dir+"/n", dir+"/a"))
		}, "a/ a/b=b log=synced n/ n/m=m"},
		"a folder replaced by another one for good": {func(t *testing.T, dir string) {
			folderWith(t, dir+"/a", "b")
			folderWith(t, dir+"/n", "m")
			require.NoError(t, os.Remove(dir+"/a/b"))
			require.NoError(t, os.Remove(dir+"/n/m"))
			require.NoError(t, unix.Rename(dir+"/n", dir+"/a"))
			syncFolder(t, dir)
		}, "a/ a/m=m log=synced"},
		"renames that fail": {func(t *testing.T, dir string) {
			folderWith(t, dir+"/a", "b")
			folderWith(t, dir+"/n")
			require.ErrorIs(t, os.Remove(dir+"/a"), syscall.ENOTEMPTY)
			require.ErrorIs(t, unix.Rename(dir+"/n", dir+"/a"), syscall.ENOTEMPTY)
			require.ErrorIs(t, unix.Rename(dir+"/log", dir+"/n"), syscall.EISDIR)
			require.ErrorIs(t, unix.Rename(dir+"/n", dir+"/log"), syscall.ENOTDIR)
			require.ErrorIs(t, unix.Renameat2(unix.AT_FDCWD, dir+"/a", unix.AT_FDCWD, dir+"/n", unix.RENAME_NOREPLACE), syscall.EEXIST)
			require.Equal(t, "a/ a/b=b log=synced n/", tree(t, dir))
		}, "a/ a/b=b log=synced n/"},
		"linked": {func(t *testing.T, dir string) { require.NoError(t, os.Link(dir+"/log", dir+"/more")) }, "log=synced"},
		"written through a mapping": {func(t *testing.T, dir string) {
			f, err := os.OpenFile(dir+"/log", os.O_RDWR, 0)
			require.NoError(t, err)
			m, err := unix.Mmap(int(f.Fd()), 0, 6, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			require.NoError(t, err)
			copy(m, "mapped")
			require.NoError(t, unix.Munmap(m))
			require.NoError(t, f.Close())
			text, err := os.ReadFile(dir + "/log")
			require.NoError(t, err)
			require.Equal(t, "mapped", string(text))
		}, "log=synced"},
	} {
		t.Run(name, func(t *testing.T) {
			d, dir := mounted(t)
			put(t, dir+"/log", "synced", true)
			syncFolder(t, dir)
			require.Zero(t, d.State().Unsynced)
			test.do(t, dir)
			unsynced := d.State().Unsynced
			loss, err := d.ForgetUnsynced(t.Context(), 0)
			require.NoError(t, err)
			require.Equal(t, test.want, tree(t, dir))
			require.Zero(t, d.State().Unsynced)
			require.Equal(t, unsynced, loss.Sectors+loss.Names)
			again, err := d.ForgetUnsynced(t.Context(), 0)
			require.NoError(t, err)
			require.Zero(t, again)
		})
	}
}

// A process that is only killed loses nothing, and neither does a disk that is taken away and mounted again.
func TestKillLosesNothing(t *testing.T) {
	if err := Probe(); err != nil {
		t.Skip("no disk can be mounted here: ", err)
	}
	dir := t.TempDir()
	for _, want := range []string{"", "log=written"} {
		d, err := Mount(dir)
		require.NoError(t, err)
		require.Equal(t, want, tree(t, dir))
		put(t, dir+"/log", "written", false)
		require.NoError(t, d.Unmount())
	}
}

func TestInUse(t *testing.T) {
	d, dir := mounted(t)
	f, err := os.Create(dir + "/log")
	require.NoError(t, err)
	hurried, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.ForgetUnsynced(hurried, 0)
	require.ErrorContains(t, err, "is in use (open files: 1): stop its process first")
	_, err = d.Wipe(hurried)
	require.ErrorContains(t, err, "in use")
	require.NoError(t, f.Close())
	_, err = d.ForgetUnsynced(t.Context(), 0)
	require.NoError(t, err)
}

func TestFailedSync(t *testing.T) {
	d, dir := mounted(t)
	f, err := os.Create(dir + "/log")
	require.NoError(t, err)
	syncFolder(t, dir)
	d.SetFault(nemesis.DiskFault{FailSyncs: true})
	_, err = f.WriteString("data")
	require.NoError(t, err)
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	require.ErrorIs(t, unix.Fdatasync(int(f.Fd())), syscall.EIO)
	d.SetFault(nemesis.DiskFault{})
	require.NoError(t, f.Sync(), "the second call of fsync succeeds")
	require.NoError(t, f.Close())
	require.EqualValues(t, 2, d.State().FailedSyncs)
	_, err = d.ForgetUnsynced(t.Context(), 0)
	require.NoError(t, err)
	require.NotContains(t, tree(t, dir), "data", "and has written nothing")
}

// A slow sync returns when the disk is mended.
func TestSlowSync(t *testing.T) {
	d, dir := mounted(t)
	f, err := os.Create(dir + "/log")
	require.NoError(t, err)
	_, err = f.WriteString("data")
	require.NoError(t, err)
	d.SetFault(nemesis.DiskFault{SlowSyncs: time.Hour})
	done := make(chan error)
	go func() { done <- f.Sync() }()
	require.Eventually(t, func() bool { return d.State().Syncs == 1 }, 10*time.Second, time.Millisecond)
	require.Equal(t, 2, d.State().Unsynced, "the data and the name")
	select {
	case err := <-done:
		t.Fatal("the sync is over at once: ", err)
	default:
	}
	d.SetFault(nemesis.DiskFault{})
	require.NoError(t, <-done)
	require.EqualValues(t, 1, d.State().SlowedSyncs)
	require.Equal(t, 1, d.State().Unsynced)
	require.NoError(t, f.Close())
}

// A process that waits for a slow sync can be killed, and what it waited for is not durable.
func TestKilledInSync(t *testing.T) {
	d, dir := mounted(t)
	d.SetFault(nemesis.DiskFault{SlowSyncs: time.Hour})
	cmd := exec.Command("dd", "if=/dev/zero", "of="+dir+"/log", "count=1", "conv=fsync")
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return d.State().Syncs == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Zero(t, d.State().SlowedSyncs)
	require.Equal(t, 2, d.State().Unsynced)
}

// A signal does not cut a sync short: a program that calls fsync by itself would take EINTR for a failure. It can be killed all the same.
func TestSignalledInSync(t *testing.T) {
	const file, kill = "ORDEAL_TEST_SYNC", "killed after a signal"
	if path := os.Getenv(file); path != "" {
		syncRaw(path)
	}
	for _, end := range []string{"mended", kill} {
		t.Run(end, func(t *testing.T) {
			d, dir := mounted(t)
			d.SetFault(nemesis.DiskFault{SlowSyncs: time.Hour})
			cmd := exec.Command(os.Args[0], "-test.run=^TestSignalledInSync$")
			cmd.Env = append(os.Environ(), file+"="+dir+"/log")
			require.NoError(t, cmd.Start())
			require.Eventually(t, func() bool { return d.State().Syncs == 1 }, 60*time.Second, time.Millisecond)
			for range 20 {
				signalAllThreads(t, cmd.Process.Pid)
				time.Sleep(killLooks) // so that the kernel and the disk see more than one
			}
			if end == kill {
				require.NoError(t, cmd.Process.Kill())
				require.ErrorContains(t, cmd.Wait(), "killed")
				require.Zero(t, d.State().SlowedSyncs)
				require.Equal(t, 2, d.State().Unsynced)
				return
			}
			d.SetFault(nemesis.DiskFault{})
			require.NoError(t, cmd.Wait(), "the exit status is the errno of fdatasync")
			require.EqualValues(t, 1, d.State().SlowedSyncs)
		})
	}
}

// signalAllThreads sends what Go's scheduler sends to threads, to whichever of them makes the call.
func signalAllThreads(t *testing.T, pid int) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	require.NoError(t, err)
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		require.NoError(t, err)
		if err := unix.Tgkill(pid, id, unix.SIGURG); err != unix.ESRCH { // it may have ended
			require.NoError(t, err)
		}
	}
}

// syncRaw ends this process with the errno of one fdatasync that nothing makes again.
func syncRaw(path string) {
	f, err := os.Create(path)
	if err == nil {
		_, err = f.WriteString("data")
	}
	if err != nil {
		os.Exit(255)
	}
	_, _, errno := syscall.Syscall(syscall.SYS_FDATASYNC, f.Fd(), 0, 0)
	os.Exit(int(errno))
}

// No child inherits the connection: a process that holds its own file system's would hang for ever once this one is gone.
func TestNoChildInheritsTheConnection(t *testing.T) {
	mounted(t)
	out, err := exec.Command("sh", "-c", "ls -l /proc/self/fd").CombinedOutput()
	require.NoError(t, err)
	require.NotContains(t, string(out), "/dev/fuse")
}

func TestFull(t *testing.T) {
	d, dir := mounted(t)
	f, err := os.Create(dir + "/log")
	require.NoError(t, err)
	defer f.Close()
	d.SetFault(nemesis.DiskFault{Full: true})
	_, err = f.WriteString("data")
	require.ErrorIs(t, err, syscall.ENOSPC)
	_, err = os.Create(dir + "/new")
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorIs(t, os.Mkdir(dir+"/folder", 0o755), syscall.ENOSPC)
	require.ErrorIs(t, f.Truncate(100), syscall.ENOSPC)
	require.ErrorIs(t, unix.Fallocate(int(f.Fd()), 0, 0, 100), syscall.ENOSPC)
	require.NoError(t, f.Sync(), "what is there can be synced")
	require.EqualValues(t, 5, d.State().Refused)
	d.SetFault(nemesis.DiskFault{})
	_, err = f.WriteString("data")
	require.NoError(t, err)
}

func TestFlipBit(t *testing.T) {
	d, dir := mounted(t)
	f, err := os.Create(dir + "/1.wal")
	require.NoError(t, err)
	for _, text := range []string{"first ", "second ", "last"} {
		_, err = f.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
	}
	require.NoError(t, f.Close())
	put(t, dir+"/other", "untouched", true)

	_, err = d.FlipBit(t.Context(), "*.none", 1)
	require.ErrorContains(t, err, `no file like "*.none"`)
	var offsets []int64
	for seed := range uint64(20) {
		before := tree(t, dir)
		flip, err := d.FlipBit(t.Context(), "*.wal", seed)
		require.NoError(t, err)
		require.Equal(t, "1.wal", flip.File)
		require.NotEqual(t, flip.Before, flip.After)
		require.NotEqual(t, before, tree(t, dir))
		require.Contains(t, tree(t, dir), "last", "what was synced last is left alone")
		require.Contains(t, tree(t, dir), "other=untouched")
		offsets = append(offsets, flip.Offset)
		back, err := d.RestoreBits(t.Context())
		require.NoError(t, err)
		require.Len(t, back, 1)
		require.Equal(t, flip.Before, back[0].After, "the file is what it was")
		require.Equal(t, before, tree(t, dir))
	}
	require.Less(t, slices.Max(offsets), int64(len("first second ")))
	require.Greater(t, len(slices.Compact(slices.Sorted(slices.Values(offsets)))), 3)
}

// A flipped bit is mended also by who comes after the disk's process.
func TestFlipOutlivesTheDisk(t *testing.T) {
	if err := Probe(); err != nil {
		t.Skip("no disk can be mounted here: ", err)
	}
	dir := t.TempDir()
	d, err := Mount(dir)
	require.NoError(t, err)
	put(t, dir+"/1.wal", "first", true)
	f, err := os.OpenFile(dir+"/1.wal", os.O_RDWR|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString(" second")
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	_, err = d.FlipBit(t.Context(), "*.wal", 1)
	require.NoError(t, err)
	require.NoError(t, d.Unmount())
	d, err = Mount(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Unmount()) }()
	require.NotContains(t, tree(t, dir), "first second")
	back, err := d.RestoreBits(t.Context())
	require.NoError(t, err)
	require.Len(t, back, 1)
	require.Equal(t, "1.wal=first second", tree(t, dir))
}

func TestWipe(t *testing.T) {
	d, dir := mounted(t)
	put(t, dir+"/a", "synced", true)
	require.NoError(t, os.Mkdir(dir+"/b", 0o755))
	put(t, dir+"/b/c", "not synced", false)
	n, err := d.Wipe(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Empty(t, tree(t, dir))
	require.Zero(t, d.State().Unsynced)
	put(t, dir+"/a", "new", false)
	require.Equal(t, "a=new", tree(t, dir))
}

// A mount whose server is gone hangs in the air until it is detached. Files that are still open in it are none any more.
func TestDetach(t *testing.T) {
	d, dir := mounted(t)
	f, err := os.Create(dir + "/log")
	require.NoError(t, err)
	was, err := Detach(dir)
	require.NoError(t, err)
	require.True(t, was)
	require.NotContains(t, mounts(t), dir)
	for _, none := range []string{dir, dir + "/nowhere", "/"} {
		was, err = Detach(none)
		require.NoError(t, err)
		require.False(t, was)
	}
	_, err = f.WriteString("more")
	require.ErrorIs(t, err, syscall.ENOTCONN, "nothing goes on behind the mount that is gone")
	require.ErrorIs(t, f.Close(), syscall.ENOTCONN)
	_, err = os.Stat(dir + "/log")
	require.True(t, errors.Is(err, os.ErrNotExist))
	_ = d
}

// A process that serves a disk and waits for it itself cannot end when it is killed, until the disk is detached.
func TestDetachLetsGoOfItsOwnServer(t *testing.T) {
	const folder = "ORDEAL_TEST_OWN_DISK"
	if dir := os.Getenv(folder); dir != "" {
		waitForOwnDisk(t, dir)
		return
	}
	if err := Probe(); err != nil {
		t.Skip("no disk can be mounted here: ", err)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDetachLetsGoOfItsOwnServer$")
	cmd.Env = append(os.Environ(), folder+"="+dir)
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = said.Read(make([]byte, 1)) // it waits
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	was, err := Detach(dir)
	require.NoError(t, err)
	require.True(t, was)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	require.Eventually(t, func() bool { return len(ended) > 0 }, 10*time.Second, time.Millisecond)
}

// waitForOwnDisk says so once this process waits for a disk that it serves.
func waitForOwnDisk(t *testing.T, dir string) {
	d, err := Mount(dir)
	require.NoError(t, err)
	d.SetFault(nemesis.DiskFault{SlowSyncs: time.Hour})
	go func() {
		for d.State().Syncs == 0 {
			time.Sleep(time.Millisecond)
		}
		fmt.Println("waiting")
	}()
	put(t, dir+"/log", "data", true)
}

// What was there when a disk settled outlives a loss of power, and nothing that came after does.
func TestSettle(t *testing.T) {
	d, dir := mounted(t)
	require.NoError(t, os.Mkdir(dir+"/new", 0o755))
	put(t, dir+"/new/log", "before", false)
	require.NoError(t, d.Settle())
	require.Zero(t, d.State().Unsynced)
	put(t, dir+"/new/log", "after!", false)
	put(t, dir+"/new/other", "x", false)
	_, err := d.ForgetUnsynced(t.Context(), 0)
	require.NoError(t, err)
	text, err := os.ReadFile(dir + "/new/log")
	require.NoError(t, err)
	require.Equal(t, "before", string(text))
	require.NoFileExists(t, dir+"/new/other")
}

// The last log is cut off where a sync of it began; whoever goes on writes there, and a loss of power brings nothing back.
func TestCutLog(t *testing.T) {
	d, dir := mounted(t)
	_, err := d.CutLog(t.Context(), "*.wal", 1)
	require.ErrorContains(t, err, `no file like "*.wal"`)
	put(t, dir+"/1.wal", "old", true)
	put(t, dir+"/2.wal", "0000", true)
	syncFolder(t, dir)
	f, err := os.OpenFile(dir+"/2.wal", os.O_RDWR|os.O_APPEND, 0)
	require.NoError(t, err)
	for _, text := range []string{"1111", "2222", "3333", "4444", "5555", "6666", "7777"} {
		_, err = f.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
	}
	_, err = f.WriteString("unsynced")
	require.NoError(t, err)
	hurried, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = d.CutLog(hurried, "*.wal", 1)
	require.ErrorContains(t, err, "is in use")
	require.NoError(t, f.Close())
	whole, err := os.ReadFile(dir + "/2.wal")
	require.NoError(t, err)

	cut, err := d.CutLog(t.Context(), "*.wal", 1)
	require.NoError(t, err)
	require.Equal(t, "2.wal", cut.File)
	require.Equal(t, hash(whole), cut.Before)
	require.EqualValues(t, len(whole), cut.Size)
	require.Equal(t, hash(whole[:cut.Kept]), cut.After)
	require.Zero(t, cut.Kept%4, "a sync began there")
	require.EqualValues(t, 32-4*cut.Syncs, cut.Kept)
	require.Positive(t, cut.Kept)
	require.Less(t, cut.Kept, int64(28))
	_, err = d.ForgetUnsynced(t.Context(), 0)
	require.NoError(t, err)
	left, err := os.ReadFile(dir + "/2.wal")
	require.NoError(t, err)
	require.Equal(t, string(whole[:cut.Kept]), string(left))

	put(t, dir+"/3.wal", "new", true)
	_, err = d.CutLog(t.Context(), "*.wal", 1)
	require.ErrorContains(t, err, "3.wal holds nothing that was synced behind something else", "to cut an older one would be noticed")
}
