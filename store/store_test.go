package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

var started = time.Date(2026, 11, 23, 6, 33, 22, 123e6, time.UTC)

func newRun(t *testing.T) (root string, run *store.Run) {
	t.Helper()
	root = t.TempDir()
	run, err := store.Create(root, "register-local", started)
	require.NoError(t, err)
	return root, run
}

func someTest() store.Test {
	return store.Test{
		Name: "register-local", Command: []string{"ordeal", "run", "--seed", "7"}, Started: started,
		Cluster: "local", Workload: "register", Faults: []string{"kill"}, Nodes: []string{"n1", "n2", "n3"},
		Clients: 10, Rate: 200, Duration: 30 * time.Second, Seed: 7,
	}
}

func TestCreateNamesTheFolderByTime(t *testing.T) {
	root, run := newRun(t)
	require.Equal(t, filepath.Join(root, "register-local", "20261123T063322.123Z"), run.Folder)
	require.DirExists(t, run.Path(store.NodesFolder))
	require.Equal(t, filepath.Join(run.Folder, "nodes", "n1.log"), run.NodeLog("n1"))
}

func TestLatestLeadsToTheRunStartedLast(t *testing.T) {
	root, first := newRun(t)
	second, err := store.Create(root, "register-docker", started.Add(time.Minute))
	require.NoError(t, err)
	require.NoError(t, first.WriteTest(someTest()))
	require.NoError(t, second.WriteTest(someTest()))

	target, err := os.Readlink(filepath.Join(root, "latest"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join("register-docker", filepath.Base(second.Folder)), target, "relative, so that results can be moved")

	moved := filepath.Join(t.TempDir(), "moved")
	require.NoError(t, os.Rename(root, moved))
	run, err := store.Open(filepath.Join(moved, "latest"))
	require.NoError(t, err)
	require.Equal(t, filepath.Base(second.Folder), filepath.Base(run.Folder))
}

func TestLatestMayBeAFile(t *testing.T) {
	root, run := newRun(t)
	require.NoError(t, run.WriteTest(someTest()))
	latest := filepath.Join(root, "latest")
	require.NoError(t, os.Remove(latest))
	require.NoError(t, os.WriteFile(latest, []byte("register-local/20261123T063322.123Z\n"), 0o644))
	opened, err := store.Open(latest)
	require.NoError(t, err)
	require.Equal(t, filepath.Base(run.Folder), filepath.Base(opened.Folder))

	require.NoError(t, os.WriteFile(latest, []byte("../../etc"), 0o644))
	_, err = store.Open(latest)
	require.ErrorContains(t, err, "does not name a folder beside it")
}

func TestPlainLatestMeansTheDefaultFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	run, err := store.Create(store.DefaultRoot, "r", started)
	require.NoError(t, err)
	require.NoError(t, run.WriteTest(someTest()))
	opened, err := store.Open("latest")
	require.NoError(t, err)
	require.Equal(t, run.Folder, opened.Folder)
}

func TestRunsThatStartAtOnceGetFoldersOfTheirOwn(t *testing.T) {
	root := t.TempDir()
	const n = 20
	folders := make([]string, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			run, err := store.Create(root, "r", started)
			if err == nil {
				folders[i], err = run.Folder, run.WriteTest(store.Test{Seed: uint64(i)})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i, folder := range folders {
		run, err := store.Open(folder)
		require.NoError(t, err)
		test, err := run.Test()
		require.NoError(t, err)
		require.EqualValues(t, i, test.Seed, "nobody else wrote here")
	}
	all, err := store.List(root)
	require.NoError(t, err)
	require.Len(t, all, n)
	_, err = store.Open(filepath.Join(root, "latest"))
	require.NoError(t, err)
	left, err := filepath.Glob(filepath.Join(root, ".latest-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestNamesThatCannotBeFolders(t *testing.T) {
	for _, name := range []string{"", "latest", "../up", "a/b", ".hidden", strings.Repeat("x", 300), "a\x00b"} {
		root := t.TempDir()
		_, err := store.Create(root, name, started)
		require.Error(t, err, "%q", name)
		left, err := os.ReadDir(root)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestDocumentsComeBackAsTheyWere(t *testing.T) {
	_, run := newRun(t)
	require.NoError(t, run.WriteTest(someTest()))
	test, err := run.Test()
	require.NoError(t, err)
	require.Equal(t, someTest(), test)

	v := store.Verdict{
		Verdict: checker.Invalid, Reason: "k3: a read saw a value that had been overwritten",
		Results: []checker.Result{{Checker: "linearizable", Verdict: checker.Invalid, Keys: []checker.KeyResult{{
			Key: "k3", Verdict: checker.Invalid, Operations: 9,
			Evidence: []history.Operation{{Process: 4, F: "get", Key: "k3", Call: 1, Return: history.Forever, Type: history.Info}},
		}}}},
		Operations: store.Counts{OK: 7, Fail: 1, Info: 1},
		Faults:     []store.FaultInterval{{ID: 1, Fault: "kill", Start: time.Second, End: 2 * time.Second, Took: true}},
		Leaders:    []store.Leadership{{Term: 2, Node: "n1", End: time.Minute}},
		Length:     30 * time.Second,
	}
	require.NoError(t, run.WriteVerdict(v))
	again, err := run.Verdict()
	require.NoError(t, err)
	require.Equal(t, v, again)

	files, err := filepath.Glob(run.Path(".*"))
	require.NoError(t, err)
	require.Empty(t, files, "no temporary file stays")
}

func TestAFailedWriteLeavesTheOldDocument(t *testing.T) {
	_, run := newRun(t)
	require.NoError(t, run.WriteTest(someTest()))
	bad := someTest()
	bad.Rate = 1 / zero
	require.ErrorContains(t, run.WriteTest(bad), "test.json")
	test, err := run.Test()
	require.NoError(t, err)
	require.Equal(t, someTest(), test)
}

var zero float64

func TestOpenAcceptsFilesInside(t *testing.T) {
	_, run := newRun(t)
	require.NoError(t, run.WriteTest(someTest()))
	for _, file := range []string{store.SealedHistoryFile, store.HistoryFile, "nodes/n1.log"} {
		require.NoError(t, os.WriteFile(run.Path(file), nil, 0o644))
		opened, err := store.Open(run.Path(file))
		require.NoError(t, err)
		require.Equal(t, run.Folder, opened.Folder)
	}
	h, err := run.History()
	require.NoError(t, err)
	require.Equal(t, run.Path(store.SealedHistoryFile), h)
	require.Equal(t, []string{"nodes/n1.log"}, run.NodeLogs())
}

func TestErrorsSayWhatToDo(t *testing.T) {
	root, run := newRun(t)
	_, err := store.Open(filepath.Join(root, "nowhere"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "name a run's folder")

	_, err = store.Open(filepath.Join(t.TempDir(), "latest"))
	require.ErrorContains(t, err, "start one with `ordeal run`")

	_, err = store.Open(run.Folder)
	require.ErrorContains(t, err, "is not a run's folder: it holds neither test.json nor history.jsonl")

	require.NoError(t, run.WriteTest(someTest()))
	_, err = store.Open(root)
	require.ErrorContains(t, err, "it holds 1 runs; name one of them, such as "+run.Folder)

	_, err = run.Verdict()
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "ordeal check")

	_, err = run.History()
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.WriteFile(run.Path(store.VerdictFile), []byte("{\n  \"verdict\": valid\n}"), 0o644))
	_, err = run.Verdict()
	require.ErrorContains(t, err, "verdict.json:2:14")

	require.NoError(t, os.WriteFile(run.Path(store.VerdictFile), []byte(`{"verdict": "fine"}`), 0o644))
	_, err = run.Verdict()
	require.ErrorContains(t, err, `"fine"`)

	require.NoError(t, os.WriteFile(run.Path(store.VerdictFile),
		[]byte(`{"verdict": "valid", "results": [{"checker": "c", "verdict": "valid", "keys": [{"key": "k1"}]}]}`), 0o644))
	_, err = run.Verdict()
	require.ErrorContains(t, err, `checker "c", key "k1"`)
}

func TestObservations(t *testing.T) {
	_, run := newRun(t)
	none, err := run.Observations()
	require.NoError(t, err)
	require.Empty(t, none)

	want := []store.Observation{
		{Time: time.Second, Node: "n1", Role: "leader", Term: 3, Commit: 17, Applied: 16},
		{Time: 2 * time.Second, Node: "n1", Role: "down"},
	}
	w, err := run.CreateObservations()
	require.NoError(t, err)
	for _, o := range want {
		require.NoError(t, w.Write(o))
	}
	got, err := run.Observations() // before Close: every line is in the file at once
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, w.Close())
}

func TestATornLastObservationCostsOnlyItself(t *testing.T) {
	whole := `{"t":1,"node":"n1","role":"leader"}` + "\n"
	got, err := store.ReadObservations("o", strings.NewReader(whole+`{"t":2,"no`))
	require.NoError(t, err)
	require.Len(t, got, 1)

	got, err = store.ReadObservations("o", strings.NewReader(whole+"nonsense\n"+whole))
	require.ErrorContains(t, err, "o:2: not an observation")
	require.Len(t, got, 1, "what stood before it")
}

func TestListIsNewestFirstAndHidesNothing(t *testing.T) {
	root := t.TempDir()
	none, err := store.List(filepath.Join(root, "results"))
	require.NoError(t, err)
	require.Empty(t, none)

	write := func(name string, at time.Time, verdict checker.Verdict) *store.Run {
		run, err := store.Create(root, name, at)
		require.NoError(t, err)
		test := someTest()
		test.Name, test.Started = name, at
		require.NoError(t, run.WriteTest(test))
		if verdict != "" {
			require.NoError(t, run.WriteVerdict(store.Verdict{Verdict: verdict, Operations: store.Counts{OK: 3}}))
		}
		return run
	}
	write("a", started, checker.Valid)
	write("b", started.Add(2*time.Hour), "")
	broken := write("a", started.Add(time.Hour), checker.Invalid)
	require.NoError(t, os.WriteFile(broken.Path(store.VerdictFile), []byte("{"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "README.md"), []byte("kept"), 0o644))

	all, err := store.List(root)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, []string{"b", "a", "a"}, []string{all[0].Name, all[1].Name, all[2].Name})
	require.Empty(t, all[0].Verdict)
	require.Empty(t, all[0].Error, "a run without a verdict is no error")
	require.Contains(t, all[1].Error, "verdict.json")
	require.Equal(t, checker.Valid, all[2].Verdict)
	require.Equal(t, 3, all[2].Operations.OK)
	require.Equal(t, started, all[2].Started)
}

func TestUnwritableFolder(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		// Permissions do not bind root; a file in the folder's place stops everybody.
		root := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(root, nil, 0o644))
		_, err := store.Create(root, "r", started)
		require.ErrorContains(t, err, "making the run's folder")
		return
	}
	root := t.TempDir()
	require.NoError(t, os.Chmod(root, 0o555))
	_, err := store.Create(root, "r", started)
	require.True(t, errors.Is(err, fs.ErrPermission), "%v", err)
}

func TestProgressIsThereWhileTheRunGoesOn(t *testing.T) {
	_, run := newRun(t)
	_, err := run.Progress()
	require.ErrorIs(t, err, fs.ErrNotExist)
	want := store.Progress{Phase: "running", Updated: started, Elapsed: time.Second, Duration: time.Minute, OK: 7, PerSecond: 7, Faults: []string{"kill n1"}}
	require.NoError(t, run.WriteProgress(want))
	got, err := run.Progress()
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.True(t, got.Alive(started.Add(store.ProgressBeat)))
	require.False(t, got.Alive(started.Add(time.Minute)), "its harness was killed")
	require.NoError(t, run.RemoveProgress())
	require.NoError(t, run.RemoveProgress(), "again")
	require.NoFileExists(t, run.Path(store.ProgressFile))
}
