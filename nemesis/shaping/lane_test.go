package shaping

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
)

const ms = time.Millisecond

func TestNothingIsDoneWithoutAShape(t *testing.T) {
	l := NewLane(nemesis.Shape{}, 1)
	for i := range 100 {
		now := time.Duration(i) * ms
		at, lost := l.Packet(now, 1500)
		require.False(t, lost)
		require.Equal(t, now, at)
		require.Equal(t, now, l.Chunk(now, 1500))
	}
	require.Equal(t, nemesis.Shaped{Passed: 200}, l.Counts())
}

func TestDelayAndJitter(t *testing.T) {
	l := NewLane(nemesis.Shape{Delay: 20 * ms, Jitter: 5 * ms}, 1)
	least, most := time.Hour, time.Duration(0)
	for i := range 1000 {
		now := time.Duration(i) * ms
		at, _ := l.Packet(now, 100)
		least, most = min(least, at-now), max(most, at-now)
	}
	require.InDelta(t, float64(15*ms), float64(least), float64(ms))
	require.InDelta(t, float64(25*ms), float64(most), float64(ms))
	c := l.Counts()
	require.EqualValues(t, 1000, c.Delayed)
	require.NotZero(t, c.Reordered, "jitter keeps no order")
	require.InDelta(t, float64(20*ms), float64(c.Held), float64(ms))
}

func TestLossAndReordering(t *testing.T) {
	l := NewLane(nemesis.Shape{Loss: 0.1}, 1)
	for range 10_000 {
		l.Packet(0, 100)
	}
	c := l.Counts()
	require.InDelta(t, 1000, float64(c.Lost), 150)
	require.EqualValues(t, 10_000, c.Passed+c.Lost)

	l = NewLane(nemesis.Shape{Delay: 20 * ms, Reorder: 0.25}, 1)
	early := 0
	for i := range 1000 {
		now := time.Duration(i) * ms
		if at, _ := l.Packet(now, 100); at == now {
			early++
		}
	}
	require.InDelta(t, 250, early, 50)
	require.InDelta(t, float64(early), float64(l.Counts().Reordered), 2)
}

// A narrow link sends one packet after the other, and loses what does not fit in its queue.
func TestRate(t *testing.T) {
	l := NewLane(nemesis.Shape{Rate: 10_000}, 1) // 1,000 bytes take 100 ms
	for i := range 10 {
		at, lost := l.Packet(0, 1000)
		require.False(t, lost)
		require.Equal(t, time.Duration(i+1)*100*ms, at)
	}
	_, lost := l.Packet(0, 1000)
	require.False(t, lost)
	_, lost = l.Packet(0, 1000)
	require.True(t, lost, "more than a second behind")
	at, lost := l.Packet(10*time.Second, 1000)
	require.False(t, lost)
	require.Equal(t, 10*time.Second+100*ms, at)
	require.EqualValues(t, 11, l.Counts().Limited)
}

// A stream keeps its order and loses nothing.
func TestChunksKeepTheirOrder(t *testing.T) {
	l := NewLane(nemesis.Shape{Delay: 20 * ms, Jitter: 20 * ms, Loss: 0.2, Rate: 1 << 20}, 1)
	last := time.Duration(0)
	for i := range 1000 {
		now := time.Duration(i) * ms
		at := l.Chunk(now, 100)
		require.GreaterOrEqual(t, at, now)
		require.GreaterOrEqual(t, at, last)
		last = at
	}
	c := l.Counts()
	require.EqualValues(t, 1000, c.Passed)
	require.NotZero(t, c.Lost)
	require.Zero(t, c.Reordered)
}

// Of a stream, too, what comes while the link is busy counts as having waited, and takes its turn.
func TestNarrowStream(t *testing.T) {
	l := NewLane(nemesis.Shape{Rate: 1000}, 1)
	require.Equal(t, time.Second, l.Chunk(0, 1000))
	require.Equal(t, 2*time.Second, l.Chunk(time.Millisecond, 1000))
	require.Equal(t, 6*time.Second, l.Chunk(5*time.Second, 1000), "the link was free again")
	require.EqualValues(t, 1, l.Counts().Limited)
	require.EqualValues(t, 3, l.Counts().Passed)
}
