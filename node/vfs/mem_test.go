package vfs

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// after gives the set of what a disk may hold after a loss of power, over many seeds.
func after(t *testing.T, m *Mem, look func(m *Mem) string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for seed := range uint64(300) {
		c := m.Clone()
		c.Crash(rand.New(rand.NewPCG(seed, 0)))
		again := m.Clone()
		again.Crash(rand.New(rand.NewPCG(seed, 0)))
		require.Equal(t, look(c), look(again), "the same seed, the same crash")
		found[look(c)] = true
	}
	return found
}

// content shows a file as a letter a sector, "-" if it is not there.
func content(name string) func(m *Mem) string {
	return func(m *Mem) string {
		data, err := ReadFile(m, name)
		if err != nil {
			return "-"
		}
		var s strings.Builder
		for i := 0; i < len(data); i += SectorSize {
			s.WriteByte(max(data[i], '0'))
		}
		return s.String()
	}
}

func names(m *Mem) string {
	list, _ := m.List("/")
	return strings.Join(list, " ")
}

func set(values ...string) map[string]bool {
	s := map[string]bool{}
	for _, v := range values {
		s[v] = true
	}
	return s
}

func sectors(letters string) []byte {
	var b []byte
	for _, l := range []byte(letters) {
		b = append(b, bytes.Repeat([]byte{l}, SectorSize)...)
	}
	return b
}

// write makes a durable file and leaves a write of other sectors unsynced.
func written(t *testing.T, durable, unsynced string) (*Mem, File) {
	m := NewMem()
	require.NoError(t, WriteFile(m, "f", sectors(durable)))
	f, err := m.Open("f")
	require.NoError(t, err)
	_, err = f.WriteAt(sectors(unsynced), 0)
	require.NoError(t, err)
	return m, f
}

func TestCrashKeepsWhatIsSynced(t *testing.T) {
	m, f := written(t, "aaa", "bb")
	require.NoError(t, f.Sync())
	require.Equal(t, set("bba"), after(t, m, content("f")))
}

func TestCrashKeepsLosesOrTearsWhatIsNot(t *testing.T) {
	m, _ := written(t, "aaa", "bc")
	require.Equal(t, "bca", content("f")(m))
	require.Equal(t, set("aaa", "bca", "aca", "baa"), after(t, m, content("f")))
}

func TestCrashMayExtendTheFileWithoutTheData(t *testing.T) {
	m, _ := written(t, "", "bb")
	require.Equal(t, set("", "b", "bb", "0b", "00"), after(t, m, content("f")))
}

func TestSectorsAreWrittenWithAllThatIsInThem(t *testing.T) {
	m, f := written(t, "", "")
	_, err := f.WriteAt([]byte("first"), 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("second"), 100)
	require.NoError(t, err)
	found := after(t, m, func(m *Mem) string {
		data, _ := ReadFile(m, "f")
		return string(bytes.Trim(data, "\x00"))
	})
	require.Equal(t, set("", "first", "first"+strings.Repeat("\x00", 95)+"second"), found, "never the second without the first")
}

func TestKillLosesNothing(t *testing.T) {
	m, f := written(t, "aaa", "bb")
	lock, err := m.Lock("/")
	require.NoError(t, err)
	m.Kill()
	require.Equal(t, "bba", content("f")(m))
	_, err = f.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, fs.ErrClosed, "the process is dead")
	_, err = m.Lock("/")
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	_, err = m.Lock("/")
	require.ErrorIs(t, err, ErrLocked, "a dead process frees nobody else's lock")
}

func TestUnsyncedNames(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(m *Mem) error
		want map[string]bool
	}{
		{"create", func(m *Mem) error { _, err := m.Create("new"); return err }, set("a b", "a b new")},
		{"remove", func(m *Mem) error { return m.Remove("a") }, set("a b", "b")},
		{"rename", func(m *Mem) error { return m.Rename("a", "c") }, set("a b", "b c")},
		{"replace", func(m *Mem) error { return m.Rename("a", "b") }, set("a b", "b")},
		{"rename twice", func(m *Mem) error { _, _ = m.Rename("a", "c"), m.Rename("c", "d"); return nil }, set("a b", "b c", "b d")},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMem()
			require.NoError(t, WriteFile(m, "a", []byte("a")))
			require.NoError(t, WriteFile(m, "b", []byte("b")))
			require.NoError(t, c.do(m))
			require.Equal(t, c.want, after(t, m, names))
			seen := names(m)
			require.NoError(t, m.SyncDir("/"))
			require.Equal(t, set(seen), after(t, m, names))
		})
	}
}

func TestSyncedDataOfAnUnsyncedNameMayBeLost(t *testing.T) {
	m := NewMem()
	f, err := m.Create("f")
	require.NoError(t, err)
	_, err = f.WriteAt(sectors("a"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.Equal(t, set("-", "a"), after(t, m, content("f")))
}

// fsync fails, the next one succeeds, and the data is gone all the same: the kernel took its pages for clean.
func TestFailedSync(t *testing.T) {
	m, f := written(t, "aa", "b")
	m.Inject(func(op Op) error {
		if op.Kind == OpSync {
			return syscall.EIO
		}
		return nil
	})
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	m.Inject(nil)
	require.Equal(t, set("aa", "ba"), after(t, m, content("f")))
	_, err := f.WriteAt(sectors("c"), SectorSize)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.Equal(t, "bc", content("f")(m), "it can still be read")
	require.Equal(t, set("ac"), after(t, m, content("f")))
	_, err = f.WriteAt(sectors("b"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.Equal(t, set("bc"), after(t, m, content("f")), "unless it is written again")
}

func TestInjectedErrorsHaveNoEffect(t *testing.T) {
	m, f := written(t, "aa", "b")
	var asked []Op
	m.Inject(func(op Op) error { asked = append(asked, op); return syscall.EIO })
	_, err := f.WriteAt(sectors("c"), SectorSize)
	require.EqualError(t, err, "write /f: input/output error")
	_, err = f.ReadAt(make([]byte, 10), 7)
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, f.Truncate(0), syscall.EIO)
	require.ErrorIs(t, f.Reserve(9), syscall.EIO)
	require.ErrorIs(t, m.Rename("f", "g"), syscall.EIO)
	require.ErrorIs(t, m.Remove("f"), syscall.EIO)
	require.ErrorIs(t, m.SyncDir("/"), syscall.EIO)
	require.ErrorIs(t, m.MkdirAll("d"), syscall.EIO)
	_, err = m.Create("f")
	require.ErrorIs(t, err, syscall.EIO)
	_, err = m.Open("f")
	require.ErrorIs(t, err, syscall.EIO)
	_, err = m.List("/")
	require.ErrorIs(t, err, syscall.EIO)
	_, err = m.Lock("/")
	require.ErrorIs(t, err, syscall.EIO)
	require.Len(t, asked, 12)
	require.Equal(t, []Op{{OpWrite, "/f", 512, 512}, {OpRead, "/f", 7, 10}}, asked[:2])
	m.Inject(nil)
	require.Equal(t, "ba", content("f")(m))
	require.Equal(t, "f", names(m))
}

func TestCapacity(t *testing.T) {
	m := NewMem()
	m.SetCapacity(1000)
	f, err := m.Create("f")
	require.NoError(t, err)
	require.NoError(t, f.Reserve(600))
	g, err := m.Create("g")
	require.NoError(t, err)
	n, err := g.WriteAt(make([]byte, 500), 0)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, 400, n, "what fits is written")
	require.ErrorIs(t, g.Reserve(401), syscall.ENOSPC)
	_, err = f.WriteAt(make([]byte, 600), 0)
	require.NoError(t, err, "it was reserved")
	require.NoError(t, m.Remove("g"))
	_, err = f.WriteAt(make([]byte, 1000), 0)
	require.NoError(t, err)
}

func TestFlip(t *testing.T) {
	m, f := written(t, "a", "a")
	require.NoError(t, f.Sync())
	require.NoError(t, m.Flip("f", 0, 3))
	require.Equal(t, "b", content("f")(m))
	require.Equal(t, set("b"), after(t, m, content("f")))
	require.Error(t, m.Flip("f", SectorSize, 1))
	require.Error(t, m.Flip("g", 0, 1))
}

// What is before the settled part's end was on the disk before the last sync began.
func TestSettled(t *testing.T) {
	m := NewMem()
	f, err := m.Create("/f")
	require.NoError(t, err)
	require.Zero(t, m.Settled("/f"))
	write := func(offset int64) {
		_, err := f.WriteAt(make([]byte, 600), offset)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
	}
	write(0)
	require.Zero(t, m.Settled("/f"))
	write(600)
	require.Equal(t, int64(512), m.Settled("/f"), "the sector that both writes share was written again")
	require.NoError(t, f.Sync())
	require.Equal(t, int64(512), m.Settled("/f"), "a sync of nothing")
	write(1536)
	require.Equal(t, int64(1200), m.Settled("/f"), "the length there was")
	require.Zero(t, m.Settled("/nothing"))
}

// What is before a start was synced before all that is behind it, and a file that is cut there is what it was then, for good.
func TestStartsAndCut(t *testing.T) {
	m := NewMem()
	f, err := m.Create("/f")
	require.NoError(t, err)
	write := func(text string, offset int64) {
		_, err := f.WriteAt([]byte(text), offset)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
	}
	write("first", 0)
	write("second", 5)
	require.NoError(t, f.Sync())
	write("third", 11)
	require.Equal(t, []int64{0, 5, 11}, m.Starts("/f"), "a sync of nothing is none")
	write("anew!!", 5)
	require.Equal(t, []int64{0, 5}, m.Starts("/f"), "what was written again begins there")
	write("more", 16)
	_, err = f.WriteAt([]byte("unsynced"), 20)
	require.NoError(t, err)
	require.NoError(t, m.Cut("/f", 5))
	require.NoError(t, m.SyncDir("/"))
	for range 2 {
		b, err := ReadFile(m, "/f")
		require.NoError(t, err)
		require.Equal(t, "first", string(b))
		require.Equal(t, []int64{0}, m.Starts("/f"))
		m.Forget()
	}
	require.ErrorIs(t, m.Cut("/nothing", 1), fs.ErrNotExist)
	require.Empty(t, m.Starts("/nothing"))
}
