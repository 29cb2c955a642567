package vfs

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
)

// memFile is a file: its bytes as processes see them, as they surely are on disk, and the changes between the two.
type memFile struct {
	seen     []byte
	disk     []byte
	pending  []change
	reserved int64
	settled  int64   // what is before it was not touched by the last sync
	starts   []int64 // where syncs began writing, ascending: what is before one was synced before all that is behind it
}

// change is a write or a truncation on its way to the disk. A write holds all the sectors it touches as they were
// after it, because the page cache writes sectors, not bytes: what an earlier write left in them goes along.
type change struct {
	at       int64 // where it was written
	offset   int64 // multiple of SectorSize
	sectors  []byte
	size     int64 // of the file after the change
	truncate bool
	adrift   bool // a Sync of it failed: no later one writes it
}

func (f *memFile) write(p []byte, offset int64) {
	end := offset + int64(len(p))
	f.seen = grow(f.seen, end)
	copy(f.seen[offset:], p)
	first := offset / SectorSize * SectorSize
	last := min((end+SectorSize-1)/SectorSize*SectorSize, int64(len(f.seen)))
	f.pending = append(f.pending, change{
		at: offset, offset: first, sectors: slices.Clone(f.seen[first:last]), size: int64(len(f.seen)),
	})
}

func (f *memFile) truncate(size int64) {
	f.seen = resize(f.seen, size)
	f.pending = append(f.pending, change{at: size, size: size, truncate: true})
	f.reserved = min(f.reserved, size)
}

func (f *memFile) sync() {
	settled, start := int64(len(f.disk)), int64(-1)
	for _, c := range f.pending {
		if !c.adrift {
			f.disk = c.apply(f.disk, nil)
			settled = min(settled, c.start())
			if start < 0 || c.at < start {
				start = c.at
			}
		}
	}
	if len(f.pending) > 0 {
		f.settled = settled
	}
	if start >= 0 {
		f.starts = append(f.startsBefore(start), start)
	}
	f.pending = nil
}

func (f *memFile) startsBefore(at int64) []int64 {
	i, _ := slices.BinarySearch(f.starts, at)
	return f.starts[:i]
}

// cut ends the file on the disk and as read.
func (f *memFile) cut(size int64) {
	f.seen, f.disk = f.seen[:min(size, int64(len(f.seen)))], f.disk[:min(size, int64(len(f.disk)))]
	f.pending, f.reserved, f.settled, f.starts = nil, 0, min(f.settled, size), f.startsBefore(size)
}

// start is where the change begins.
func (c change) start() int64 {
	if c.truncate {
		return c.size
	}
	return c.offset
}

func (f *memFile) failSync() {
	for i := range f.pending {
		f.pending[i].adrift = true
	}
}

func (f *memFile) crash(rng *rand.Rand) {
	for _, c := range f.pending {
		switch rng.IntN(3) {
		case 0:
			f.disk = c.apply(f.disk, nil)
		case 1:
			f.disk = c.apply(f.disk, func() bool { return rng.IntN(2) == 0 })
		default:
			if !c.truncate && rng.IntN(4) == 0 { // the length may get there without the data
				f.disk = grow(f.disk, c.size)
			}
		}
	}
	f.pending, f.reserved = nil, 0
	f.seen = slices.Clone(f.disk)
}

// forget loses all that is pending.
func (f *memFile) forget() {
	f.pending, f.reserved = nil, 0
	f.seen = slices.Clone(f.disk)
}

// unsynced is how many sectors are pending; a change of length is one.
func (f *memFile) unsynced() int {
	n := 0
	for _, c := range f.pending {
		n += max(1, (len(c.sectors)+SectorSize-1)/SectorSize)
	}
	return n
}

// apply puts the change, or the sectors of it for which keep says so, on the disk.
func (c change) apply(disk []byte, keep func() bool) []byte {
	if c.truncate {
		if keep == nil || keep() {
			return resize(disk, c.size)
		}
		return disk
	}
	for i := int64(0); i < int64(len(c.sectors)); i += SectorSize {
		if keep == nil || keep() {
			sector := c.sectors[i:min(i+SectorSize, int64(len(c.sectors)))]
			disk = grow(disk, c.offset+i+int64(len(sector)))
			copy(disk[c.offset+i:], sector)
		}
	}
	return disk
}

func (f *memFile) flip(offset int64, mask byte) {
	f.seen[offset] ^= mask
	if offset < int64(len(f.disk)) {
		f.disk[offset] ^= mask
	}
}

func (f *memFile) clone() *memFile {
	c := &memFile{seen: slices.Clone(f.seen), disk: slices.Clone(f.disk), reserved: f.reserved, settled: f.settled, starts: slices.Clone(f.starts)}
	c.pending = slices.Clone(f.pending) // the sectors are never changed
	return c
}

func grow(b []byte, size int64) []byte {
	if int64(len(b)) >= size {
		return b
	}
	return resize(b, size)
}

func resize(b []byte, size int64) []byte {
	if n := int64(len(b)); size > n {
		b = slices.Grow(b, int(size-n))[:size]
		clear(b[n:])
	}
	return b[:size]
}

// memHandle is an open file of one process.
type memHandle struct {
	mem     *Mem
	file    *memFile
	name    string
	process int
	closed  bool
}

// enter begins an operation with the disk locked.
func (h *memHandle) enter(kind OpKind, offset int64, size int) error {
	if h.closed || h.process != h.mem.process {
		return &fs.PathError{Op: string(kind), Path: h.name, Err: fs.ErrClosed}
	}
	if h.mem.inject == nil {
		return nil // the name need not be cleaned for nobody
	}
	return h.mem.enter(Op{Kind: kind, Name: clean(h.name), Offset: offset, Size: size})
}

// ReadAt implements File.
func (h *memHandle) ReadAt(p []byte, offset int64) (int, error) {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.enter(OpRead, offset, len(p)); err != nil {
		return 0, err
	}
	n := 0
	if offset < int64(len(h.file.seen)) {
		n = copy(p, h.file.seen[offset:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements File.
func (h *memHandle) WriteAt(p []byte, offset int64) (int, error) {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.enter(OpWrite, offset, len(p)); err != nil {
		return 0, err
	}
	n := int(min(int64(len(p)), max(0, h.room()-offset)))
	if n > 0 {
		h.file.write(p[:n], offset)
	}
	if n < len(p) {
		return n, &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
	}
	return n, nil
}

// room is the length up to which this file may grow.
func (h *memHandle) room() int64 {
	const endless = 1 << 62
	if h.mem.capacity == 0 {
		return endless
	}
	own := max(int64(len(h.file.seen)), h.file.reserved)
	return max(own, h.mem.capacity-h.mem.used()+own)
}

func (m *Mem) used() int64 {
	sum := int64(0)
	for _, dir := range m.dirs {
		for _, f := range dir.seen {
			sum += max(int64(len(f.seen)), f.reserved)
		}
	}
	return sum
}

// Truncate implements File.
func (h *memHandle) Truncate(size int64) error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.enter(OpTruncate, size, 0); err != nil {
		return err
	}
	h.file.truncate(size)
	return nil
}

// Reserve implements File.
func (h *memHandle) Reserve(size int64) error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.enter(OpReserve, size, 0); err != nil {
		return err
	}
	if size > h.room() {
		return &fs.PathError{Op: "reserve", Path: h.name, Err: syscall.ENOSPC}
	}
	h.file.reserved = max(h.file.reserved, size)
	return nil
}

// Sync implements File.
func (h *memHandle) Sync() error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.enter(OpSync, 0, 0); err != nil {
		h.file.failSync()
		return err
	}
	h.file.sync()
	return nil
}

// Size implements File.
func (h *memHandle) Size() (int64, error) {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	return int64(len(h.file.seen)), nil
}

// Name implements File.
func (h *memHandle) Name() string { return h.name }

// Close implements File. Like the system's it writes nothing.
func (h *memHandle) Close() error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if h.closed {
		return &fs.PathError{Op: "close", Path: h.name, Err: fs.ErrClosed}
	}
	h.closed = true
	return nil
}
