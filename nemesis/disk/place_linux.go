package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// place is a name in a folder. The folder is known by its inode: it may be renamed, durably, before a name in it is undone.
type place struct {
	disk   *Disk
	folder uint64
	path   string // when it was made
}

func (d *Disk) placeOf(path string) (place, error) {
	folder, err := inodeAt(filepath.Dir(path))
	return place{d, folder, path}, err
}

// now is the path of the place. False: the folder is gone for good, and what was in it with it.
func (p place) now() (string, bool, error) {
	if inode, err := inodeAt(filepath.Dir(p.path)); err == nil && inode == p.folder {
		return p.path, true, nil
	}
	found := ""
	err := filepath.WalkDir(p.disk.lower(filesFolder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		inode, err := inodeAt(path)
		if err == nil && inode == p.folder {
			found = filepath.Join(path, filepath.Base(p.path))
			return fs.SkipAll
		}
		return err
	})
	return found, found != "", err
}

// remove takes away what is there, a folder with what is in it.
func (p place) remove() error {
	path, there, err := p.now()
	if err != nil || !there {
		return err
	}
	return os.RemoveAll(path)
}

// restore gives what was kept its name again.
func (p place) restore(kept string) error {
	path, there, err := p.now()
	if err != nil || !there {
		return err
	}
	return os.Rename(kept, path)
}

// moveTo undoes a rename that came from there. What is not here any more was undone with something else.
func (p place) moveTo(from place) error {
	here, there, err := p.now()
	if err != nil || !there {
		return err
	}
	back, there, err := from.now()
	if err != nil || !there {
		return err
	}
	if err := os.Rename(here, back); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// replaced keeps what is about to be replaced by a rename, if anything is. The lock is held.
func (d *Disk) replaced(from, to place, flags uint32) (change, error) {
	nothing := change{undo: func() error { return nil }, settle: func() {}}
	info, err := os.Lstat(to.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), from.path == to.path, flags&unix.RENAME_NOREPLACE != 0:
		return nothing, nil
	case err != nil:
		return nothing, err
	case !info.IsDir():
		kept, err := d.keep(to.path)
		return d.removal(to, kept, 0), err
	}
	if source, err := os.Lstat(from.path); err != nil || !source.IsDir() {
		return nothing, err // a folder is replaced by a folder only: the kernel says so
	}
	kept, inode, err := d.keepFolder(to.path)
	return d.removal(to, kept, inode), err
}

// removal is that what was in a place is kept out of sight. The inode is a folder's.
func (d *Disk) removal(at place, kept string, inode uint64) change {
	return change{undo: func() error { return at.restore(kept) }, settle: d.settle(kept), gone: inode}
}

// keep gives a file that is about to lose its name another one, out of sight. The lock is held.
func (d *Disk) keep(path string) (string, error) {
	kept := d.outOfSight()
	return kept, os.Link(path, kept)
}

// keepFolder moves a folder, which must be empty, out of sight. The lock is held: nobody puts anything into it meanwhile.
func (d *Disk) keepFolder(path string) (kept string, inode uint64, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", 0, err
	}
	if len(entries) > 0 {
		return "", 0, syscall.ENOTEMPTY
	}
	if inode, err = inodeAt(path); err != nil {
		return "", 0, err
	}
	kept = d.outOfSight()
	return kept, inode, os.Rename(path, kept)
}

func (d *Disk) outOfSight() string {
	d.trash++
	return d.lower(removedFolder, strconv.Itoa(d.trash))
}

// settle lets go of what was kept, for good. The lock is held when it runs.
func (d *Disk) settle(kept string) func() {
	return func() {
		inode, err := inodeAt(kept)
		if err != nil {
			return // it has its old name again
		}
		os.Remove(kept)
		if f, ok := d.files[inode]; ok {
			d.letGo(f)
		}
	}
}
