package compare_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/compare"
	"github.com/ordeal-dev/ordeal/checker"
)

// nightRunner fails in every run of the current version.
type nightRunner struct{}

func (nightRunner) Run(_ context.Context, job campaign.Job) (campaign.Run, error) {
	return every(1, 0)(job.Cell.Version, int(job.Seed)), nil
}

// stoppedAtFirst is the folder of a campaign that its first violation stopped.
func stoppedAtFirst(t *testing.T, root string, c *campaign.Campaign) string {
	t.Helper()
	folder := filepath.Join(root, filepath.Base(c.Folder))
	made, err := campaign.Create(folder, c.Plan)
	require.NoError(t, err)
	require.NoError(t, campaign.Carry(t.Context(), made, nightRunner{}, campaign.Options{Parallel: 1, Stop: campaign.StopAtFirst}))
	require.NoError(t, made.Close())
	return folder
}

// A campaign that its first violation stopped has too high a rate: it is held against nothing, also once it is merged, until all its runs are done.
func TestWhatAViolationStoppedIsNotCompared(t *testing.T) {
	root := t.TempDir()
	folder := stoppedAtFirst(t, root, made(5, nil, every(0, 0)))
	stopped, err := campaign.Open(folder)
	require.NoError(t, err)
	merged := saved(t, t.TempDir(), stopped)
	for _, folder := range []string{folder, merged} {
		c := comparedFolders(t, folder)
		require.Zero(t, c.Tests)
		require.Len(t, c.Notes, 2, "one for each of its versions")
		require.Contains(t, c.Notes[0], "stopped at a violation")
	}

	going, err := campaign.Resume(folder)
	require.NoError(t, err)
	require.NoError(t, campaign.Carry(t.Context(), going, nightRunner{}, campaign.Options{Parallel: 1}))
	require.NoError(t, going.Close())
	require.Equal(t, 2, comparedFolders(t, folder).Tests, "all its runs are done now")
}

// Nor is a night that a violation stopped what the next one is held against.
func TestANightThatAViolationStoppedIsNoBase(t *testing.T) {
	root := t.TempDir()
	of := func(day int) *campaign.Campaign {
		return made(3, func(p *campaign.Plan) { p.Started = p.Started.AddDate(0, 0, day) }, every(0, 0))
	}
	first := saved(t, root, of(0))
	stoppedAtFirst(t, root, of(1))
	third := saved(t, root, of(2))
	folders, err := compare.Latest(root)
	require.NoError(t, err)
	require.Equal(t, []string{first, third}, folders)
}

// Where none of a cell's runs came to a verdict nothing is known of it, also on two nights one after the other, and it is said.
func TestWhereNoRunCameToAVerdictNothingIsKnown(t *testing.T) {
	silent := func(string, int) campaign.Run {
		return campaign.Run{Verdict: checker.Unknown, Reason: "it did not serve"}
	}
	c := compared(t, compare.Default, made(3, nil, silent))
	require.Equal(t, 2, c.Unjudged, "on both sides")
	require.Contains(t, c.Notes[0], "no run of HEAD~3 came to a verdict")
	require.Contains(t, c.Headline(), "not all could be compared")
	for _, write := range []func(b *bytes.Buffer) error{
		func(b *bytes.Buffer) error { return c.Text(b, true) },
		func(b *bytes.Buffer) error { return c.HTML(b) },
	} {
		out := text(t, write)
		require.Contains(t, out, "no verdict")
		require.NotContains(t, out, "0 %  0 % to 100 %", "a rate of what was not seen")
		require.NotContains(t, out, "0 % (0 % to 100 %)")
	}
	require.Zero(t, compared(t, compare.Default, made(3, nil, every(0, 2))).Unjudged)
}
