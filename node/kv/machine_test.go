package kv

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func add(session, sequence, acknowledged uint64, delta int64) Command {
	return Command{Kind: Transact, Session: session, Sequence: sequence, Acknowledged: acknowledged, Txn: one(Op{Kind: Add, Key: "n", Delta: delta})}
}

// A repeated command takes effect once, and is answered as it was the first time, with the index it had then (R21).
func TestR21RepeatedCommandsTakeEffectOnce(t *testing.T) {
	m := NewMachine()
	_, session := m.Apply(5, Command{Kind: OpenSession})
	require.EqualValues(t, 5, session)
	first, at := m.Apply(6, add(5, 1, 0, 10))
	require.Equal(t, []Result{{true, []byte("10")}}, first.Results)
	require.EqualValues(t, 6, at)
	m.Apply(7, add(5, 2, 0, 1))
	again, at := m.Apply(8, add(5, 1, 0, 10))
	require.Equal(t, first, again)
	require.EqualValues(t, 6, at)
	require.Equal(t, "11", string(m.Read(one(Op{Kind: Get, Key: "n"})).Results[0].Value))
}

// An attempt may come late, when another was answered and its client, having said so, has gone on: it takes no effect a second time, neither
// here nor on a replica that started from a snapshot or a copy (R21).
func TestR21LateAttemptsTakeNoEffect(t *testing.T) {
	m := NewMachine()
	m.Apply(1, Command{Kind: OpenSession})
	m.Apply(2, add(1, 1, 0, 10))
	m.Apply(3, add(1, 2, 1, 1))
	restored, err := DecodeState(m.AppendState(nil))
	require.NoError(t, err)
	for _, replica := range []*Machine{m, restored, m.Clone()} {
		late, _ := replica.Apply(4, add(1, 1, 0, 10))
		require.False(t, late.Applied)
		require.True(t, late.Expired)
		require.Equal(t, "11", string(replica.Read(one(Op{Kind: Get, Key: "n"})).Results[0].Value))
	}
}

// States that were written before sessions said what is acknowledged are read: nothing is.
func TestStateOfVersion1(t *testing.T) {
	old := []byte{1, 1, 1, 'n', 2, '1', '0', 1, 1, 0} // n is 10; session 1 has no responses
	m, err := DecodeState(old)
	require.NoError(t, err)
	r, _ := m.Apply(5, add(1, 1, 0, 1))
	require.True(t, r.Applied)
	require.Equal(t, "11", string(m.Read(one(Op{Kind: Get, Key: "n"})).Results[0].Value))
	_, err = DecodeState(append([]byte{9}, old[1:]...))
	require.ErrorContains(t, err, "format version 9")
}

// Sessions are in the snapshot: a replica that starts from one knows what took effect before (R21).
func TestR21SessionsSurviveASnapshot(t *testing.T) {
	m := NewMachine()
	m.Apply(1, Command{Kind: OpenSession})
	m.Apply(2, add(1, 1, 0, 10))
	restored, err := DecodeState(m.AppendState(nil))
	require.NoError(t, err)
	again, at := restored.Apply(3, add(1, 1, 0, 10))
	require.EqualValues(t, 2, at)
	require.Equal(t, "10", string(again.Results[0].Value))
}

// The session that was not used for longest goes, the same one everywhere, and its client is told that nobody knows.
func TestR21SessionsExpireAlike(t *testing.T) {
	a := NewMachine()
	for i := range uint64(MaxSessions) {
		a.Apply(i+1, Command{Kind: OpenSession})
	}
	a.Apply(MaxSessions+1, add(1, 1, 0, 1)) // session 1 is used, 2 is the oldest now
	b, err := DecodeState(a.AppendState(nil))
	require.NoError(t, err)
	for _, m := range []*Machine{a, b} {
		m.Apply(MaxSessions+2, Command{Kind: OpenSession})
		require.Equal(t, MaxSessions, m.Sessions())
		r, _ := m.Apply(MaxSessions+3, add(2, 1, 0, 1))
		require.True(t, r.Expired)
		require.False(t, r.Applied)
		r, _ = m.Apply(MaxSessions+4, add(1, 2, 1, 1))
		require.True(t, r.Applied)
	}
	require.Equal(t, a.AppendState(nil), b.AppendState(nil))
}

// A session whose client acknowledges nothing goes, as a whole: an attempt that is refused now must not take effect when there is room again.
func TestR21FullSessionsAreGivenUp(t *testing.T) {
	m := NewMachine().Limited(Limits{Responses: 2})
	m.Apply(1, Command{Kind: OpenSession})
	m.Apply(2, add(1, 1, 0, 1))
	m.Apply(3, add(1, 2, 0, 1))
	r, _ := m.Apply(4, add(1, 3, 0, 1))
	require.True(t, r.Expired)
	m.Apply(5, add(1, 4, 2, 1)) // has acknowledged two
	r, _ = m.Apply(6, add(1, 3, 0, 1))
	require.True(t, r.Expired)
	require.False(t, r.Applied)
	require.Zero(t, m.Sessions())
}

// Limits stay over copies.
func TestLimitsOfSessions(t *testing.T) {
	m := NewMachine().Limited(Limits{Sessions: 2}).Clone()
	for i := range uint64(5) {
		m.Apply(i+1, Command{Kind: OpenSession})
	}
	require.Equal(t, 2, m.Sessions())
}

// A clone is not touched by what happens to the original, nor the other way round.
func TestCloneStandsAlone(t *testing.T) {
	m := NewMachine()
	m.Apply(1, Command{Kind: OpenSession})
	m.Apply(2, add(1, 1, 0, 1))
	before := m.AppendState(nil)
	c := m.Clone()
	m.Apply(3, add(1, 2, 0, 1))
	m.Apply(4, Command{Kind: OpenSession})
	require.Equal(t, before, c.AppendState(nil))
	after, again := m.AppendState(nil), m.Clone()
	c.Apply(3, add(1, 2, 1, 5))
	again.Apply(5, add(1, 3, 2, 7))
	require.Equal(t, after, m.AppendState(nil))
}

// What is written in pieces is what is appended, and as much as was said before; the count of bytes is that of the keys and values.
func TestWrittenInPieces(t *testing.T) {
	m, rng := NewMachine(), rand.New(rand.NewPCG(1, 1))
	m.Apply(1, Command{Kind: OpenSession})
	m.Apply(2, add(1, 1, 0, 1))
	for i := range uint64(3000) {
		op := Op{Kind: Put, Key: fmt.Sprint(rng.IntN(700)), Value: make([]byte, rng.IntN(2000))}
		if rng.IntN(4) == 0 {
			op = Op{Kind: Delete, Key: op.Key}
		}
		m.Apply(i+3, Command{Kind: Transact, Txn: Txn{Ops: []Op{op}}})
	}
	var b bytes.Buffer
	require.NoError(t, m.WriteState(&b))
	require.Greater(t, b.Len(), 4*pieceBytes)
	require.True(t, bytes.Equal(m.AppendState(nil), b.Bytes()))
	require.EqualValues(t, b.Len(), m.StateSize())
	again, err := ReadState(&b, uint64(b.Len()))
	require.NoError(t, err)
	n := 0
	again.store.values.Scan(func(key string, value []byte) bool {
		n += len(key) + len(value)
		return true
	})
	require.Equal(t, n, m.Bytes())
	require.Equal(t, n, again.Bytes())
	require.ErrorContains(t, m.WriteState(full{}), "full")
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

// A clone is made while the driver waits: it must not take longer where there are more keys.
func BenchmarkClone(b *testing.B) {
	for _, keys := range []int{1000, 1000000} {
		m := NewMachine()
		for i := range keys {
			m.store.load(fmt.Sprintf("%08d", i), []byte("value"))
		}
		b.Run(fmt.Sprint(keys, " keys"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Clone()
			}
		})
	}
}

// Snapshot and replay agree: a replica restored at any point and fed the rest ends in the same state (R3, R16).
func TestR16SnapshotsStandForTheLogBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := NewMachine()
		var b *Machine
		n := rapid.IntRange(1, 40).Draw(t, "n")
		at := rapid.IntRange(0, n-1).Draw(t, "snapshot at")
		var open []uint64
		for i := range n {
			if i == at {
				var err error
				b, err = DecodeState(a.AppendState(nil))
				require.NoError(t, err)
			}
			c := Command{Kind: OpenSession}
			if len(open) > 0 && rapid.IntRange(0, 4).Draw(t, "kind") > 0 {
				c = Command{Kind: Transact, Txn: drawTxn(t)}
				if rapid.Bool().Draw(t, "in a session") {
					c.Session = rapid.SampledFrom(open).Draw(t, "session")
					c.Acknowledged = rapid.Uint64Range(0, 3).Draw(t, "acknowledged")
					c.Sequence = c.Acknowledged + rapid.Uint64Range(1, 3).Draw(t, "sequence")
				}
			} else {
				open = append(open, uint64(i+1))
			}
			c, err := DecodeCommand(AppendCommand(nil, c))
			require.NoError(t, err)
			ra, ia := a.Apply(uint64(i+1), c)
			if b != nil {
				rb, ib := b.Apply(uint64(i+1), c)
				require.Equal(t, fmt.Sprint(AppendResult(nil, ra), ia), fmt.Sprint(AppendResult(nil, rb), ib))
			}
		}
		require.Equal(t, a.AppendState(nil), b.AppendState(nil))
	})
}

func TestBadCommandsAreNamed(t *testing.T) {
	_, err := DecodeCommand([]byte{sessionVersion, 0, 1, 0})
	require.ErrorContains(t, err, "session 0")
	_, err = DecodeCommand(AppendCommand(nil, add(1, 2, 2, 1)))
	require.ErrorContains(t, err, "sequence number 2 is not after 2")
	_, err = DecodeCommand([]byte{7})
	require.ErrorContains(t, err, "format version 7")
	_, err = DecodeState([]byte{9})
	require.ErrorContains(t, err, "format version 9")
}

func FuzzDecodeCommand(f *testing.F) {
	f.Add(AppendCommand(nil, add(3, 2, 1, -7)))
	f.Add(AppendCommand(nil, Command{Kind: OpenSession}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeCommand(b)
		if err != nil {
			return
		}
		again, err := DecodeCommand(AppendCommand(nil, c))
		require.NoError(t, err)
		require.Equal(t, c, again)
		NewMachine().Apply(1, c)
	})
}

func FuzzDecodeState(f *testing.F) {
	m := NewMachine()
	m.Apply(1, Command{Kind: OpenSession})
	m.Apply(2, add(1, 1, 0, 1))
	f.Add(m.AppendState(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeState(b)
		if err != nil {
			return
		}
		state := m.AppendState(nil)
		again, err := DecodeState(state)
		require.NoError(t, err)
		require.Equal(t, state, again.AppendState(nil))
	})
}
