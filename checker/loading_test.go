package checker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// A history that cannot be read within the limits of its check is unknown, and says which limit it was.
func TestLoadingHoldsTheLimits(t *testing.T) {
	path := shape{operations: 20_000, keys: 10, clients: 5}.file(t)
	load := func(ctx context.Context, o Options) (*Loading, Result, bool) {
		l := NewLoading(ctx, o)
		t.Cleanup(l.Release)
		_, err := history.LoadWithin(l.Limits(), path)
		r, unread := l.Unread(err)
		return l, r, unread
	}
	_, r, unread := load(t.Context(), Options{Timeout: 1})
	require.True(t, unread)
	require.Equal(t, Unknown, r.Verdict)
	require.Equal(t, "the history was not read within the time of 1ns", r.Reason)

	_, r, unread = load(t.Context(), Options{Memory: 1 << 20})
	require.True(t, unread)
	require.Equal(t, Unknown, r.Verdict)
	require.Contains(t, r.Reason, "the history was not read within ")
	require.Contains(t, r.Reason, "of memory")

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, r, unread = load(gone, Options{})
	require.True(t, unread)
	require.Contains(t, r.Reason, "interrupted")

	l, _, unread := load(t.Context(), Options{Timeout: time.Hour, Memory: 8 << 30})
	require.False(t, unread)
	left := l.Left()
	require.Less(t, left.Timeout, time.Hour)
	ctx, cancel := left.within(t.Context(), "the time for all keys")
	defer cancel()
	require.NoError(t, ctx.Err())
	require.Equal(t, time.Hour, left.asked, "what is told is the time that was asked for")
	_, unread = l.Unread(errors.New("line 3 is no JSON"))
	require.False(t, unread)
	_, unread = l.Unread(nil)
	require.False(t, unread)
}
