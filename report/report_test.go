package report_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

// build makes the run's page and returns it.
func build(t testing.TB, run *store.Run) string {
	t.Helper()
	require.NoError(t, report.Build(run.Folder))
	b, err := os.ReadFile(run.Path(store.ReportFile))
	require.NoError(t, err)
	requireHarmless(t, string(b))
	left, err := os.ReadDir(run.Folder)
	require.NoError(t, err)
	for _, f := range left {
		require.False(t, strings.HasPrefix(f.Name(), "."), "%s was left behind", f.Name())
	}
	return string(b)
}

func write(t testing.TB, in report.Input) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, report.Write(&out, in))
	requireHarmless(t, out.String())
	return out.String()
}

// has is require.Contains without the whole page in its message.
func has(t testing.TB, page, part string) {
	t.Helper()
	require.True(t, strings.Contains(page, part), "the page does not contain %.300q", part)
}

// embedded is the data of the page with the id.
func embedded(t testing.TB, page, id string, into any) {
	t.Helper()
	_, text, ok := strings.Cut(page, `<script type="application/json" id="`+id+`">`)
	require.True(t, ok, "%s", id)
	text, _, _ = strings.Cut(text, "</script>")
	require.NoError(t, json.Unmarshal([]byte(text), into))
}

// unpack is the packed data of the page with the id.
func unpack(t testing.TB, page, id string, into any) {
	t.Helper()
	var text string
	embedded(t, page, id, &text)
	compressed, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(z).Decode(into))
}

// pictured are the pictures of the page.
func pictured(t testing.TB, page string) (list []struct{ Key, Note, HTML string }) {
	t.Helper()
	embedded(t, page, "pictures-data", &list)
	return list
}

const maxPage = 5 << 20

// requireHarmless holds for every page, whatever is in it.
func requireHarmless(t testing.TB, page string) {
	t.Helper()
	require.Less(t, len(page), maxPage)
	require.True(t, utf8.ValidString(page))
	has(t, page, `default-src 'none'`)
	require.Equal(t, 5, strings.Count(page, "<script"), "keys, operations, logs, pictures and the page's own")
	require.Equal(t, 5, strings.Count(page, "</script"))
	for _, loads := range []string{`(?i)\b(src|href)\s*=\s*["']?\s*(https?:)?//`, `(?i)url\(\s*["']?\s*(https?:)?//`, `@import`, `<link`, `<base`, `<img`, `<object`, `<embed`} {
		require.Empty(t, regexp.MustCompile(loads).FindString(withoutData(page)), "nothing is fetched")
	}
}

// withoutData cuts out the data, which is text.
func withoutData(page string) string {
	return regexp.MustCompile(`(?s)<script type="application/json".*?</script>`).ReplaceAllString(page, "")
}

func TestValidRun(t *testing.T) {
	run := defaultPlan().makeRun(t, t.TempDir(), "register-docker")
	page := build(t, run)
	has(t, page, "<title>valid · register-docker · 2026-11-23 06:33:22 UTC</title>")
	has(t, page, "Valid: what the clients saw is linearizable")
	has(t, page, "ordeal run --cluster docker --workload register --faults kill,partition --time 30s --seed 7")
	require.False(t, strings.Contains(page, `id="evidence"`))
	for _, id := range []string{"time", "operations", "faults", "keys", "picture", "run"} {
		has(t, page, `id="`+id+`"`)
	}
	for _, link := range []string{"history.jsonl", "test.json", "verdict.json", "observations.jsonl", "nodes/n1.log", "nodes/n5.log"} {
		has(t, page, `href="`+link+`"`)
	}
	require.Len(t, pictured(t, page), 6, "all keys")
	require.Equal(t, "A key whose operations have a legal order.", strings.Split(pictured(t, page)[0].Note, " Its ")[0])
	has(t, page, "n2: leader in term 3\n3.700 s to 8.500 s")
	has(t, page, "n1: down\n3.100 s to 5.400 s (2.30 s)")
	require.Equal(t, 2, strings.Count(page, `<rect width="12" height="12" class="fault kill"`), "both kills in the table")
	has(t, page, `class="fault missed partition" fill="none"`)
	has(t, page, "the table below lists them")
}

func TestThePageLeadsToTheMessagesOfAShrunkRun(t *testing.T) {
	p := defaultPlan()
	p.length = time.Second
	run := p.makeRun(t, t.TempDir(), "register")
	page := build(t, run)
	require.NotContains(t, page, ">Messages</a>")
	require.NotContains(t, page, ">Made small</a>")
	require.NoError(t, os.WriteFile(run.Path(store.ShrunkPageFile), []byte("<html>"), 0o644))
	has(t, build(t, run), `<a href="shrunk.html">Made small</a>`)
}

func TestInvalidRunShowsTheEvidence(t *testing.T) {
	p := defaultPlan()
	p.stale = 20 * time.Second
	run := p.makeRun(t, t.TempDir(), "register-docker")
	v, err := run.Verdict()
	require.NoError(t, err)
	require.Equal(t, checker.Invalid, v.Verdict, "the made-up bug shows")
	page := build(t, run)
	has(t, page, "Invalid: the system broke its promise")
	has(t, page, `id="evidence-1" open`)

	var key checker.KeyResult
	for _, k := range v.Results[0].Keys {
		if k.Verdict == checker.Invalid && (key.Key == "" || len(k.Evidence) < len(key.Evidence)) {
			key = k
		}
	}
	_, proof, _ := strings.Cut(page, `id="evidence-1"`)
	proof, _, _ = strings.Cut(proof, `</details>`)
	has(t, proof, `<code>`+key.Key+`</code>`)
	for _, op := range key.Evidence {
		has(t, proof, fmt.Sprintf("event %d of the history", op.Index))
		has(t, proof, fmt.Sprintf("process %d</text>", op.Process))
	}
	require.Equal(t, len(key.Evidence), strings.Count(proof, `class="operation `), "a bar for each")
	has(t, proof, "leader: n4 in term 4")
	require.Equal(t, key.Key, pictured(t, page)[0].Key, "the first of the pictures")
	has(t, page, `id="to-evidence"`)
}

func TestEvidenceWithACrashedOperation(t *testing.T) {
	page := write(t, report.Input{
		Test: store.Test{Name: "r"},
		Verdict: store.Verdict{
			Verdict: checker.Invalid, Reason: "a lost write was seen, then not",
			Faults: []store.FaultInterval{{ID: 1, Fault: "pause", Text: "n1", Start: time.Second, End: 3 * time.Second, Took: true, Healed: true}},
			Results: []checker.Result{{Checker: "linearizable", Verdict: checker.Invalid, Keys: []checker.KeyResult{{
				Key: "k", Verdict: checker.Invalid, DecidedBy: "zones",
				Evidence: []history.Operation{
					{Process: 1, F: "put", Key: "k", Input: history.Int(5), Call: time.Second, Return: history.Forever, Type: history.Info, Error: "timeout"},
					{Process: 2, F: "get", Key: "k", Output: history.Int(5), Call: 2 * time.Second, Return: 2100 * time.Millisecond, Type: history.OK, Index: 1},
					{Process: 2, F: "get", Key: "k", Call: 3 * time.Second, Return: 3100 * time.Millisecond, Type: history.OK, Index: 3},
				},
			}}}},
			Length: 4 * time.Second,
		},
	})
	has(t, page, "never returned: it may have taken effect at any time after the call, or never")
	has(t, page, "get <tspan class=\"result ok\">→ nil</tspan>")
	has(t, page, "put 5 <tspan class=\"result info\">→ ?</tspan>")
	has(t, page, "in force: pause n1")
	has(t, page, "A bar that is open to the right never returned")
}

func TestUnknownRunSaysWhy(t *testing.T) {
	page := write(t, report.Input{Verdict: store.Verdict{Verdict: checker.Unknown, Reason: "no fault took hold: every probe crossed"}})
	has(t, page, "Unknown: nothing can be said")
	has(t, page, "no fault took hold: every probe crossed")
	has(t, page, "No client operation completed.")
}

func TestARunThatWasKilledStillHasAPage(t *testing.T) {
	run := defaultPlan().makeRun(t, t.TempDir(), "killed")
	require.NoError(t, os.Remove(run.Path(store.VerdictFile)))
	page := build(t, run)
	has(t, page, "No verdict")
	has(t, page, "ordeal check")
	has(t, page, "n4: leader in term 4")
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	run := defaultPlan().makeRun(t, t.TempDir(), "broken")
	path := run.Path(store.HistoryFile)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(b), "\n")
	lines[1000] = "nonsense\n"
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644))
	require.NoError(t, os.WriteFile(run.Path(store.ObservationsFile), []byte("nonsense\n"), 0o644))
	page := build(t, run)
	has(t, page, "the history could not be read to its end; the plots show what stood before")
	has(t, page, "line 1001")
	has(t, page, "observations.jsonl:1: not an observation")
	has(t, page, "Valid")

	require.NoError(t, os.Remove(path))
	has(t, build(t, run), "holds no history")

	err = report.Build(t.TempDir())
	require.ErrorContains(t, err, "is not a run's folder")
	require.False(t, errors.Is(err, fs.ErrNotExist))
}

func TestASealedHistoryReadsTheSame(t *testing.T) {
	p := defaultPlan()
	plain := build(t, p.makeRun(t, t.TempDir(), "r"))
	p.seal = true
	sealed := build(t, p.makeRun(t, t.TempDir(), "r"))
	figures := regexp.MustCompile(`(?s)<dl class="figures">.*?</dl>`)
	require.Equal(t, figures.FindString(plain), figures.FindString(sealed))
	has(t, sealed, `href="history.jsonl.zst"`)
}

// hostile is what a system under test might answer if it wanted to speak through the page.
var hostile = []string{
	`</script><script>document.title="owned"</script>`,
	`"><img src=x onerror="document.title='owned'">`,
	`</title></svg></details><script>document.title="owned"</script>`,
	`{{.Reason}}<!--<script>`,
	"javascript:document.title='owned'",
	"\xff\xfe broken \xc3",
	"\u202egnp.exe\u2066 \u200b\x00\x1b[31m",
	strings.Repeat("long", 1<<18),
	"",
	"__proto__", "constructor",
}

func TestHostileHistoryIsShownHarmlessly(t *testing.T) {
	page := build(t, hostileRun(t))
	has(t, page, `\u202e`)
	has(t, page, `(1,048,576 bytes)`)
}

// hostileRun has what is hostile in every place that a system or a nemesis can fill.
func hostileRun(t testing.TB) *store.Run {
	p := defaultPlan()
	p.length, p.keys, p.stale, p.pace = time.Second, len(hostile), 100*time.Millisecond, 60*time.Millisecond
	p.noFaults = true
	p.keyName = func(i int) string { return hostile[i] }
	run := p.makeRun(t, t.TempDir(), "hostile")
	v, err := run.Verdict()
	require.NoError(t, err)
	test, err := run.Test()
	require.NoError(t, err)
	for i, s := range hostile {
		if len(s) > 1<<16 {
			s = s[:1<<16]
		}
		at := time.Duration(i) * 200 * time.Millisecond
		v.Faults = append(v.Faults, store.FaultInterval{ID: i, Fault: s, Mode: s, Text: s, Start: at, End: at + time.Second, Took: i%2 == 0, Evidence: []string{s, s}})
		v.Leaders = append(v.Leaders, store.Leadership{Term: uint64(i), Node: s, Start: at, End: at + time.Second})
		v.Results = append(v.Results, checker.Result{Checker: s, Verdict: checker.Invalid, Reason: s, Model: s, Warnings: []string{s}, Keys: []checker.KeyResult{{
			Key: s, Verdict: checker.Invalid, DecidedBy: s, Reason: s,
			Evidence: []history.Operation{
				{Process: i, F: s, Key: s, Input: history.String(s), Output: history.String(s), Call: at, Return: at + 1, Type: history.OK, Node: s, Error: s},
				{Process: i, F: s, Key: s, Input: history.String(s), Call: at + 2, Return: at + 3, Type: history.Fail, Node: s, Error: s},
			},
		}}})
		test.Command = append(test.Command, s)
		test.Nodes = append(test.Nodes, s)
		test.Versions["v"+s], test.Machine[s] = s, s
	}
	v.Reason, test.System, test.Workload, test.Mutant = strings.Join(hostile, " ")[:1<<16], hostile[0], hostile[1], hostile[2]
	require.NoError(t, run.WriteVerdict(v))
	require.NoError(t, run.WriteTest(test))
	return run
}

// many is a history of n operations that is made while it is read.
func many(n int) iter.Seq2[history.Event, error] {
	p := defaultPlan()
	p.clients, p.keys, p.pace, p.length = 100, 5000, time.Millisecond, 24*time.Hour
	return func(yield func(history.Event, error) bool) {
		left, stopped := n, false
		for process := 0; left > 0 && !stopped; process = (process + 1) % p.clients {
			at := time.Duration(n-left) * 97 * time.Microsecond
			latency := time.Duration(1+(left*7919)%100_000) * time.Microsecond
			kind := history.OK
			if left%97 == 0 {
				kind = history.Fail
			}
			call := history.Event{Time: at, Process: process, Type: history.Invoke, F: "get", Key: fmt.Sprint("k", left%p.keys)}
			done := history.Event{Time: at + latency, Process: process, Type: kind, F: "get", Key: call.Key, Node: "n1"}
			stopped = !yield(call, nil) || !yield(done, nil)
			left--
		}
	}
}

const millionOperations, millionKeys = 1_000_000, 50_000

// millionPage is the page of a long run of everything: operations, keys, faults, changes of nodes.
func millionPage(t testing.TB) string {
	v := store.Verdict{Verdict: checker.Invalid, Reason: "one of them", Results: []checker.Result{{Checker: "linearizable", Verdict: checker.Invalid}}}
	for i := range millionKeys {
		k := checker.KeyResult{Key: fmt.Sprintf("key-%d", i), Verdict: checker.Valid, DecidedBy: "zones", Operations: 20}
		if i == millionKeys-1 {
			k.Verdict, k.Reason = checker.Invalid, "the one at the end"
		}
		v.Results[0].Keys = append(v.Results[0].Keys, k)
	}
	var observations []store.Observation
	for i := range 50_000 {
		observations = append(observations, store.Observation{Time: time.Duration(i) * time.Millisecond, Node: fmt.Sprintf("n%d", i%5), Role: []string{"leader", "down"}[i/5%2], Term: uint64(i)})
	}
	for i := range 5_000 {
		at := time.Duration(i) * 20 * time.Millisecond
		v.Faults = append(v.Faults, store.FaultInterval{ID: i, Fault: "kill", Start: at, End: at + 10*time.Millisecond, Took: true, Overlaps: 1, Healed: true, Evidence: []string{"gone"}})
	}
	return write(t, report.Input{Test: store.Test{Name: "many", Clients: 100}, Verdict: v, Observations: observations, Events: many(millionOperations)})
}

func TestAMillionOperationsFitInAPage(t *testing.T) {
	page := millionPage(t)
	has(t, page, "<strong>1,000,000</strong>")
	var listed []struct{ K, R string }
	unpack(t, page, "keys-data", &listed)
	require.Equal(t, "the one at the end", listed[0].R)
	require.Len(t, listed, millionKeys, "all of them")
	var detail struct {
		Call      []int64
		Total     int
		Stretches [][2]float64
	}
	unpack(t, page, "operations-data", &detail)
	require.Equal(t, millionOperations, detail.Total)
	require.Greater(t, len(detail.Call), 50_000, "as many as there is room for")
	require.Less(t, len(detail.Call), 110_000)
	require.NotEmpty(t, detail.Stretches)
	has(t, page, "4700 more faults are in verdict.json")
	has(t, page, "after 100 ms")
}
