package disk

import (
	"io"
	"maps"
	"math/rand/v2"
	"slices"
)

// SectorSize is the unit in bytes that a disk writes whole or not at all.
const SectorSize = 512

// content is the file below.
type content interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Size() (int64, error)
}

// ledger remembers of one file what it held at its last sync, as far as it was changed since.
type ledger struct {
	file    content
	old     map[int64]*sector // changed sectors by number, as they were
	durable int64             // length at the last sync

	// For bits to be flipped: what lies below guard was synced before the last write that was synced, which is behind it.
	guard int64
	// starts are where syncs began writing, ascending: what is before one of them was synced before all that is behind it, and has not
	// been written since.
	starts []int64
	// low is where the first write since the last sync begins, apart from zeros; negative: there was none. start is that with the zeros before.
	low, start int64
}

// sector is what one held before.
type sector struct {
	old [SectorSize]byte
	// doomed: a sync has failed since, and the next one takes it for clean. Only writing it again helps.
	doomed bool
}

func newLedger(f content) (*ledger, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	return &ledger{file: f, durable: size, old: map[int64]*sector{}, low: -1, start: -1}, nil
}

// remember keeps what is in the sectors of [from, to) before they change.
func (l *ledger) remember(from, to int64) error {
	if to <= from {
		return nil
	}
	first, last := from/SectorSize, (to-1)/SectorSize
	var now []byte // what is in all of them, read once if one is missing
	for n := first; n <= last; n++ {
		if s, ok := l.old[n]; ok {
			s.doomed = false
			continue
		}
		if now == nil {
			now = make([]byte, (last-first+1)*SectorSize)
			if _, err := l.file.ReadAt(now, first*SectorSize); err != nil && err != io.EOF {
				return err
			}
		}
		s := &sector{}
		copy(s.old[:], now[(n-first)*SectorSize:])
		l.old[n] = s
	}
	return nil
}

// write writes through.
func (l *ledger) write(data []byte, at int64) (int, error) {
	if err := l.remember(at, at+int64(len(data))); err != nil {
		return 0, err
	}
	// Zeros that are written ahead protect nothing.
	if i := slices.IndexFunc(data, func(b byte) bool { return b != 0 }); i >= 0 {
		l.low, l.start = earlier(l.low, at+int64(i)), earlier(l.start, at)
	}
	return l.file.WriteAt(data, at)
}

// earlier is the lesser of two places, of which the first is negative where there is none.
func earlier(a, b int64) int64 {
	if a < 0 {
		return b
	}
	return min(a, b)
}

// mostStarts is how many starts are known of a file at most: the older half of more is forgotten.
const mostStarts = 1 << 16

// begun notes where a sync began.
func (l *ledger) begun(at int64) {
	l.starts = append(before(l.starts, at), at)
	if len(l.starts) > mostStarts {
		l.starts = append(l.starts[:0], l.starts[mostStarts/2:]...)
	}
}

// before are the starts before a place.
func before(starts []int64, at int64) []int64 {
	i, _ := slices.BinarySearch(starts, at)
	return starts[:i]
}

// cut ends the file, for good: what was behind comes back by no loss of power.
func (l *ledger) cut(at int64) error {
	if err := l.truncate(at); err != nil {
		return err
	}
	maps.DeleteFunc(l.old, func(n int64, _ *sector) bool { return n >= at/SectorSize })
	l.durable = min(l.durable, at)
	if l.start >= at {
		l.low, l.start = -1, -1
	}
	return nil
}

// truncate sets the length.
func (l *ledger) truncate(size int64) error {
	now, err := l.file.Size()
	if err != nil {
		return err
	}
	if err := l.remember(size, now); err != nil {
		return err
	}
	l.guard, l.starts = min(l.guard, size), before(l.starts, size)
	return l.file.Truncate(size)
}

// sync makes durable what is written.
func (l *ledger) sync() error {
	size, err := l.file.Size()
	if err != nil {
		return err
	}
	l.durable = size
	maps.DeleteFunc(l.old, func(_ int64, s *sector) bool { return !s.doomed })
	if l.low >= 0 {
		l.begun(l.start)
		l.guard, l.low, l.start = l.low, -1, -1
	}
	return nil
}

// failSync is a sync that fails.
func (l *ledger) failSync() {
	for _, s := range l.old {
		s.doomed = true
	}
}

// clean reports whether the file holds nothing but what was synced.
func (l *ledger) clean() bool {
	size, err := l.file.Size()
	return err == nil && size == l.durable && len(l.old) == 0
}

// lose makes the file what it was at its last sync. With rng each sector may have reached the disk all the same, and so may
// the new length.
func (l *ledger) lose(rng *rand.Rand) (lost, kept int, err error) {
	size, err := l.file.Size()
	if err != nil {
		return 0, 0, err
	}
	length := l.durable
	if rng != nil && size != length && rng.IntN(2) == 0 {
		length = size
	}
	back := run{file: l.file}
	for _, n := range slices.Sorted(maps.Keys(l.old)) {
		s := l.old[n]
		if rng != nil && !s.doomed && n*SectorSize < length && rng.IntN(2) == 0 {
			kept++
			continue
		}
		lost++
		if n*SectorSize >= length { // the new length cuts it off: of a log that was made 64 MiB long ahead that is nearly all
			continue
		}
		if err := back.add(n, s.old[:]); err != nil {
			return lost, kept, err
		}
	}
	if err := back.write(); err != nil {
		return lost, kept, err
	}
	if err := l.file.Truncate(length); err != nil {
		return lost, kept, err
	}
	l.old, l.durable, l.guard, l.low, l.start = map[int64]*sector{}, length, min(l.guard, length), -1, -1
	l.starts = before(l.starts, length)
	return lost, kept, nil
}

// mostRun is how many bytes are written back at once at most.
const mostRun = 1 << 20

// run is sectors one behind the other that are written back with one call.
type run struct {
	file    content
	first   int64
	content []byte
}

// add takes the next sector; those before are written where it is not their neighbour.
func (r *run) add(n int64, content []byte) error {
	if len(r.content) >= mostRun || n != r.first+int64(len(r.content)/SectorSize) {
		if err := r.write(); err != nil {
			return err
		}
		r.first = n
	}
	r.content = append(r.content, content...)
	return nil
}

func (r *run) write() error {
	if len(r.content) == 0 {
		return nil
	}
	_, err := r.file.WriteAt(r.content, r.first*SectorSize)
	r.content = r.content[:0]
	return err
}
