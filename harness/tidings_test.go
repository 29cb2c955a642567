package harness

import (
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/store"
)

func TestProgressCanBeWatchedFromTheFolder(t *testing.T) {
	folder, err := store.Create(t.TempDir(), "watched", time.Now())
	require.NoError(t, err)
	told := newTidings(silence{}, folder)
	told.Phase("running")
	told.Show(Snapshot{Elapsed: time.Second, Duration: time.Minute, OK: 5, PerSecond: 5, Leader: "n2", Faults: []string{"kill: n1"}})
	p, err := folder.Progress()
	require.NoError(t, err)
	first := p.Updated
	p.Updated = time.Time{}
	require.Equal(t, store.Progress{Phase: "running", Elapsed: time.Second, Duration: time.Minute, OK: 5, PerSecond: 5, Leader: "n2", Faults: []string{"kill: n1"}}, p)
	require.Eventually(t, func() bool { // with nothing new to tell
		p, err := folder.Progress()
		return err == nil && p.Updated.After(first)
	}, time.Minute, 10*time.Millisecond)
	told.Phase("checking the history")
	p, err = folder.Progress()
	require.NoError(t, err)
	require.Empty(t, p.Faults, "none of the phase before")
	told.stop()
	_, err = folder.Progress()
	require.ErrorIs(t, err, fs.ErrNotExist)
}
