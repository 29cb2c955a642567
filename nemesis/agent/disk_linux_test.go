package agent

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/disk"
)

func TestWithoutDisk(t *testing.T) {
	c, _ := serve(t, "run")
	for name, err := range map[string]error{
		"state":  func() error { _, err := c.Disk(t.Context()); return err }(),
		"fault":  c.SetDisk(t.Context(), nemesis.DiskFault{Full: true}),
		"settle": c.Settle(t.Context()),
		"forget": func() error { _, err := c.ForgetUnsynced(t.Context(), 0); return err }(),
		"wipe":   func() error { _, err := c.Wipe(t.Context()); return err }(),
	} {
		var e *Error
		require.True(t, errors.As(err, &e), name)
		require.Equal(t, http.StatusNotImplemented, e.Status)
		require.ErrorContains(t, err, "start it with --disk")
	}
}

// A disk's life, ordered over the API.
func TestDiskOverTheAPI(t *testing.T) {
	if err := disk.Probe(); err != nil {
		t.Skip("no disk can be mounted here: ", err)
	}
	c, s := serve(t, "run")
	dir := filepath.Join(t.TempDir(), "data")
	d, err := mountDisk(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Unmount()) })
	s.disk = d
	ctx := t.Context()

	require.NoError(t, s.supervisor.start())
	_, err = c.ForgetUnsynced(ctx, 0)
	require.True(t, IsConflict(err), "%v", err)
	require.ErrorContains(t, err, "kill it before its disk is changed")
	_, err = c.Kill(ctx)
	require.NoError(t, err)

	file, err := os.Create(filepath.Join(dir, "1.wal"))
	require.NoError(t, err)
	for _, text := range []string{"first", "second"} {
		_, err = file.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, file.Sync())
	}
	require.NoError(t, file.Close())
	flip, err := c.FlipBit(ctx, "*.wal", 7)
	require.NoError(t, err)
	require.Equal(t, "1.wal", flip.File)
	back, err := c.RestoreBits(ctx)
	require.NoError(t, err)
	require.Len(t, back, 1)
	require.Equal(t, flip.Before, back[0].After)
	cut, err := c.CutLog(ctx, "*.wal", 7)
	require.NoError(t, err)
	require.EqualValues(t, len("first"), cut.Kept)
	require.Equal(t, flip.Before, cut.Before)
	_, err = c.FlipBit(ctx, "[", 7)
	require.ErrorContains(t, err, "syntax error in pattern")

	loss, err := c.ForgetUnsynced(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, nemesis.PowerLoss{Names: 1}, loss)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "settled"), []byte("unsynced"), 0o600))
	require.NoError(t, c.Settle(ctx))
	loss, err = c.ForgetUnsynced(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, nemesis.PowerLoss{}, loss, "what was settled stays")

	require.NoError(t, c.SetDisk(ctx, nemesis.DiskFault{FailSyncs: true, SlowSyncs: time.Millisecond}))
	state, err := c.Disk(ctx)
	require.NoError(t, err)
	require.Equal(t, nemesis.DiskFault{FailSyncs: true, SlowSyncs: time.Millisecond}, state.Fault)
	require.ErrorContains(t, c.SetDisk(ctx, nemesis.DiskFault{SlowSyncs: -1}), "slow_syncs_ns is -1")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	n, err := c.Wipe(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n, "the file that was settled")
	_, err = os.Stat(filepath.Join(dir, "folder"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
