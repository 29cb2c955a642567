package vfs

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// Mem is a disk in memory that keeps apart what processes see and what a loss of power leaves.
//
// It uses no goroutine, clock or randomness of its own: what happens is a function of the calls made. It may be
// called from several goroutines.
type Mem struct {
	mu       sync.Mutex
	dirs     map[string]*memDir // by cleaned absolute path; a folder is durable from its birth and never removed
	locked   map[string]bool
	process  int // counts Kill and Crash: handles of earlier processes are dead
	inject   func(Op) error
	capacity int64 // in bytes; 0 is endless
}

// NewMem gives an empty disk.
func NewMem() *Mem {
	return &Mem{dirs: map[string]*memDir{"/": newMemDir()}, locked: map[string]bool{}}
}

// OpKind names what is asked of the disk.
type OpKind string

// The operations, as Inject sees them.
const (
	OpCreate   OpKind = "create"
	OpOpen     OpKind = "open"
	OpRead     OpKind = "read"
	OpWrite    OpKind = "write"
	OpTruncate OpKind = "truncate"
	OpReserve  OpKind = "reserve"
	OpSync     OpKind = "sync"
	OpRename   OpKind = "rename"
	OpRemove   OpKind = "remove"
	OpList     OpKind = "list"
	OpMkdir    OpKind = "mkdir"
	OpSyncDir  OpKind = "syncdir"
	OpLock     OpKind = "lock"
)

// Op is one operation on the disk.
type Op struct {
	Kind   OpKind
	Name   string // the file or folder, cleaned and absolute; for a rename the old name
	Offset int64  // of a read or write; the size asked for by a truncate or reserve
	Size   int    // bytes to be read or written
}

// Inject has fail asked before every operation, in place of whom was asked before; nil for nobody. An error that it
// returns (syscall.EIO, syscall.ENOSPC, ...) is what the operation fails with, having done nothing, except that a
// failed Sync also leaves what was unsynced adrift: it can be read, a later Sync does not write it, and a crash
// may keep it. fail must not call the disk.
func (m *Mem) Inject(fail func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inject = fail
}

// SetCapacity limits the sum of all files' lengths and reservations to bytes; 0 lifts the limit. Beyond it writes
// write what fits and fail with ENOSPC.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Kill is the end of all processes that use the disk: their handles and locks are void, what they wrote is there.
func (m *Mem) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kill()
}

func (m *Mem) kill() {
	m.process++
	clear(m.locked)
}

// Crash is a loss of power. It ends all processes as Kill does. All that was synced stays; each unsynced write,
// by rng, is kept, lost or torn between sectors; each unsynced create, rename and remove happened or did not.
func (m *Mem) Crash(rng *rand.Rand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kill()
	for _, name := range slices.Sorted(maps.Keys(m.dirs)) {
		dir := m.dirs[name]
		dir.crash(rng)
		for _, file := range slices.Sorted(maps.Keys(dir.disk)) {
			dir.disk[file].crash(rng)
		}
	}
}

// Forget is a loss of power that takes all that was not synced, and ends all processes.
func (m *Mem) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kill()
	for _, dir := range m.dirs {
		dir.forget()
	}
}

// Unsynced is how many sectors of files, and names, a loss of power could take away now.
func (m *Mem) Unsynced() (sectors, names int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, dir := range m.dirs {
		names += len(dir.pending)
		for _, f := range dir.seen {
			sectors += f.unsynced()
		}
	}
	return sectors, names
}

// Wipe removes all files, for good, ends all processes, and returns how many files there were.
func (m *Mem) Wipe() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kill()
	files := 0
	for name, dir := range m.dirs {
		files += len(dir.seen)
		m.dirs[name] = newMemDir()
	}
	return files
}

// Clone is a copy of the disk, with what is unsynced on it, that no process uses and nobody injects errors into.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Mem{dirs: map[string]*memDir{}, locked: map[string]bool{}, capacity: m.capacity}
	copies := map[*memFile]*memFile{}
	for name, dir := range m.dirs {
		c.dirs[name] = dir.clone(copies)
	}
	return c
}

// Flip changes bits of one byte of a file, on the disk and as read, as a decaying disk does: it XORs mask to it.
func (m *Mem) Flip(name string, offset int64, mask byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base := m.split(name)
	if dir == nil || dir.seen[base] == nil || offset >= int64(len(dir.seen[base].seen)) {
		return &fs.PathError{Op: "flip", Path: name, Err: fs.ErrNotExist}
	}
	dir.seen[base].flip(offset, mask)
	return nil
}

// Settled is up to where a file was synced already when its last sync began: damage there is damage to what something synced later
// vouches for.
func (m *Mem) Settled(name string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base := m.split(name)
	if dir == nil || dir.seen[base] == nil {
		return 0
	}
	return dir.seen[base].settled
}

// Starts are where the syncs of a file began writing, ascending: what is before one of them was synced before all that is behind it.
func (m *Mem) Starts(name string) []int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base := m.split(name)
	if dir == nil || dir.seen[base] == nil {
		return nil
	}
	return slices.Clone(dir.seen[base].starts)
}

// Cut ends a file at the size, on the disk and as read, as something that has to do with no process does.
func (m *Mem) Cut(name string, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base := m.split(name)
	if dir == nil || dir.seen[base] == nil {
		return &fs.PathError{Op: "cut", Path: name, Err: fs.ErrNotExist}
	}
	dir.seen[base].cut(size)
	return nil
}

// enter asks the injector; every operation but Close and Size begins with it.
func (m *Mem) enter(op Op) error {
	if m.inject == nil {
		return nil
	}
	if err := m.inject(op); err != nil {
		return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: err}
	}
	return nil
}

func clean(name string) string { return path.Clean("/" + filepath.ToSlash(name)) }

// split finds a file's folder, nil if there is none, and its name in it.
func (m *Mem) split(name string) (*memDir, string) {
	name = clean(name)
	return m.dirs[path.Dir(name)], path.Base(name)
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(Op{Kind: OpCreate, Name: clean(name)}); err != nil {
		return nil, err
	}
	dir, base := m.split(name)
	switch {
	case dir == nil:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrNotExist}
	case m.dirs[clean(name)] != nil:
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.EISDIR}
	case dir.seen[base] == nil:
		dir.change(link{to: base, file: &memFile{}})
	default:
		dir.seen[base].truncate(0)
	}
	return &memHandle{mem: m, file: dir.seen[base], name: name, process: m.process}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(Op{Kind: OpOpen, Name: clean(name)}); err != nil {
		return nil, err
	}
	dir, base := m.split(name)
	if dir == nil || dir.seen[base] == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memHandle{mem: m, file: dir.seen[base], name: name, process: m.process}, nil
}

// Rename implements FS.
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(Op{Kind: OpRename, Name: clean(from)}); err != nil {
		return err
	}
	dir, base := m.split(from)
	target, newBase := m.split(to)
	switch {
	case dir == nil || dir.seen[base] == nil:
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	case target != dir:
		return &fs.PathError{Op: "rename", Path: to, Err: syscall.EXDEV}
	case base != newBase:
		dir.change(link{from: base, to: newBase, file: dir.seen[base]})
	}
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(Op{Kind: OpRemove, Name: clean(name)}); err != nil {
		return err
	}
	dir, base := m.split(name)
	if dir == nil || dir.seen[base] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	dir.change(link{from: base, file: dir.seen[base]})
	return nil
}

// List implements FS.
func (m *Mem) List(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(Op{Kind: OpList, Name: clean(name)}); err != nil {
		return nil, err
	}
	dir := m.dirs[clean(name)]
	if dir == nil {
		return nil, &fs.PathError{Op: "list", Path: name, Err: fs.ErrNotExist}
	}
	names := slices.Collect(maps.Keys(dir.seen))
	for other := range m.dirs {
		if other != "/" && path.Dir(other) == clean(name) {
			names = append(names, path.Base(other))
		}
	}
	slices.Sort(names)
	return names, nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(Op{Kind: OpMkdir, Name: clean(name)}); err != nil {
		return err
	}
	for name = clean(name); m.dirs[name] == nil; name = path.Dir(name) {
		if dir, base := m.split(name); dir != nil && dir.seen[base] != nil {
			return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
		}
		m.dirs[name] = newMemDir()
	}
	return nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(Op{Kind: OpSyncDir, Name: clean(name)}); err != nil {
		return err
	}
	dir := m.dirs[clean(name)]
	if dir == nil {
		return &fs.PathError{Op: "syncdir", Path: name, Err: fs.ErrNotExist}
	}
	dir.sync()
	return nil
}

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(Op{Kind: OpLock, Name: clean(name)}); err != nil {
		return nil, err
	}
	switch name := clean(name); {
	case m.dirs[name] == nil:
		return nil, &fs.PathError{Op: "lock", Path: name, Err: fs.ErrNotExist}
	case m.locked[name]:
		return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
	default:
		m.locked[name] = true
		return &memLock{mem: m, name: name, process: m.process}, nil
	}
}

type memLock struct {
	mem     *Mem
	name    string
	process int
}

// Close gives the folder back, unless the lock's process is dead and the folder perhaps another's.
func (l *memLock) Close() error {
	l.mem.mu.Lock()
	defer l.mem.mu.Unlock()
	if l.process == l.mem.process {
		delete(l.mem.locked, l.name)
		l.process = -1
	}
	return nil
}
