package local

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// killedHarness starts a harness with a cluster in dir, ends it with SIGKILL, and gives the pids of its nodes.
func killedHarness(t *testing.T, dir, mode string) map[string]int {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "ORDEAL_TEST_HARNESS="+mode, "ORDEAL_TEST_DIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, line)
	up := map[string]int{}
	require.NoError(t, json.Unmarshal([]byte(line), &up), line)
	require.Len(t, up, 3)
	t.Cleanup(func() { // Whatever the test finds out, nothing stays.
		_, err := Cleanup(ctx)
		require.NoError(t, err)
	})

	// While the harness lives its run is nobody else's business.
	lines, err := Cleanup(ctx)
	require.NoError(t, err)
	require.Empty(t, lines)

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	return up
}

func running(pid int) bool {
	_, err := identify(pid)
	return err == nil
}

// A harness that is killed leaves its nodes running where the kernel does not end them. Cleanup does.
func TestCleanupAfterKilledHarness(t *testing.T) {
	t.Setenv("ORDEAL_STATE", t.TempDir())
	dir := filepath.Join(t.TempDir(), "run")
	up := killedHarness(t, dir, "no-death-signal")
	for _, pid := range up {
		require.True(t, running(pid))
	}
	require.DirExists(t, dir)

	lines, err := Cleanup(ctx)
	require.NoError(t, err)
	require.Len(t, lines, 4, "%q", lines)
	require.Contains(t, lines[0], "ended n1, pid ")
	require.Contains(t, lines[3], "removed its files in "+dir)
	for _, pid := range up {
		require.False(t, running(pid))
	}
	require.NoDirExists(t, dir)
	records, err := filepath.Glob(filepath.Join(os.Getenv("ORDEAL_STATE"), "runs", "*"))
	require.NoError(t, err)
	require.Empty(t, records)

	lines, err = Cleanup(ctx)
	require.NoError(t, err)
	require.Empty(t, lines)
}

// A pid that was given to a stranger since, and a folder that is another's, are not touched.
func TestCleanupSparesStrangers(t *testing.T) {
	t.Setenv("ORDEAL_STATE", t.TempDir())
	stranger := exec.Command("sleep", "600")
	require.NoError(t, stranger.Start())
	t.Cleanup(func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait()
	})
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, dataFolder), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, markFile), []byte("another-run\n"), 0o644))

	r, err := newRecord("dead-run", dir, true)
	require.NoError(t, err)
	id, err := identify(stranger.Process.Pid)
	require.NoError(t, err)
	earlier, renamed := id, id
	earlier.Started += "0"
	renamed.Executable = "/usr/bin/ordeal-node"
	require.NoError(t, r.setProcess("n1", earlier))
	require.NoError(t, r.setProcess("n2", renamed))
	r.Harness.Started += "0" // the harness is gone, and somebody else has its pid
	require.NoError(t, r.save())

	lines, err := Cleanup(ctx)
	require.NoError(t, err)
	require.Empty(t, lines)
	require.True(t, running(stranger.Process.Pid))
	require.DirExists(t, filepath.Join(dir, dataFolder))
	require.NoFileExists(t, r.path, "the record has done its duty")
}

// A record that cannot be read is named, and the others are cleaned all the same.
func TestCleanupReportsBadRecords(t *testing.T) {
	t.Setenv("ORDEAL_STATE", t.TempDir())
	dir := filepath.Join(t.TempDir(), "run")
	r, err := newRecord("b-dead-run", dir, true)
	require.NoError(t, err)
	require.NoError(t, r.mark())
	r.Harness.PID = 1 << 30
	require.NoError(t, r.save())
	runs := filepath.Dir(r.path)
	require.NoError(t, os.WriteFile(filepath.Join(runs, "a.json"), []byte("{"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(runs, "c.json"), []byte(`{"id":"c","dir":"."}`), 0o644))

	lines, err := Cleanup(ctx)
	require.ErrorContains(t, err, filepath.Join(runs, "a.json")+": not the record of a run")
	require.ErrorContains(t, err, `c.json: the record names run "c", folder ".", harness 0, which cannot be`)
	require.Equal(t, []string{"run b-dead-run: removed its files in " + dir}, lines)
	require.NoDirExists(t, dir)
}
