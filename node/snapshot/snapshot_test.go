package snapshot

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

const cluster = 7

func meta(index, term uint64) raft.SnapshotMeta {
	return raft.SnapshotMeta{LastIncludedIndex: index, LastIncludedTerm: term, Configuration: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}}
}

func open(t *testing.T, fs vfs.FS) (*Store, Newest) {
	s, newest, err := Open(fs, "snap", cluster)
	require.NoError(t, err)
	return s, newest
}

// The newest snapshot is found again, older ones are gone (R16).
func TestR16NewestSnapshotIsFoundAgain(t *testing.T) {
	fs := vfs.NewMem()
	s, newest := open(t, fs)
	require.Zero(t, newest.Meta)
	require.NoError(t, s.Save(meta(9, 2), []byte("old")))
	require.NoError(t, s.Save(meta(300, 1), []byte("new"))) // a later index of an earlier term is still the later one
	names, err := fs.List("snap")
	require.NoError(t, err)
	require.Len(t, names, 1)
	_, newest = open(t, fs)
	require.Equal(t, Newest{meta(300, 1), []byte("new")}, newest)
}

// Whatever moment power fails at, the old snapshot or the new one is there, whole (R16).
func TestR16SnapshotSurvivesLossOfPower(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		fs := vfs.NewMem()
		s, _ := open(t, fs)
		require.NoError(t, s.Save(meta(1, 1), []byte("first")))
		left := rng.IntN(12)
		fs.Inject(func(vfs.Op) error {
			if left--; left < 0 {
				return bytes.ErrTooLarge // any error: nothing works from here on
			}
			return nil
		})
		saved := s.Save(meta(2, 1), bytes.Repeat([]byte("second"), 400)) == nil
		fs.Inject(nil)
		fs.Crash(rng)
		_, newest := open(t, fs)
		if saved {
			require.EqualValues(t, 2, newest.Meta.LastIncludedIndex)
		}
		require.Contains(t, []uint64{1, 2}, newest.Meta.LastIncludedIndex)
	}
}

// A process that starts from a snapshot counts on it. Its name may have been given by one that was killed before it had made that
// durable: it has to be durable before an older one goes (R16).
func TestR16SnapshotThatWasStartedFromStays(t *testing.T) {
	for seed := range uint64(50) {
		fs := vfs.NewMem()
		s, _ := open(t, fs)
		require.NoError(t, s.Save(meta(1, 1), []byte("first")))
		fs.Inject(func(op vfs.Op) error {
			if op.Kind == vfs.OpSyncDir {
				return bytes.ErrTooLarge // any error: it is killed there
			}
			return nil
		})
		require.Error(t, s.Save(meta(2, 1), []byte("second")))
		fs.Inject(nil)
		fs.Kill()
		_, newest := open(t, fs)
		require.EqualValues(t, 2, newest.Meta.LastIncludedIndex)
		fs.Crash(rand.New(rand.NewPCG(seed, 0)))
		_, newest = open(t, fs)
		require.EqualValues(t, 2, newest.Meta.LastIncludedIndex, "power was lost after a start from it, seed %d", seed)
	}
}

// A snapshot goes over in chunks, some lost, repeated, or of another one in between, and arrives as it was (R16).
func TestR16ChunksArriveWhole(t *testing.T) {
	from, fs := vfs.NewMem(), vfs.NewMem()
	sender, _ := open(t, from)
	state := bytes.Repeat([]byte("0123456789"), 1000)
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
		got, arrived, err := receiver.Receive(raft.Chunk{Meta: meta(50, 3), Offset: offset, Data: data, Done: done})
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
	_, newest := open(t, fs)
	require.Equal(t, Newest{meta(50, 3), state}, newest)
}

// A snapshot that was damaged on the way is asked for again, and never used.
func TestR16DamagedTransferBeginsAnew(t *testing.T) {
	from, fs := vfs.NewMem(), vfs.NewMem()
	sender, _ := open(t, from)
	require.NoError(t, sender.Save(meta(5, 1), []byte("state")))
	data, _, err := sender.Read(meta(5, 1), 0, 1<<20)
	require.NoError(t, err)
	receiver, _ := open(t, fs)
	damaged := bytes.Clone(data)
	damaged[len(damaged)/2] ^= 1
	next, state, err := receiver.Receive(raft.Chunk{Meta: meta(5, 1), Data: damaged, Done: true})
	require.NoError(t, err)
	require.Zero(t, next)
	require.Nil(t, state)
	_, state, err = receiver.Receive(raft.Chunk{Meta: meta(5, 1), Data: data, Done: true})
	require.NoError(t, err)
	require.Equal(t, "state", string(state))
}

// Half a transfer does not outlive a restart, and is no snapshot.
func TestHalfATransferIsForgotten(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := open(t, fs)
	_, _, err := s.Receive(raft.Chunk{Meta: meta(5, 1), Data: []byte("half")})
	require.NoError(t, err)
	fs.Kill()
	_, newest := open(t, fs)
	require.Zero(t, newest.Meta)
	names, err := fs.List("snap")
	require.NoError(t, err)
	require.Empty(t, names)
}

// A newest snapshot that does not check is refused by name; an older state would lose acknowledged writes.
func TestDamagedSnapshotIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := open(t, fs)
	require.NoError(t, s.Save(meta(5, 1), []byte("state")))
	path := "snap/" + name(meta(5, 1))
	b, err := vfs.ReadFile(fs, path)
	require.NoError(t, err)
	for bit := range len(b) * 8 {
		damaged := bytes.Clone(b)
		damaged[bit/8] ^= 1 << (bit % 8)
		require.NoError(t, vfs.WriteFile(fs, path, damaged))
		_, _, err := Open(fs, "snap", cluster)
		require.ErrorContains(t, err, path, "bit %d", bit)
	}
	require.NoError(t, vfs.WriteFile(fs, path, b))
	_, _, err = Open(fs, "snap", cluster+1)
	require.ErrorContains(t, err, "another cluster")
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(cluster, meta(3, 2), []byte("state")))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, state, err := Decode(b, cluster)
		if err == nil {
			require.Equal(t, b, encode(cluster, m, state))
		}
	})
}
