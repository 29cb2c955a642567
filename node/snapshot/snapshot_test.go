package snapshot

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

const cluster = 7

func meta(index, term uint64) raft.SnapshotMeta {
	return raft.SnapshotMeta{LastIncludedIndex: index, LastIncludedTerm: term, Configuration: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}}
}

// raw is a state that is any bytes.
type raw []byte

func (r raw) StateSize() uint64 { return uint64(len(r)) }

func (r raw) WriteState(w io.Writer) error {
	for piece := range slices.Chunk(r, 100) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

func (r *raw) load(state io.Reader, size uint64) (err error) {
	*r = make([]byte, size)
	_, err = io.ReadFull(state, *r)
	return err
}

// newest is the snapshot that a node starts from.
type newest struct {
	Meta  raft.SnapshotMeta
	State raw
}

func open(t *testing.T, fs vfs.FS) (*Store, newest) {
	var state raw
	s, meta, err := Open(fs, "snap", cluster, state.load)
	require.NoError(t, err)
	return s, newest{meta, state}
}

// receive gives the state of a snapshot that is whole.
func receive(s *Store, ch raft.Chunk) (next uint64, state raw, err error) {
	next, whole, err := s.Receive(ch, state.load)
	if !whole {
		state = nil
	}
	return next, state, err
}

func encode(t testing.TB, meta raft.SnapshotMeta, state []byte) []byte {
	var b bytes.Buffer
	require.NoError(t, write(&b, cluster, meta, raw(state)))
	return b.Bytes()
}

// The newest snapshot is found again, older ones are gone (R16).
func TestR16NewestSnapshotIsFoundAgain(t *testing.T) {
	fs := vfs.NewMem()
	s, found := open(t, fs)
	require.Zero(t, found.Meta)
	require.NoError(t, s.Save(meta(9, 2), raw([]byte("old"))))
	require.NoError(t, s.Save(meta(300, 1), raw([]byte("new")))) // a later index of an earlier term is still the later one
	names, err := fs.List("snap")
	require.NoError(t, err)
	require.Len(t, names, 1)
	_, found = open(t, fs)
	require.Equal(t, newest{meta(300, 1), raw("new")}, found)
}

// Whatever moment power fails at, the old snapshot or the new one is there, whole (R16).
func TestR16SnapshotSurvivesLossOfPower(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		fs := vfs.NewMem()
		s, _ := open(t, fs)
		require.NoError(t, s.Save(meta(1, 1), raw([]byte("first"))))
		left := rng.IntN(12)
		fs.Inject(func(vfs.Op) error {
			if left--; left < 0 {
				return bytes.ErrTooLarge // any error: nothing works from here on
			}
			return nil
		})
		saved := s.Save(meta(2, 1), raw(bytes.Repeat([]byte("second"), 400))) == nil
		fs.Inject(nil)
		fs.Crash(rng)
		_, found := open(t, fs)
		if saved {
			require.EqualValues(t, 2, found.Meta.LastIncludedIndex)
		}
		require.Contains(t, []uint64{1, 2}, found.Meta.LastIncludedIndex)
	}
}

// A process that starts from a snapshot counts on it. Its name may have been given by one that was killed before it had made that
// durable: it has to be durable before an older one goes (R16).
func TestR16SnapshotThatWasStartedFromStays(t *testing.T) {
	for seed := range uint64(50) {
		fs := vfs.NewMem()
		s, _ := open(t, fs)
		require.NoError(t, s.Save(meta(1, 1), raw([]byte("first"))))
		fs.Inject(func(op vfs.Op) error {
			if op.Kind == vfs.OpSyncDir {
				return bytes.ErrTooLarge // any error: it is killed there
			}
			return nil
		})
		require.Error(t, s.Save(meta(2, 1), raw([]byte("second"))))
		fs.Inject(nil)
		fs.Kill()
		_, found := open(t, fs)
		require.EqualValues(t, 2, found.Meta.LastIncludedIndex)
		fs.Crash(rand.New(rand.NewPCG(seed, 0)))
		_, found = open(t, fs)
		require.EqualValues(t, 2, found.Meta.LastIncludedIndex, "power was lost after a start from it, seed %d", seed)
	}
}

// A snapshot goes over in chunks, some lost, repeated, or of another one in between, and arrives as it was (R16).
func TestR16ChunksArriveWhole(t *testing.T) {
	from, fs := vfs.NewMem(), vfs.NewMem()
	sender, _ := open(t, from)
	state := raw(bytes.Repeat([]byte("0123456789"), 1000))
	require.NoError(t, sender.Save(meta(50, 3), state))
	receiver, _ := open(t, fs)
	rng := rand.New(rand.NewPCG(1, 1))
	next, chunks := uint64(0), 0
	for {
		offset := next
		if rng.IntN(4) == 0 {
			offset = uint64(rng.IntN(int(next) + 1)) // an old request again
		}
		data, done, err := sender.Read(meta(50, 3), offset, 700)
		require.NoError(t, err)
		got, arrived, err := receive(receiver, raft.Chunk{Meta: meta(50, 3), Offset: offset, Data: data, Done: done})
		require.NoError(t, err)
		if arrived != nil {
			require.Equal(t, state, arrived)
			break
		}
		require.GreaterOrEqual(t, got, next)
		next = got
		chunks++
	}
	require.Greater(t, chunks, 10)
	_, found := open(t, fs)
	require.Equal(t, newest{meta(50, 3), state}, found)
}

// A snapshot that was damaged on the way is asked for again, and never used.
func TestR16DamagedTransferBeginsAnew(t *testing.T) {
	from, fs := vfs.NewMem(), vfs.NewMem()
	sender, _ := open(t, from)
	require.NoError(t, sender.Save(meta(5, 1), raw([]byte("state"))))
	data, _, err := sender.Read(meta(5, 1), 0, 1<<20)
	require.NoError(t, err)
	receiver, _ := open(t, fs)
	damaged := bytes.Clone(data)
	damaged[len(damaged)/2] ^= 1
	next, state, err := receive(receiver, raft.Chunk{Meta: meta(5, 1), Data: damaged, Done: true})
	require.NoError(t, err)
	require.Zero(t, next)
	require.Nil(t, state)
	_, state, err = receive(receiver, raft.Chunk{Meta: meta(5, 1), Data: data, Done: true})
	require.NoError(t, err)
	require.Equal(t, "state", string(state))
}

// Half a transfer does not outlive a restart, and is no snapshot.
func TestHalfATransferIsForgotten(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := open(t, fs)
	_, _, err := receive(s, raft.Chunk{Meta: meta(5, 1), Data: []byte("half")})
	require.NoError(t, err)
	fs.Kill()
	_, found := open(t, fs)
	require.Zero(t, found.Meta)
	names, err := fs.List("snap")
	require.NoError(t, err)
	require.Empty(t, names)
}

// A newest snapshot that does not check is refused by name; an older state would lose acknowledged writes.
func TestDamagedSnapshotIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := open(t, fs)
	require.NoError(t, s.Save(meta(5, 1), raw([]byte("state"))))
	path := "snap/" + name(meta(5, 1))
	b, err := vfs.ReadFile(fs, path)
	require.NoError(t, err)
	for bit := range len(b) * 8 {
		damaged := bytes.Clone(b)
		damaged[bit/8] ^= 1 << (bit % 8)
		require.NoError(t, vfs.WriteFile(fs, path, damaged))
		_, _, err := Open(fs, "snap", cluster, new(raw).load)
		require.ErrorContains(t, err, path, "bit %d", bit)
	}
	require.NoError(t, vfs.WriteFile(fs, path, b))
	_, _, err = Open(fs, "snap", cluster+1, new(raw).load)
	require.ErrorContains(t, err, "another cluster")
}

func FuzzRead(f *testing.F) {
	f.Add(encode(f, meta(3, 2), []byte("state")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var state raw
		m, err := read(bytes.NewReader(b), int64(len(b)), cluster, state.load)
		if err == nil {
			require.Equal(t, b, encode(t, m, state))
		}
	})
}

// A state that is whole and is none ends the node that is sent it; one that was damaged on the way is asked for again.
func TestStateThatIsNone(t *testing.T) {
	whole := encode(t, meta(5, 1), []byte("state"))
	none := func(io.Reader, uint64) error { return errors.New("it is none") }
	s, _ := open(t, vfs.NewMem())
	_, _, err := s.Receive(raft.Chunk{Meta: meta(5, 1), Data: whole, Done: true}, none)
	require.ErrorContains(t, err, "it is none")

	s, _ = open(t, vfs.NewMem())
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-crcSize-1] ^= 1
	next, isWhole, err := s.Receive(raft.Chunk{Meta: meta(5, 1), Data: damaged, Done: true}, none)
	require.NoError(t, err)
	require.Zero(t, next)
	require.False(t, isWhole)
}

// A large state is written and synced in pieces, and is the same when it is read.
func TestLargeState(t *testing.T) {
	fs := vfs.NewMem()
	syncs := 0
	fs.Inject(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			syncs++
		}
		return nil
	})
	s, _ := open(t, fs)
	state := bytes.Repeat([]byte("0123456789abcdef"), 5*vfs.SyncBytes/32)
	require.NoError(t, s.Save(meta(5, 1), raw(state)))
	require.Equal(t, 3, syncs)
	_, found := open(t, fs)
	require.True(t, bytes.Equal(state, found.State))
}
