//go:build unix

package serve

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

// Whoever opens a pipe waits for somebody who writes into it, and a device may do something when it is opened.
func TestPipesSocketsAndDevicesHoldUpNobody(t *testing.T) {
	root := t.TempDir()
	good := makeRun(t, root, "good", checker.Valid, nil)
	var pipes []string
	pipe := func(path string) {
		pipes = append(pipes, path)
		_ = os.Remove(path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, syscall.Mkfifo(path, 0o644))
	}
	paths := []string{"/run/pipe", "/run/latest/x"}
	for _, name := range []string{store.ReportFile, store.VerdictFile, store.TestFile, store.HistoryFile, store.ProgressFile, store.ObservationsFile, store.TraceFile, "nodes/n9.log", "extra.log"} {
		run := makeRun(t, root, "run-"+filepath.Base(name), checker.Valid, nil)
		pipe(run.Path(name))
		for _, rest := range []string{"", name, "live", "files", "picture?key=k", "operations?from=0&to=1", "test.json"} {
			paths = append(paths, pathOf(root, run, rest))
		}
	}
	linked := makeRun(t, root, "linked", checker.Valid, nil)
	pipe(filepath.Join(root, "pipe"))
	require.NoError(t, os.Symlink(filepath.Join(root, "pipe"), linked.NodeLog("n9")))
	paths = append(paths, pathOf(root, linked, ""), pathOf(root, linked, "nodes/n9.log"))
	socket, err := net.Listen("unix", filepath.Join(root, "s"))
	require.NoError(t, err)
	defer socket.Close()
	paths = append(paths, "/run/s")
	for i, name := range []string{campaign.PlanFile, campaign.RunsFile, "lock"} {
		c := makeCampaign(t, root, began.Add(time.Duration(i)*time.Hour))
		pipe(filepath.Join(c.Folder, name))
		at := "torture/" + filepath.Base(c.Folder)
		paths = append(paths, "/campaign/"+at, "/compare?c="+at)
	}
	paths = append(paths, "/history/torture")
	server := start(t, root)
	t.Cleanup(func() { // whoever waits goes on, and the server can end
		for _, path := range pipes {
			if f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0); err == nil {
				defer f.Close()
			}
		}
	})
	http.DefaultClient.Timeout = time.Minute // an answer that never comes is told of
	defer func() { http.DefaultClient.Timeout = 0 }()
	for _, p := range paths {
		code, _, _ := get(t, server, p)
		require.GreaterOrEqual(t, code, 400, p)
	}
	// A pipe in a folder of the run's that is none of its own stands in nobody's way, and cannot be read.
	pipe(good.Path("more/pipe"))
	code, _, _ := get(t, server, pathOf(root, good, "more/pipe"))
	require.Equal(t, http.StatusNotFound, code)
	code, _, _ = get(t, server, pathOf(root, good, ""))
	require.Equal(t, http.StatusOK, code)
	_, _, list := get(t, server, "/list.json")
	require.Contains(t, list, `"name":"good"`)
	require.NotContains(t, list, `"name":"run-`)
}
