package serve

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

var began = time.Date(2026, 11, 23, 6, 33, 22, 0, time.UTC)

// makeRun puts a run into the results; an empty verdict leaves it without one.
func makeRun(t testing.TB, root, name string, verdict checker.Verdict, change func(*store.Test)) *store.Run {
	t.Helper()
	run, err := store.Create(root, name, began)
	require.NoError(t, err)
	test := store.Test{Name: name, Started: began, Began: began, Cluster: "local", Workload: "register", Faults: []string{"kill"}, Nodes: []string{"n1", "n2"},
		Clients: 2, Seed: 7, Duration: time.Second}
	if change != nil {
		change(&test)
	}
	require.NoError(t, run.WriteTest(test))
	w, err := history.Create(run.Path(store.HistoryFile))
	require.NoError(t, err)
	w.Append(history.Event{Time: 1e6, Process: 0, Type: history.Invoke, F: "put", Key: "k", Input: history.Int(1)})
	w.Append(history.Event{Time: 2e6, Process: 0, Type: history.OK, F: "put", Key: "k"})
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(run.NodeLog("n1"), []byte("a line of the log\n"), 0o644))
	if verdict != "" {
		require.NoError(t, run.WriteVerdict(store.Verdict{Verdict: verdict, Reason: "it is " + string(verdict), Operations: store.Counts{OK: 1},
			Results: []checker.Result{{Checker: "linearizable", Model: "cas-register", Verdict: verdict, Keys: []checker.KeyResult{{Key: "k", Verdict: verdict, Operations: 1}}}}}))
	}
	return run
}

func start(t testing.TB, root string) *httptest.Server {
	t.Helper()
	s, err := New(root, "ordeal.example")
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		s.EndStreams()
		server.Close()
		require.NoError(t, s.Close())
	})
	return server
}

// get asks for a path as it is written: nothing is cleaned before it is sent.
func get(t testing.TB, server *httptest.Server, path string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	req.URL.Opaque = "//" + req.URL.Host + path
	client := http.Client{Timeout: http.DefaultClient.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(body)
}

func pathOf(root string, run *store.Run, rest string) string {
	within, _ := filepath.Rel(root, run.Folder)
	return "/run/" + filepath.ToSlash(within) + "/" + rest
}

func TestFilesOfARun(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", checker.Valid, nil)
	server := start(t, root)
	for file, kind := range map[string]string{
		"history.jsonl": "text/plain; charset=utf-8", "nodes/n1.log": "text/plain; charset=utf-8", "verdict.json": "application/json", "test.json": "application/json",
	} {
		code, header, body := get(t, server, pathOf(root, run, file))
		require.Equal(t, http.StatusOK, code, file)
		require.Equal(t, kind, header.Get("Content-Type"))
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		want, err := os.ReadFile(run.Path(file))
		require.NoError(t, err)
		require.Equal(t, string(want), body)
	}
	code, _, body := get(t, server, pathOf(root, run, "files"))
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `<a href="nodes/n1.log">nodes/n1.log</a>`)

	code, header, body := get(t, server, pathOf(root, run, ""))
	require.Equal(t, http.StatusOK, code, "made for the request: there is no report.html")
	require.Contains(t, body, "data-served")
	require.Contains(t, header.Get("Content-Security-Policy"), "sandbox allow-scripts")
	require.NotContains(t, header.Get("Content-Security-Policy"), "allow-same-origin")
	require.NoFileExists(t, run.Path(store.ReportFile), "it only reads")

	code, header, _ = get(t, server, strings.TrimSuffix(pathOf(root, run, ""), "/"))
	require.Equal(t, http.StatusFound, code)
	require.Equal(t, pathOf(root, run, ""), header.Get("Location"))
	code, _, body = get(t, server, pathOf(root, run, "picture?key=k"))
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "Porcupine")
	code, _, body = get(t, server, pathOf(root, run, "picture?key=none"))
	require.Equal(t, http.StatusNotFound, code)
	require.NotContains(t, body, "<")
}

const secret = "this is not to be read"

// Nothing outside the folder can be reached, however it is asked for and wherever links lead.
func TestNothingOutsideIsReached(t *testing.T) {
	above := t.TempDir()
	root := filepath.Join(above, "results")
	run := makeRun(t, root, "register", checker.Valid, nil)
	outside := makeRun(t, above, "other", checker.Valid, func(test *store.Test) { test.Workload = secret })
	require.NoError(t, os.WriteFile(filepath.Join(above, "secret"), []byte(secret), 0o644))
	within, err := filepath.Rel(root, run.Folder)
	require.NoError(t, err)

	linked := makeRun(t, root, "linked", checker.Valid, nil)
	require.NoError(t, os.Symlink(filepath.Join(above, "secret"), filepath.Join(linked.Folder, "link.log")))
	logs := makeRun(t, root, "logs", checker.Valid, nil)
	require.NoError(t, os.Symlink(filepath.Join(above, "secret"), logs.NodeLog("n9")))
	require.NoError(t, os.Symlink(outside.Folder, filepath.Join(root, "register", "elsewhere")))
	require.NoError(t, os.Symlink(above, filepath.Join(root, "up")))
	server := start(t, root)

	for _, p := range []string{
		"/run/../secret", "/run/../../secret", "/run/%2e%2e/secret", "/run/%2e%2e%2fsecret", "/run/..%2fsecret", "/run/..%5csecret", "/run/" + within + "/../../../secret",
		"/run/" + within + "/..%2f..%2f..%2fsecret", "/run/" + within + "/%2e%2e/%2e%2e/%2e%2e/secret", "/run/" + within + "/nodes/..%2f..%2f..%2f..%2fsecret",
		"/run//" + above + "/secret", "/run/" + url.PathEscape(above+"/secret"), "/run/up/secret", "/run/up/other/", "/run/up/other/" + filepath.Base(outside.Folder) + "/",
		"/run/register/elsewhere/", "/run/register/elsewhere/test.json", pathOf(root, linked, ""), pathOf(root, linked, "link.log"), pathOf(root, logs, ""), pathOf(root, logs, "nodes/n9.log"),
		"/campaign/../other", "/campaign/up", "/compare?c=../other", "/compare?c=up", "/history/up", "/history/..%2f", "/static/../serve.go", "/static/..%2fserve.go",
		"/run/" + within + "/test.json%00.log", "/run/%00",
	} {
		code, _, body := get(t, server, p)
		require.NotContains(t, body, secret, p)
		require.NotEqual(t, http.StatusOK, code, p)
	}
	_, _, list := get(t, server, "/list.json")
	require.NotContains(t, list, secret)
	require.NotContains(t, list, "elsewhere")
	require.Contains(t, list, within)
	code, _, _ := get(t, server, "/run/latest/test.json")
	require.NotEqual(t, http.StatusOK, code, "latest is that of the run whose log leads out")
}

func TestALinkWithinTheResultsIsFollowed(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", checker.Valid, nil)
	server := start(t, root)
	code, _, body := get(t, server, "/run/latest/test.json")
	require.Equal(t, http.StatusOK, code)
	want, err := os.ReadFile(run.Path(store.TestFile))
	require.NoError(t, err)
	require.Equal(t, string(want), body)
}

func TestOnlyThoseWhoCallItByItsNameAreAnswered(t *testing.T) {
	root := t.TempDir()
	makeRun(t, root, "register", checker.Valid, nil)
	server := start(t, root)
	for host, want := range map[string]int{
		"127.0.0.1:80": 200, "localhost:9": 200, "[::1]:9": 200, "ordeal.example": 200, "ORDEAL.example:1": 200, "evil.example": 403, "evil.example:80": 403, "localhost.evil.example": 403, "": 403,
	} {
		req := httptest.NewRequest(http.MethodGet, "/list.json", nil)
		req.Host = host
		w := httptest.NewRecorder()
		server.Config.Handler.ServeHTTP(w, req)
		require.Equal(t, want, w.Code, "%q", host)
	}
}

func TestItOnlyReads(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", checker.Valid, nil)
	server := start(t, root)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		req, err := http.NewRequest(method, server.URL+pathOf(root, run, "test.json"), strings.NewReader("x"))
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	}
}

func TestAllAnswersHaveAPolicy(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", checker.Valid, nil)
	server := start(t, root)
	for _, p := range []string{"/", "/list.json", "/style.css", "/static/list.js", pathOf(root, run, ""), pathOf(root, run, "files"), pathOf(root, run, "test.json"), pathOf(root, run, "picture?key=k"), "/nowhere"} {
		_, header, _ := get(t, server, p)
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'", p)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), p)
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"), p)
	}
}

// readEvents hands on the events of a stream until it ends.
func readEvents(t *testing.T, from io.Reader) []liveEvent {
	b, err := io.ReadAll(from)
	require.NoError(t, err)
	var all []liveEvent
	for _, line := range strings.Split(string(b), "\n") {
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			var e liveEvent
			require.NoError(t, json.Unmarshal([]byte(text), &e))
			all = append(all, e)
		}
	}
	return all
}

func TestARunUnderWayIsStreamedUntilItIsOver(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", "", nil)
	require.NoError(t, run.WriteProgress(store.Progress{Phase: "running", Updated: time.Now(), Elapsed: time.Second, Duration: time.Minute, OK: 5, Faults: []string{"kill n1"}}))
	server := start(t, root)
	resp, err := http.Get(server.URL + pathOf(root, run, "live"))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	go func() {
		time.Sleep(liveEvery)
		_ = run.WriteVerdict(store.Verdict{Verdict: checker.Valid, Reason: "all is well"})
		_ = run.RemoveProgress()
	}()
	all := readEvents(t, resp.Body)
	require.Equal(t, "running", all[0].State)
	require.Equal(t, []string{"kill n1"}, all[0].Progress.Faults)
	require.EqualValues(t, 5, all[0].Progress.OK)
	require.Equal(t, "register", all[0].Test.Name)
	last := all[len(all)-1]
	require.Equal(t, "over", last.State)
	require.Equal(t, "valid", last.Verdict)
}

func TestAKilledRunIsNotUnderWay(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", "", nil)
	require.NoError(t, run.WriteProgress(store.Progress{Phase: "running", Updated: time.Now().Add(-time.Hour)}))
	server := start(t, root)
	resp, err := http.Get(server.URL + pathOf(root, run, "live"))
	require.NoError(t, err)
	defer resp.Body.Close()
	all := readEvents(t, resp.Body)
	require.Equal(t, "ended", all[0].State)
	_, _, list := get(t, server, "/list.json")
	require.Contains(t, list, `"state":"ended"`)
	_, _, page := get(t, server, pathOf(root, run, ""))
	require.Contains(t, page, "No verdict", "its report, not the live view")
}

func TestStreamsEndWithTheServer(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", "", nil)
	require.NoError(t, run.WriteProgress(store.Progress{Phase: "running", Updated: time.Now().Add(time.Hour)}))
	s, err := New(root)
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	resp, err := http.Get(server.URL + pathOf(root, run, "live"))
	require.NoError(t, err)
	defer resp.Body.Close()
	s.EndStreams()
	require.NoError(t, server.Config.Shutdown(context.Background()), "it waits for what goes on")
	require.Len(t, readEvents(t, resp.Body), 1)
	require.NoError(t, s.Close())
}

func makeCampaign(t *testing.T, root string, at time.Time) *campaign.Campaign {
	t.Helper()
	plan := campaign.Plan{Started: at, Command: []string{"ordeal", "torture"}, Cluster: "local", Versions: []campaign.Version{{Name: "current", Digest: strings.Repeat("ab", 32)}},
		Workloads: []string{"register"}, Faults: []string{"kill"}, Nodes: 3, Clients: 5, Rate: 100, Duration: time.Second, Timeout: time.Second, Seed: 9, Runs: 2}
	c, err := campaign.Create(filepath.Join(root, "torture", at.Format(store.TimeLayout)), plan)
	require.NoError(t, err)
	var lines []byte
	for number, verdict := range []checker.Verdict{checker.Valid, checker.Invalid} {
		line, err := json.Marshal(campaign.Run{Number: number, Cell: plan.Cell(number), Seed: plan.SeedOf(number), Verdict: verdict, Reason: "<b>why</b>", Started: at, Elapsed: time.Second})
		require.NoError(t, err)
		lines = append(append(lines, line...), '\n')
	}
	require.NoError(t, c.Close())
	require.NoError(t, os.WriteFile(filepath.Join(c.Folder, campaign.RunsFile), lines, 0o644))
	return c
}

func TestCampaignsAndComparisons(t *testing.T) {
	root := t.TempDir()
	first, second := makeCampaign(t, root, began), makeCampaign(t, root, began.Add(time.Hour))
	server := start(t, root)
	_, _, text := get(t, server, "/list.json")
	var l listing
	require.NoError(t, json.Unmarshal([]byte(text), &l))
	require.Len(t, l.Campaigns, 2)
	require.Equal(t, 1, l.Campaigns[0].Invalid)
	require.Equal(t, "torture/"+filepath.Base(second.Folder), l.Campaigns[0].Path)

	code, _, page := get(t, server, "/campaign/"+l.Campaigns[0].Path)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, page, "2 runs on local: 1 invalid")
	require.Contains(t, page, "&lt;b&gt;why")
	code, header, page := get(t, server, "/compare?c="+l.Campaigns[0].Path+"&c=torture/"+filepath.Base(first.Folder))
	require.Equal(t, http.StatusOK, code, page)
	require.Contains(t, page, "current")
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	code, _, page = get(t, server, "/history/torture")
	require.Equal(t, http.StatusOK, code, page)
	code, _, _ = get(t, server, "/campaign/torture")
	require.Equal(t, http.StatusNotFound, code)
}
