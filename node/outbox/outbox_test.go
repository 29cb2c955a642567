package outbox

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pair is the two ends of a TCP connection.
func pair(t testing.TB) (ours, theirs net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ours, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	theirs, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// hidden is a connection without a file descriptor to be had.
type hidden struct{ net.Conn }

// Items of many threads arrive whole, each once, those of a thread in their order, though the other side reads slowly at times.
func TestAllArrivesInOrder(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"at once": func(c net.Conn) net.Conn { return c }, "by goroutine": func(c net.Conn) net.Conn { return hidden{c} },
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := pair(t)
			var written atomic.Int64
			b := New(wrap(ours), Options{Timeout: time.Minute, Written: func(n int) { written.Add(int64(n)) }, Failed: func(err error) { t.Error(err) }})
			const threads, each = 8, 500
			var all sync.WaitGroup
			for thread := range threads {
				all.Go(func() {
					for i := range each {
						size := 1 + (i*i)%5000
						b.Put(0, func(p []byte) []byte {
							p = binary.LittleEndian.AppendUint32(p, uint32(thread))
							p = binary.LittleEndian.AppendUint32(p, uint32(i))
							p = binary.LittleEndian.AppendUint32(p, uint32(size))
							return append(p, make([]byte, size)...)
						})
						b.Flush()
					}
				})
			}
			next := make([]uint32, threads)
			var head [12]byte
			for range threads * each {
				_, err := io.ReadFull(theirs, head[:])
				require.NoError(t, err)
				thread, i := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
				require.Equal(t, next[thread], i)
				next[thread]++
				_, err = io.CopyN(io.Discard, theirs, int64(binary.LittleEndian.Uint32(head[8:])))
				require.NoError(t, err)
			}
			all.Wait()
			require.Eventually(t, func() bool { return written.Load() == threads*each }, time.Minute, time.Millisecond)
		})
	}
}

// stuck has the other side not read until bytes of an item are in flight that the connection does not take.
func stuck(t *testing.T, b *Box) {
	require.True(t, b.Put(1, func(p []byte) []byte { return append(p, make([]byte, 32<<20)...) }))
	b.Flush()
	require.True(t, b.Put(2, func(p []byte) []byte { return append(p, "two"...) }))
	require.True(t, b.Put(3, func(p []byte) []byte { return append(p, "three"...) }))
	require.True(t, b.Put(4, func(p []byte) []byte { return append(p, "four"...) }))
	b.Flush()
}

func TestNobodyWaitsForWhoDoesNotRead(t *testing.T) {
	ours, theirs := pair(t)
	b := New(ours, Options{})
	stuck(t, b)
	require.Equal(t, Flying, b.TakeBack(1))
	require.Equal(t, Withdrawn, b.TakeBack(3))
	require.Equal(t, Gone, b.TakeBack(3), "it was taken back already")
	require.Equal(t, len("twofour"), b.Waiting())
	_, err := io.CopyN(io.Discard, theirs, 32<<20)
	require.NoError(t, err)
	rest := make([]byte, len("twofour"))
	_, err = io.ReadFull(theirs, rest)
	require.NoError(t, err)
	require.Equal(t, "twofour", string(rest))
	require.Eventually(t, func() bool { return b.TakeBack(2) == Gone }, time.Minute, time.Millisecond)
}

func TestFailure(t *testing.T) {
	ours, _ := pair(t)
	failed := make(chan error, 2)
	b := New(ours, Options{Failed: func(err error) { failed <- err }})
	stuck(t, b)
	ours.Close()
	require.Error(t, <-failed)
	require.Equal(t, Flying, b.TakeBack(1), "a part of it may have arrived")
	require.Equal(t, Withdrawn, b.TakeBack(4))
	require.False(t, b.Put(5, func(p []byte) []byte { return append(p, 5) }))
	b.Flush()
	require.Empty(t, failed, "told once")
}

func TestTimeout(t *testing.T) {
	ours, _ := pair(t)
	failed := make(chan error, 1)
	b := New(ours, Options{Timeout: time.Millisecond, Failed: func(err error) { failed <- err }})
	stuck(t, b)
	var timeout net.Error
	require.ErrorAs(t, <-failed, &timeout)
	require.True(t, timeout.Timeout())
}

func BenchmarkFlush(b *testing.B) {
	ours, theirs := pair(b)
	go io.Copy(io.Discard, theirs)
	box := New(ours, Options{})
	payload := make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		box.Put(0, func(p []byte) []byte { return append(p, payload...) })
		box.Flush()
	}
}
