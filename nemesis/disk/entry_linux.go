package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	gofuse "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// entry is a file or folder as the process sees it. What changes names or bytes goes through the disk's memory; all else is
// the loopback's.
type entry struct {
	*gofuse.LoopbackNode
	disk *Disk
}

// handle is an open file.
type handle struct {
	*gofuse.LoopbackFile
	file *file
	disk *Disk
}

// folder is an open folder.
type folder struct {
	folderStream
	inode uint64
	disk  *Disk
}

type folderStream interface {
	gofuse.FileReaddirenter
	gofuse.FileReleasedirer
	gofuse.FileSeekdirer
}

var (
	_ gofuse.NodeWrapChilder     = (*entry)(nil)
	_ gofuse.NodeOpener          = (*entry)(nil)
	_ gofuse.NodeCreater         = (*entry)(nil)
	_ gofuse.NodeSetattrer       = (*entry)(nil)
	_ gofuse.NodeUnlinker        = (*entry)(nil)
	_ gofuse.NodeRenamer         = (*entry)(nil)
	_ gofuse.FileWriter          = (*handle)(nil)
	_ gofuse.FileWritever        = (*handle)(nil)
	_ gofuse.FileFsyncer         = (*handle)(nil)
	_ gofuse.FileReleaser        = (*handle)(nil)
	_ gofuse.FileAllocater       = (*handle)(nil)
	_ gofuse.FilePassthroughFder = (*handle)(nil)
	_ gofuse.FileFsyncdirer      = (*folder)(nil)
)

func (e *entry) WrapChild(_ context.Context, ops gofuse.InodeEmbedder) gofuse.InodeEmbedder {
	return &entry{ops.(*gofuse.LoopbackNode), e.disk}
}

// path is where the entry is below the layer.
func (e *entry) path() string {
	return filepath.Join(e.RootData.Path, e.Path(e.Root()))
}

// Open opens for reading too: what is written over has to be remembered.
func (e *entry) Open(_ context.Context, flags uint32) (gofuse.FileHandle, uint32, syscall.Errno) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	h, errno := e.disk.open(e.path(), int(flags))
	if errno == 0 && flags&syscall.O_TRUNC != 0 {
		if errno = gofuse.ToErrno(h.file.truncate(0)); errno != 0 {
			e.disk.close(h)
		}
	}
	if errno != 0 {
		return nil, 0, errno
	}
	return h, 0, 0
}

// open opens a file below the layer, whatever for, for reading and writing. The lock is held.
func (d *Disk) open(path string, flags int) (*handle, syscall.Errno) {
	flags &^= syscall.O_APPEND | fuse.FMODE_EXEC | syscall.O_TRUNC | syscall.O_CREAT | syscall.O_EXCL | syscall.O_ACCMODE
	f, err := os.OpenFile(path, flags|syscall.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, gofuse.ToErrno(err)
	}
	return d.handle(f)
}

// handle makes a handle of an open file, which it takes.
func (d *Disk) handle(f *os.File) (*handle, syscall.Errno) {
	own, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		f.Close()
		return nil, gofuse.ToErrno(err)
	}
	taken, err := d.take(os.NewFile(uintptr(own), f.Name()))
	if err != nil {
		f.Close()
		return nil, gofuse.ToErrno(err)
	}
	return &handle{gofuse.NewLoopbackFileFromOS(f), taken, d}, 0
}

func (d *Disk) close(h *handle) {
	d.drop(h.file)
	_ = h.LoopbackFile.Release(context.Background())
}

func (e *entry) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*gofuse.Inode, gofuse.FileHandle, uint32, syscall.Errno) {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if errno := d.room(); errno != 0 {
		return nil, nil, 0, errno
	}
	path := filepath.Join(e.path(), name)
	_, err := os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	inode, made, fuseFlags, errno := e.LoopbackNode.Create(ctx, name, flags&^(syscall.O_ACCMODE|syscall.O_TRUNC)|syscall.O_RDWR, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	_ = made.(*gofuse.LoopbackFile).Release(ctx) // the handle has one of its own
	if isNew {
		e.undoable(path)
	}
	h, errno := d.open(path, int(flags)) // the inode has no path yet
	if errno != 0 {
		return nil, nil, 0, errno
	}
	if isNew {
		h.file.guard, h.file.starts = 0, nil // what is known of its inode is of a file that is gone
	} else if flags&syscall.O_TRUNC != 0 {
		errno = gofuse.ToErrno(h.file.truncate(0))
	}
	if errno != 0 {
		d.close(h)
		return nil, nil, 0, errno
	}
	return inode, h, fuseFlags, 0
}

// undoable notes a new name: a loss of power takes it away. The lock is held.
func (e *entry) undoable(path string) {
	at, err := e.disk.placeOf(path)
	if err != nil {
		return // the folder is gone, and the name with it
	}
	e.disk.state.Writes++
	e.disk.names.add(change{undo: at.remove}, at.folder)
}

func (e *entry) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*gofuse.Inode, syscall.Errno) {
	return e.add(name, func() (*gofuse.Inode, syscall.Errno) { return e.LoopbackNode.Mkdir(ctx, name, mode, out) })
}

func (e *entry) Mknod(ctx context.Context, name string, mode, device uint32, out *fuse.EntryOut) (*gofuse.Inode, syscall.Errno) {
	return e.add(name, func() (*gofuse.Inode, syscall.Errno) { return e.LoopbackNode.Mknod(ctx, name, mode, device, out) })
}

func (e *entry) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*gofuse.Inode, syscall.Errno) {
	return e.add(name, func() (*gofuse.Inode, syscall.Errno) { return e.LoopbackNode.Symlink(ctx, target, name, out) })
}

func (e *entry) Link(ctx context.Context, target gofuse.InodeEmbedder, name string, out *fuse.EntryOut) (*gofuse.Inode, syscall.Errno) {
	to, ok := target.(*entry)
	if !ok {
		return nil, syscall.EXDEV
	}
	return e.add(name, func() (*gofuse.Inode, syscall.Errno) { return e.LoopbackNode.Link(ctx, to.LoopbackNode, name, out) })
}

func (e *entry) add(name string, make func() (*gofuse.Inode, syscall.Errno)) (*gofuse.Inode, syscall.Errno) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	if errno := e.disk.room(); errno != 0 {
		return nil, errno
	}
	inode, errno := make()
	if errno == 0 {
		e.undoable(filepath.Join(e.path(), name))
	}
	return inode, errno
}

// Tmpfile is refused: a nameless file that is linked later would need a memory of its own. Programs have to do without it
// on many file systems.
func (e *entry) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*gofuse.Inode, gofuse.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

func (e *entry) Unlink(ctx context.Context, name string) syscall.Errno {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	at, err := d.placeOf(filepath.Join(e.path(), name))
	if err != nil {
		return gofuse.ToErrno(err)
	}
	kept, err := d.keep(at.path)
	if err != nil {
		return gofuse.ToErrno(err)
	}
	if errno := e.LoopbackNode.Unlink(ctx, name); errno != 0 {
		os.Remove(kept)
		return errno
	}
	d.state.Writes++
	d.names.add(d.removal(at, kept, 0), at.folder)
	return 0
}

// Rmdir puts an empty folder out of sight: it has the same inode when it comes back, by which the names that it had are known.
func (e *entry) Rmdir(_ context.Context, name string) syscall.Errno {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	at, err := d.placeOf(filepath.Join(e.path(), name))
	if err != nil {
		return gofuse.ToErrno(err)
	}
	kept, inode, err := d.keepFolder(at.path)
	if err != nil {
		return gofuse.ToErrno(err)
	}
	d.state.Writes++
	d.names.add(d.removal(at, kept, inode), at.folder)
	return 0
}

func (e *entry) Rename(ctx context.Context, name string, parent gofuse.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, ok := parent.(*entry)
	switch {
	case !ok:
		return syscall.EXDEV
	case flags&unix.RENAME_EXCHANGE != 0:
		return syscall.EINVAL
	}
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	from, err := d.placeOf(filepath.Join(e.path(), name))
	if err != nil {
		return gofuse.ToErrno(err)
	}
	target, err := d.placeOf(filepath.Join(to.path(), newName))
	if err != nil {
		return gofuse.ToErrno(err)
	}
	replaced, err := d.replaced(from, target, flags)
	if err != nil {
		return gofuse.ToErrno(err)
	}
	if errno := e.LoopbackNode.Rename(ctx, name, to.LoopbackNode, newName, flags); errno != 0 {
		_ = replaced.undo() // a folder has to come back; a file never went
		replaced.settle()
		return errno
	}
	d.state.Writes++
	undo := func() error { return errors.Join(target.moveTo(from), replaced.undo()) }
	d.names.add(change{undo: undo, settle: replaced.settle, gone: replaced.gone}, from.folder, target.folder)
	return 0
}

func (e *entry) Setattr(ctx context.Context, h gofuse.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	size, ok := in.GetSize()
	if !ok {
		return e.LoopbackNode.Setattr(ctx, loopbackOf(h), in, out)
	}
	e.disk.mu.Lock()
	errno := e.truncate(h, int64(size))
	e.disk.mu.Unlock()
	if errno != 0 {
		return errno
	}
	in.Valid &^= fuse.FATTR_SIZE
	return e.LoopbackNode.Setattr(ctx, loopbackOf(h), in, out)
}

// loopbackOf is the handle that the loopback knows.
func loopbackOf(h gofuse.FileHandle) gofuse.FileHandle {
	if own, ok := h.(*handle); ok {
		return own.LoopbackFile
	}
	return nil
}

func (e *entry) truncate(h gofuse.FileHandle, size int64) syscall.Errno {
	own, ok := h.(*handle)
	if !ok {
		opened, errno := e.disk.open(e.path(), 0)
		if errno != 0 {
			return errno
		}
		own = opened
		defer e.disk.close(opened)
	}
	if now, err := own.file.file.Size(); err != nil {
		return gofuse.ToErrno(err)
	} else if size > now {
		if errno := e.disk.room(); errno != 0 {
			return errno
		}
	}
	e.disk.state.Writes++
	return gofuse.ToErrno(own.file.truncate(size))
}

// CopyFileRange is left to the caller, who reads and writes then.
func (e *entry) CopyFileRange(context.Context, gofuse.FileHandle, uint64, *gofuse.Inode, gofuse.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.EOPNOTSUPP
}

func (e *entry) OpendirHandle(ctx context.Context, flags uint32) (gofuse.FileHandle, uint32, syscall.Errno) {
	inode, err := inodeAt(e.path())
	if err != nil {
		return nil, 0, gofuse.ToErrno(err)
	}
	h, fuseFlags, errno := e.LoopbackNode.OpendirHandle(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return &folder{h.(folderStream), inode, e.disk}, fuseFlags, 0
}

func (f *folder) Fsyncdir(ctx context.Context, _ uint32) syscall.Errno {
	before := f.disk.changes() // names may be changed while the sync is under way
	return f.disk.sync(ctx, func() error { f.disk.names.sync(f.inode, before); return nil }, func() {})
}

// changes is how many changes of names there were.
func (d *Disk) changes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names.next
}

func (h *handle) Write(_ context.Context, data []byte, at int64) (uint32, syscall.Errno) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if errno := h.disk.room(); errno != 0 {
		return 0, errno
	}
	h.disk.state.Writes++
	n, err := h.file.write(data, at)
	return uint32(n), gofuse.ToErrno(err)
}

// Writev is a write in several pieces.
func (h *handle) Writev(ctx context.Context, pieces [][]byte, at int64) (uint32, syscall.Errno) {
	var written uint32
	for _, p := range pieces {
		n, errno := h.Write(ctx, p, at+int64(written))
		written += n
		if errno != 0 && written == 0 {
			return 0, errno
		}
		if int(n) < len(p) {
			break
		}
	}
	return written, 0
}

// PassthroughFd: there is none. The kernel would write past the layer.
func (h *handle) PassthroughFd() (int, bool) { return 0, false }

func (h *handle) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	return h.disk.sync(ctx, h.file.sync, h.file.failSync)
}

func (h *handle) Allocate(_ context.Context, at, size uint64, mode uint32) syscall.Errno {
	if mode&^unix.FALLOC_FL_KEEP_SIZE != 0 {
		return syscall.EOPNOTSUPP // to punch holes changes bytes
	}
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if errno := h.disk.room(); errno != 0 {
		return errno
	}
	return gofuse.ToErrno(syscall.Fallocate(int(h.file.os.Fd()), mode, int64(at), int64(size)))
}

func (h *handle) Release(ctx context.Context) syscall.Errno {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.disk.drop(h.file)
	return h.LoopbackFile.Release(ctx)
}
