package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/report/chromium"
	"github.com/ordeal-dev/ordeal/store"
)

// makeLongRun makes a run of two clients, each with an operation every millisecond that takes half of one.
func makeLongRun(t *testing.T, root string, operations int) *store.Run {
	run := makeRun(t, root, "long", checker.Valid, nil)
	require.NoError(t, os.Remove(run.Path(store.HistoryFile)))
	w, err := history.Create(run.Path(store.HistoryFile))
	require.NoError(t, err)
	for n := range operations / 2 {
		at := time.Duration(n) * time.Millisecond
		for process := range 2 {
			w.Append(history.Event{Time: at, Process: process, Type: history.Invoke, F: "put", Key: fmt.Sprint("k", n%10), Input: history.Int(int64(n))})
		}
		for process := range 2 {
			w.Append(history.Event{Time: at + time.Millisecond/2, Process: process, Type: history.OK, F: "put", Key: fmt.Sprint("k", n%10), Output: history.Int(int64(n))})
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, run.WriteVerdict(store.Verdict{Verdict: checker.Valid, Length: time.Duration(operations/2) * time.Millisecond, Operations: store.Counts{OK: operations}}))
	require.NoError(t, report.Build(run.Folder))
	return run
}

func TestOperationsThatThePageDoesNotHoldAreReadOnDemand(t *testing.T) {
	root := t.TempDir()
	run := makeLongRun(t, root, 120_000)
	server := start(t, root)
	page := chromium.Open(t, server.URL+pathOf(root, run, ""))
	require.Equal(t, strings.TrimSpace(`
the page has gaps true
in a gap: 160 true 500 µs
of a key: 12,000
all again: 60.000 s`), page.Say(`
const $ = id => document.getElementById(id), form = $('clients-filter');
await until(() => !$('clients').classList.contains('waiting'));
const binary = atob(JSON.parse($('operations-data').textContent)), bytes = Uint8Array.from(binary, c => c.charCodeAt(0));
const held = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
const gap = held.stretches.findIndex(([, to], i) => held.stretches[i + 1]?.[0] > to + 0.1), from = held.stretches[gap][1];
say('the page has gaps', held.total === 120000 && held.call.length <= 105000 && gap >= 0);
$('clients-list').open = true;
const rows = () => [...$('clients-table').tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent));
const view = [(from + 0.01).toFixed(4), (from + 0.0899).toFixed(4)];
location.hash = '#view=clients&t=' + view.join('-');
await until(() => $('clients-count').textContent.includes('in view ' + Number(view[0]).toFixed(3)) && rows().length > 0);
const called = rows().map(r => Number(r[0]));
say('in a gap:', called.length, called.every(c => c >= view[0] && c <= view[1]), [...new Set(rows().map(r => r[5]))].join(' '));
location.hash = '#view=clients&key=k7';
say('of a key:', await until(() => /^12,000 of/.test($('clients-count').textContent) && '12,000'));
location.hash = '#view=clients&t=0-70';
await until(() => form.elements.key.value === '');
say('all again:', /to ([\d.]+ s)/.exec($('clients-count').textContent)[1]);`))
}

// Only the page of the run can ask: others on the net have an origin of their own too.
func TestOnlyThePageOfARunMayAskForItsOperations(t *testing.T) {
	root := t.TempDir()
	run, other := makeRun(t, root, "one;two, three", checker.Valid, nil), makeRun(t, root, "other", checker.Valid, nil)
	server := start(t, root)
	passOf := func(run *store.Run) string {
		_, header, body := get(t, server, (&url.URL{Path: pathOf(root, run, "")}).EscapedPath())
		host := strings.TrimPrefix(server.URL, "http://")
		require.Regexp(t, `; connect-src http://`+regexp.QuoteMeta(host)+`/run/[^ ;,]+/operations$`, header.Get("Content-Security-Policy"))
		return regexp.MustCompile(`<html lang="en" data-served="([0-9a-f]{64})">`).FindStringSubmatch(body)[1]
	}
	ask := func(run *store.Run, query string) (int, http.Header, string) {
		return get(t, server, (&url.URL{Path: pathOf(root, run, "operations")}).EscapedPath()+"?"+query)
	}
	require.NotEqual(t, passOf(run), passOf(other))
	for _, query := range []string{"from=0&to=1", "from=0&to=1&pass=", "from=0&to=1&pass=" + passOf(other)} {
		code, header, body := ask(run, query)
		require.Equal(t, http.StatusForbidden, code, query)
		require.Empty(t, header.Get("Access-Control-Allow-Origin"))
		require.NotContains(t, body, "put")
	}
	for _, query := range []string{"", "from=0", "from=-1&to=2", "from=2&to=1", "from=NaN&to=1", "from=0&to=Inf", "from=0&to=1e300", "from=x&to=1"} {
		code, _, _ := ask(run, "pass="+passOf(run)+"&"+query)
		require.Equal(t, http.StatusBadRequest, code, query)
	}
	code, header, body := ask(run, "from=0&to=1&pass="+passOf(run))
	require.Equal(t, http.StatusOK, code, body)
	require.Equal(t, "null", header.Get("Access-Control-Allow-Origin"))
	var got struct {
		Call  []int64
		Texts []string
	}
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	require.Equal(t, []int64{1000}, got.Call)
	require.Contains(t, got.Texts, "put 1")
}
