package load

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counted is a store in memory that looks at how it is asked.
type counted struct {
	mu             sync.Mutex
	under, most    int
	puts, gets     map[string]int
	refuse, closed int
}

func (c *counted) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.under++
	c.most = max(c.most, c.under)
}

func (c *counted) leave(of map[string]int, key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.under--
	if c.refuse > 0 {
		c.refuse--
		return errors.New("refused")
	}
	of[key]++
	return nil
}

func (c *counted) Put(_ context.Context, key string, value []byte) error {
	if len(value) != valueSize || len(key) != 16 {
		return errors.New("not the sizes that are compared")
	}
	c.enter()
	return c.leave(c.puts, key)
}

func (c *counted) Get(_ context.Context, key string) error {
	c.enter()
	time.Sleep(time.Millisecond)
	return c.leave(c.gets, key)
}

func (c *counted) Close() error { c.closed++; return nil }

func newCounted() *counted { return &counted{puts: map[string]int{}, gets: map[string]int{}} }

func sum(of map[string]int) int {
	n := 0
	for _, x := range of {
		n += x
	}
	return n
}

// To fill is to put every key once, whatever the number of clients.
func TestFill(t *testing.T) {
	s := newCounted()
	_, err := Plan{Op: "fill", Clients: 7}.Run(func() (Store, error) { return s, nil })
	require.NoError(t, err)
	require.Len(t, s.puts, keys)
	require.Equal(t, keys, sum(s.puts))
	require.Equal(t, 7, s.closed, "every connection is closed")
}

// A client asks again only when it was answered, what fails is counted apart, and only what began after the warm-up is measured.
func TestClosedLoop(t *testing.T) {
	s := newCounted()
	s.refuse = 3
	r, err := Plan{Op: "get", Clients: 20, Warmup: 20 * time.Millisecond, Time: 100 * time.Millisecond}.Run(func() (Store, error) { return s, nil })
	require.NoError(t, err)
	require.LessOrEqual(t, s.most, 20)
	require.Greater(t, s.most, 1)
	require.Equal(t, 3, r.Failed)
	require.Equal(t, "refused", r.Why)
	require.Positive(t, r.Operations)
	require.Less(t, r.Operations, sum(s.gets), "some were of the warm-up")
	require.GreaterOrEqual(t, r.P50, 1000.0, "microseconds")
	require.LessOrEqual(t, r.P50, r.P99)
	require.Equal(t, connections, s.closed)
}

func TestPlansThatCannotBe(t *testing.T) {
	for _, p := range []Plan{{Op: "delete", Clients: 1}, {Op: "put"}} {
		_, err := p.Run(func() (Store, error) { return newCounted(), nil })
		require.ErrorContains(t, err, "want put, get, lease or fill, and a client at least")
	}
	r, err := Plan{Op: "lease", Clients: 1, Time: time.Millisecond}.Run(func() (Store, error) { return newCounted(), nil })
	require.NoError(t, err)
	require.Equal(t, "this store has no reads by lease", r.Why)
}
