package disk

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// memory is a file in memory.
type memory struct{ data []byte }

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	m.grow(at + int64(len(p)))
	return copy(m.data[at:], p), nil
}

func (m *memory) grow(size int64) {
	if missing := size - int64(len(m.data)); missing > 0 {
		m.data = append(m.data, make([]byte, missing)...)
	}
}

func (m *memory) Truncate(size int64) error {
	m.grow(size)
	m.data = slices.Clone(m.data[:size])
	return nil
}

func (m *memory) Size() (int64, error) { return int64(len(m.data)), nil }

// Whatever is written and cut: a loss of power leaves what the file held at its last sync.
func TestLossLeavesWhatWasSynced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file := &memory{data: rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "at first")}
		l, err := newLedger(file)
		require.NoError(t, err)
		durable := slices.Clone(file.data)
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				_, err := l.write(rapid.SliceOfN(rapid.Byte(), 1, 1500).Draw(t, "data"), rapid.Int64Range(0, 3000).Draw(t, "at"))
				require.NoError(t, err)
			},
			"truncate": func(t *rapid.T) {
				require.NoError(t, l.truncate(rapid.Int64Range(0, 3000).Draw(t, "size")))
			},
			"sync": func(t *rapid.T) {
				require.NoError(t, l.sync())
				durable = slices.Clone(file.data)
			},
			"lose": func(t *rapid.T) {
				_, _, err := l.lose(nil)
				require.NoError(t, err)
				require.Equal(t, string(durable), string(file.data))
				require.True(t, l.clean())
			},
		})
	})
}

// With luck a sector that was not synced has reached the disk; then it is whole, and no other content can be there.
func TestLossByLuckLeavesWholeSectors(t *testing.T) {
	someKept, someLost := false, false
	rapid.Check(t, func(t *rapid.T) {
		before := slices.Repeat([]byte{1}, 4*SectorSize)
		file := &memory{data: slices.Clone(before)}
		l, err := newLedger(file)
		require.NoError(t, err)
		_, err = l.write(slices.Repeat([]byte{2}, 6*SectorSize), 0)
		require.NoError(t, err)
		lost, kept, err := l.lose(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		require.NoError(t, err)
		require.Equal(t, 6, lost+kept)
		require.Contains(t, []int{4 * SectorSize, 6 * SectorSize}, len(file.data))
		for s := range slices.Chunk(file.data, SectorSize) {
			require.Contains(t, [][]byte{slices.Repeat([]byte{0}, SectorSize), before[:SectorSize], slices.Repeat([]byte{2}, SectorSize)}, s)
			someKept, someLost = someKept || s[0] == 2, someLost || s[0] == 1
		}
	})
	require.True(t, someKept && someLost)
}

// After a failed sync a later one that succeeds does not make the data durable. Writing it again does.
func TestFailedSyncDoomsWhatWasWritten(t *testing.T) {
	for name, again := range map[string]bool{"left": false, "written again": true} {
		t.Run(name, func(t *testing.T) {
			file := &memory{data: slices.Repeat([]byte{1}, 2*SectorSize)}
			l, err := newLedger(file)
			require.NoError(t, err)
			write := func(b byte, sector int64) {
				_, err := l.write(slices.Repeat([]byte{b}, SectorSize), sector*SectorSize)
				require.NoError(t, err)
			}
			write(2, 0)
			l.failSync()
			if again {
				write(2, 0)
			}
			write(3, 1)
			require.NoError(t, l.sync())
			_, _, err = l.lose(nil)
			require.NoError(t, err)
			require.Equal(t, byte(3), file.data[SectorSize], "what was written after the failure is durable")
			require.Equal(t, map[bool]byte{false: 1, true: 2}[again], file.data[0])
		})
	}
}

// Only what has something behind it that was synced later may be flipped.
func TestGuard(t *testing.T) {
	l, err := newLedger(&memory{})
	require.NoError(t, err)
	sync := func() { require.NoError(t, l.sync()) }
	write := func(data string, at int64) {
		_, err := l.write([]byte(data), at)
		require.NoError(t, err)
	}
	write("first", 0)
	sync()
	require.Zero(t, l.guard, "nothing is behind it")
	write("second", 5)
	require.Zero(t, l.guard, "it is not synced")
	sync()
	require.EqualValues(t, 5, l.guard)
	write("\x00\x00\x00\x00", 11)
	sync()
	require.EqualValues(t, 5, l.guard, "zeros written ahead protect nothing")
	write("third", 11)
	write("fourth", 16)
	sync()
	require.EqualValues(t, 11, l.guard, "both of a sync could be torn together")
	require.NoError(t, l.truncate(3))
	require.EqualValues(t, 3, l.guard)
}

// What is before a start was synced before all that is behind it. A file that is cut there is what it was then, and no loss of power brings
// the rest back.
func TestStartsAndCut(t *testing.T) {
	file := &memory{}
	l, err := newLedger(file)
	require.NoError(t, err)
	write := func(data string, at int64, sync bool) {
		_, err := l.write([]byte(data), at)
		require.NoError(t, err)
		if sync {
			require.NoError(t, l.sync())
		}
	}
	write("first", 0, true)
	write("\x00second", 5, true) // a record may begin with a zero
	write("\x00\x00\x00\x00", 12, true)
	write("third", 12, false)
	write("fourth", 17, true)
	require.Equal(t, []int64{0, 5, 12}, l.starts, "zeros written ahead are no start")
	write("anew!!!", 5, true)
	require.Equal(t, []int64{0, 5}, l.starts, "what was written again begins there")
	write("more", 12, true)
	write("unsynced", 16, false)
	require.NoError(t, l.cut(12))
	require.Equal(t, []int64{0, 5}, l.starts)
	require.True(t, l.clean())
	_, _, err = l.lose(nil)
	require.NoError(t, err)
	require.Equal(t, "firstanew!!!", string(file.data))
	for i := range int64(mostStarts + 10) {
		write("x", 12+i, true)
	}
	require.Less(t, len(l.starts), mostStarts)
	require.EqualValues(t, 12+mostStarts+9, l.starts[len(l.starts)-1])
}

// counted counts the calls that write.
type counted struct {
	memory
	writes int
}

func (c *counted) WriteAt(p []byte, at int64) (int, error) {
	c.writes++
	return c.memory.WriteAt(p, at)
}

// A log that was made long ahead and never synced is cut off as a whole; what is left of a file is written back by runs of neighbours.
func TestLossWritesNoSectorByItself(t *testing.T) {
	ahead := &counted{}
	l, err := newLedger(ahead)
	require.NoError(t, err)
	_, err = l.write(make([]byte, 4096*SectorSize), 0)
	require.NoError(t, err)
	ahead.writes = 0
	lost, kept, err := l.lose(nil)
	require.NoError(t, err)
	require.Equal(t, []int{4096, 0, 0, 0}, []int{lost, kept, ahead.writes, len(ahead.data)})

	old := bytes.Repeat([]byte{1}, 100*SectorSize)
	f := &counted{memory: memory{data: bytes.Clone(old)}}
	l, err = newLedger(f)
	require.NoError(t, err)
	for _, at := range []int64{0, 10 * SectorSize, 11*SectorSize - 1, 98 * SectorSize} { // sectors 0 and 1, 10 and 11, 98 and 99
		_, err = l.write(make([]byte, SectorSize+1), at)
		require.NoError(t, err)
	}
	f.writes = 0
	_, _, err = l.lose(nil)
	require.NoError(t, err)
	require.Equal(t, old, f.data)
	require.Equal(t, 3, f.writes)
}
