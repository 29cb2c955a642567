package campaign_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
)

const victim = "ORDEAL_TEST_CAMPAIGN" // the folder of the campaign that this process goes on with

func TestMain(m *testing.M) {
	if folder := os.Getenv(victim); folder != "" {
		os.Exit(goOn(folder))
	}
	os.Exit(m.Run())
}

// goOn is the process that is killed: it goes on with a campaign, or begins it.
func goOn(folder string) int {
	c, err := campaign.Resume(folder)
	if err != nil {
		if c, err = campaign.Create(folder, plan(60)); err != nil {
			panic(err)
		}
	}
	slow := func(ctx context.Context, job campaign.Job) (campaign.Run, error) {
		time.Sleep(time.Duration(job.Seed%3) * time.Millisecond)
		return seeded(ctx, job)
	}
	if err := campaign.Carry(context.Background(), c, runner(slow), campaign.Options{Parallel: 4, Reproduce: 2, KeepInvalid: true}); err != nil {
		panic(err)
	}
	return 0
}

// A campaign that is killed again and again (kill -9) comes to the end that one that was left alone comes to: no run is lost,
// none is there twice, and no folder is left that no line speaks of.
func TestKilledAndResumed(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "c")
	self, err := os.Executable()
	require.NoError(t, err)
	lines, kills := 0, 0
	for seed := uint64(1); ; seed++ {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), victim+"="+folder)
		require.NoError(t, cmd.Start())
		if err := killAfter(cmd, folder, lines+rand.New(rand.NewPCG(seed, 0)).IntN(30)+1); err == nil {
			break
		}
		kills++
		c, err := campaign.Open(folder)
		if err != nil {
			continue // killed before campaign.json was there
		}
		require.GreaterOrEqual(t, len(c.Runs), lines, "what was on the disk is still there")
		lines = len(c.Runs)
	}
	require.Greater(t, kills, 4)
	whole := carry(t, plan(60), seeded, campaign.Options{Reproduce: 2, KeepInvalid: true})
	killed, err := campaign.Open(folder)
	require.NoError(t, err)
	require.Equal(t, outcomes(whole), outcomes(killed))
	require.Len(t, killed.Runs, len(whole.Runs), "none twice")
	require.Equal(t, folders(t, whole), folders(t, killed))
}

// killAfter kills the process once the campaign has so many lines; nil: it came to its end before.
func killAfter(cmd *exec.Cmd, folder string, lines int) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(time.Millisecond):
		}
		if c, err := campaign.Open(folder); err == nil && len(c.Runs) >= lines {
			_ = cmd.Process.Kill() // it may have ended by now
			return <-done
		}
	}
}

func folders(t *testing.T, c *campaign.Campaign) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.Folder, campaign.RunsFolder))
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A kill can cut the last line anywhere: whatever is left of it, the run is done again and there once.
func TestATornLastLine(t *testing.T) {
	whole := carry(t, plan(3), seeded, campaign.Options{KeepInvalid: true})
	path := filepath.Join(whole.Folder, campaign.RunsFile)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := 1; cut < 700; cut += 37 {
		require.NoError(t, os.WriteFile(path, text[:len(text)-cut], 0o644))
		c, err := campaign.Resume(whole.Folder)
		require.NoError(t, err)
		require.Less(t, len(c.Runs), 12)
		require.NoError(t, campaign.Carry(t.Context(), c, runner(seeded), campaign.Options{KeepInvalid: true}))
		require.NoError(t, c.Close())
		c, err = campaign.Open(whole.Folder)
		require.NoError(t, err)
		require.Equal(t, outcomes(whole), outcomes(c))
		require.Len(t, c.Runs, 12)
	}
}

// What a run left that never came to its line goes when the campaign goes on; what was kept stays.
func TestUnfinishedFoldersAreRemoved(t *testing.T) {
	whole := carry(t, plan(6), seeded, campaign.Options{KeepInvalid: true})
	before := folders(t, whole)
	require.NotEmpty(t, before)
	require.NoError(t, os.MkdirAll(filepath.Join(whole.Folder, campaign.RunsFolder, "000999", "half"), 0o755))
	c, err := campaign.Resume(whole.Folder)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Equal(t, before, folders(t, whole))
}
