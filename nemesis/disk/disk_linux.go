package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Folders below the layer, in the folder that it covers.
const (
	filesFolder   = "files"   // what the process sees
	removedFolder = "removed" // removed files whose removal is not durable
	flipsFile     = "flips"   // flipped bits: they are to be mended even if this process dies
)

// fileSystem is how the mount shows in /proc/self/mountinfo: fuse.ordeal-disk.
const fileSystem = "ordeal-disk"

// Disk is a mounted layer. Its methods may be called from any goroutine; those that change what is at rest want
// no process to be using the disk.
type Disk struct {
	mount  string
	below  *os.File // the folder covered, as it was before
	server *fuse.Server

	mu      sync.Mutex
	fault   nemesis.DiskFault
	changed chan struct{} // closed when the fault changes
	state   nemesis.DiskState
	handles int              // open files
	closed  chan struct{}    // closed when one was, and made anew
	files   map[uint64]*file // by inode: those that are open or not clean
	pasts   map[uint64]past  // likewise, of those that are neither
	names   names
	trash   int
	flips   []nemesis.Flip
}

// past is what is to be known of a file's syncs that are done: its ledger's guard and starts.
type past struct {
	guard  int64
	starts []int64
}

// file is one inode.
type file struct {
	*ledger
	os      *os.File // of its own: it is needed after the process has closed its
	inode   uint64
	handles int
}

// Mount covers the folder with a disk in good order. Files that are in it already are not on the disk, but for those of an
// earlier disk on the same folder.
func Mount(dir string) (*Disk, error) {
	// The folder below is reached through an open descriptor, since its own path leads to the mount from now on.
	below, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	d := &Disk{mount: dir, below: below, changed: make(chan struct{}), closed: make(chan struct{}), files: map[uint64]*file{}, pasts: map[uint64]past{}}
	if err := d.start(); err != nil {
		below.Close()
		return nil, err
	}
	return d, nil
}

func (d *Disk) start() error {
	if err := os.RemoveAll(d.lower(removedFolder)); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	for _, folder := range []string{filesFolder, removedFolder} {
		if err := os.MkdirAll(d.lower(folder), 0o755); err != nil {
			return fmt.Errorf("disk: %w", err)
		}
	}
	if err := d.readFlips(); err != nil {
		return err
	}
	loopback, err := fs.NewLoopbackRoot(d.lower(filesFolder))
	if err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	root := &entry{loopback.(*fs.LoopbackNode), d}
	root.RootData.RootNode = root
	var always time.Duration // nothing is cached that a loss of power may change
	server, err := mountFUSE(d.mount, root, &fs.Options{
		AttrTimeout: &always, EntryTimeout: &always, NegativeTimeout: &always,
		Logger: log.New(io.Discard, "", 0), // what it logs are calls that came in after the unmount
		MountOptions: fuse.MountOptions{
			FsName: fileSystem, Name: fileSystem, MaxWrite: 1 << 20, DirectMountStrict: os.Geteuid() == 0,
			Logger: log.New(io.Discard, "", 0),
		},
	})
	if err != nil {
		_, _ = Detach(d.mount)
		return fmt.Errorf("disk: mount FUSE over %s: %w%s", d.mount, err, remedy(err))
	}
	d.server = server
	return nil
}

// mountFUSE mounts the tree such that no child of this process inherits the connection to the kernel, which the library leaves open to
// them: the kernel lets go of those who wait for this process only when the last descriptor is closed, and a node that held
// its own file system's would wait for ever once this process is gone.
func mountFUSE(dir string, root fs.InodeEmbedder, o *fs.Options) (*fuse.Server, error) {
	if !o.DirectMountStrict { // it has fusermount started, and closes the connection for others itself
		return fs.Mount(dir, root, o)
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	server, err := fs.Mount(dir, root, o)
	if err != nil {
		return nil, err
	}
	return server, closeFUSEOnExec()
}

func closeFUSEOnExec() error {
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, d := range descriptors {
		to, err := os.Readlink(filepath.Join("/proc/self/fd", d.Name()))
		if n, e := strconv.Atoi(d.Name()); err == nil && e == nil && to == "/dev/fuse" {
			syscall.CloseOnExec(n)
		}
	}
	return nil
}

// lower is a path below the layer.
func (d *Disk) lower(elem ...string) string {
	return filepath.Join(append([]string{"/proc/self/fd", strconv.Itoa(int(d.below.Fd()))}, elem...)...)
}

// Unmount uncovers the folder. What is written and not synced stays. A mount that something still uses is
// detached all the same, and whatever that does with it fails.
func (d *Disk) Unmount() error {
	err := d.server.Unmount()
	if err != nil {
		_, err = Detach(d.mount)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		f.os.Close()
	}
	d.files = map[uint64]*file{}
	return errors.Join(err, d.below.Close())
}

// SetFault puts exactly this fault in force.
func (d *Disk) SetFault(f nemesis.DiskFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
	close(d.changed)
	d.changed = make(chan struct{})
}

// State tells the disk's state now.
func (d *Disk) State() nemesis.DiskState {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.state
	s.Fault, s.Unsynced = d.fault, len(d.names.changes)
	for _, f := range d.files {
		s.Unsynced += len(f.old)
	}
	return s
}

// ForgetUnsynced takes away what was written and not synced; see nemesis.Disks.
func (d *Disk) ForgetUnsynced(ctx context.Context, seed uint64) (nemesis.PowerLoss, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var loss nemesis.PowerLoss
	var errs []error
	if err := d.unused(ctx); err != nil {
		return loss, err
	}
	var rng *rand.Rand
	if seed != 0 {
		rng = rand.New(rand.NewPCG(seed, 0x6469736b))
	}
	inodes := make([]uint64, 0, len(d.files))
	for inode := range d.files {
		inodes = append(inodes, inode)
	}
	slices.Sort(inodes)
	for _, inode := range inodes {
		lost, kept, err := d.files[inode].lose(rng)
		loss.Sectors, loss.Kept = loss.Sectors+lost, loss.Kept+kept
		errs = append(errs, err)
	}
	lost, kept, err := d.names.lose(rng)
	loss.Names, loss.Kept = lost, loss.Kept+kept
	errs = append(errs, err)
	for _, f := range d.files {
		d.letGo(f)
	}
	return loss, errors.Join(errs...)
}

// Settle makes durable all that is there now, as a machine does by itself in its own time.
func (d *Disk) Settle() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, f := range d.files {
		errs = append(errs, f.sync())
	}
	d.names.settle()
	return errors.Join(errs...)
}

// unused waits until no process has a file open, and refuses when one keeps it. The kernel tells of closed files a little
// after they were closed, and of those of a killed process a little after its end. The lock is held, but while it waits.
func (d *Disk) unused(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, unusedAwaited)
	defer cancel()
	for d.handles > 0 {
		closed := d.closed
		d.mu.Unlock()
		select {
		case <-closed:
		case <-ctx.Done():
		}
		d.mu.Lock()
		if ctx.Err() != nil && d.handles > 0 {
			return fmt.Errorf("disk: %s is in use (open files: %d): stop its process first", d.mount, d.handles)
		}
	}
	return nil
}

// unusedAwaited is how long at most.
const unusedAwaited = 5 * time.Second

// sync is one fsync of a file or folder, which done makes durable, or failed dooms. Both are called with the lock held. The
// kernel lets nobody write to a file while a sync of it is under way.
func (d *Disk) sync(ctx context.Context, done func() error, failed func()) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.Syncs++
	if !d.dawdle(ctx) {
		return syscall.EINTR // its process was killed
	}
	if d.fault.FailSyncs {
		d.state.FailedSyncs++
		failed()
		return syscall.EIO
	}
	return fs.ToErrno(done())
}

// dawdle lets go of the lock for as long as a sync is slow. It reports whether its process still waits.
//
// A signal to the caller is no reason to answer: the kernel tells of any signal, once, and a disk does not let go of a caller for one.
// What it answers with EINTR a program that calls fsync by itself takes for a failure of the disk, and Go programs send
// themselves signals all the time. Only who is being killed is not waited for.
func (d *Disk) dawdle(ctx context.Context) bool {
	slow := d.fault.SlowSyncs > 0
	signalled := ctx.Done()
	for begin := time.Now(); d.fault.SlowSyncs > 0; {
		left, changed := d.fault.SlowSyncs-time.Since(begin), d.changed
		if left <= 0 {
			break
		}
		if signalled == nil {
			left = min(left, killLooks)
		}
		timer := time.NewTimer(left)
		d.mu.Unlock()
		select {
		case <-timer.C:
		case <-changed:
		case <-signalled:
			signalled = nil
		}
		timer.Stop()
		killed := signalled == nil && isKilled(ctx)
		d.mu.Lock()
		if killed {
			return false
		}
	}
	if slow {
		d.state.SlowedSyncs++
	}
	return true
}

// room refuses while the disk is full. The lock is held.
func (d *Disk) room() syscall.Errno {
	if !d.fault.Full {
		return 0
	}
	d.state.Refused++
	return syscall.ENOSPC
}

// take gives the file of an open descriptor, which becomes its own. The lock is held.
func (d *Disk) take(opened *os.File) (*file, error) {
	inode, err := inodeOf(opened)
	if err != nil {
		return nil, err
	}
	f, ok := d.files[inode]
	if ok {
		opened.Close()
	} else {
		l, err := newLedger(sized{opened})
		if err != nil {
			return nil, err
		}
		l.guard, l.starts = d.pasts[inode].guard, d.pasts[inode].starts
		delete(d.pasts, inode)
		f = &file{ledger: l, os: opened, inode: inode}
		d.files[inode] = f
	}
	f.handles++
	d.handles++
	return f, nil
}

// drop ends the use of a file by one handle. The lock is held.
func (d *Disk) drop(f *file) {
	f.handles--
	d.handles--
	close(d.closed)
	d.closed = make(chan struct{})
	d.letGo(f)
}

// letGo forgets a file that is closed and clean. The lock is held.
func (d *Disk) letGo(f *file) {
	if f.handles > 0 {
		return
	}
	var st syscall.Stat_t
	gone := syscall.Fstat(int(f.os.Fd()), &st) == nil && st.Nlink == 0
	if !gone && !f.clean() {
		return
	}
	if !gone && f.guard+int64(len(f.starts)) > 0 {
		d.pasts[f.inode] = past{f.guard, f.starts}
	}
	delete(d.files, f.inode)
	f.os.Close()
}

// sized is a file of the machine as content.
type sized struct{ *os.File }

func (s sized) Size() (int64, error) {
	info, err := s.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func inodeOf(f *os.File) (uint64, error) {
	var st syscall.Stat_t
	err := syscall.Fstat(int(f.Fd()), &st)
	return st.Ino, err
}

func inodeAt(path string) (uint64, error) {
	var st syscall.Stat_t
	err := syscall.Lstat(path, &st)
	return st.Ino, err
}

// Detach takes away the mount of a disk whose server is gone, or that is in use, and lets go of those who wait for its answers: a
// server that was killed while it was itself a caller (the library tries the mount out) could not end before. It reports
// whether there was one.
func Detach(dir string) (bool, error) {
	if is, err := isMounted(dir); !is {
		return false, err
	}
	err := unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EPERM) {
		err = fusermountDetach(dir)
	}
	if err != nil {
		return false, fmt.Errorf("disk: unmount %s: %w", dir, err)
	}
	return true, nil
}

// isMounted reports whether a disk covers the folder.
func isMounted(dir string) (bool, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, fmt.Errorf("disk: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		// 36 35 98:0 / /the/folder rw,noatime shared:1 - fuse.ordeal-disk ordeal-disk rw
		fields := strings.Fields(line)
		if len(fields) > 4 && unescape.Replace(fields[4]) == dir && strings.Contains(line, " - fuse."+fileSystem+" ") {
			return true, nil
		}
	}
	return false, nil
}

// unescape reads a path as the kernel writes it there.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
