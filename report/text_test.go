package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

func text(t *testing.T, v store.Verdict, o report.TextOptions) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, report.Text(&out, v, o))
	return out.String()
}

func staleRead() store.Verdict {
	return store.Verdict{
		Verdict: checker.Invalid, Reason: `key "k3": client 2 read 16 after 17 had been written`,
		Operations: store.Counts{OK: 8130, Fail: 20, Info: 24}, Length: 30 * time.Second,
		Results: []checker.Result{{Checker: "linearizable", Verdict: checker.Invalid, Reason: `key "k3": client 2 read 16 after 17 had been written`,
			Keys: []checker.KeyResult{
				{Key: "k1", Verdict: checker.Valid},
				{Key: "k3", Verdict: checker.Invalid, Reason: "client 2 read 16 after 17 had been written", Evidence: []history.Operation{
					{Process: 1, F: "put", Key: "k3", Input: history.Int(17), Call: 2 * time.Second, Return: 2003 * time.Millisecond, Type: history.OK},
					{Process: 2, F: "get", Key: "k3", Output: history.Int(16), Call: 2004 * time.Millisecond, Return: 2005 * time.Millisecond, Type: history.OK},
				}},
			}}},
		Faults: []store.FaultInterval{
			{ID: 1, Fault: "partition", Mode: "majority", Text: "n1 n2 | n3 n4 n5", Start: time.Second, End: 3 * time.Second, Took: true, Healed: true, Overlaps: 950, Evidence: []string{"12 of 12 probes were lost"}},
			{ID: 2, Fault: "kill", Mode: "leader", Text: "n1", Start: 5 * time.Second, End: 6500 * time.Millisecond, Healed: true},
		},
		Leaders: []store.Leadership{{Term: 1, Node: "n1"}, {Term: 3, Node: "n2"}},
	}
}

func TestTextOfAnInvalidRun(t *testing.T) {
	slowest := history.Operation{F: "put", Key: "k2", Input: history.Int(9), Call: 15100 * time.Millisecond, Late: 100 * time.Millisecond, Return: 15239 * time.Millisecond, Type: history.OK, Node: "n4"}
	got := text(t, staleRead(), report.TextOptions{Report: "results/latest/report.html", P50: 2180 * time.Microsecond, P99: 57 * time.Millisecond, Slowest: &slowest})
	require.Equal(t, strings.TrimPrefix(`
INVALID  key "k3": client 2 read 16 after 17 had been written
  key k3      invalid: client 2 read 16 after 17 had been written
              put 17           → ok                     process 1    2.000000 s to 2.003000 s
              get              → 16                     process 2    2.004000 s to 2.005000 s

  operations  8,174: 8,130 ok, 20 fail, 24 info, in 30 s (271/s ok)
  latency     p50 2.18 ms, p99 57 ms, slowest 239 ms: put 9 k2 at 15.000 s on n4
  leaders     2 leaderships of 2 nodes, terms 1 to 3: n1/1 n2/3 (node/term)
  faults      1 of 2 took hold (1 partition)
              partition majority     1.000 s +2 s      took hold    950 ops  n1 n2 | n3 n4 n5 · 12 of 12 probes were lost
              kill leader            5.000 s +1.50 s   no effect      0 ops  n1
  report      results/latest/report.html
`, "\n"), got)
}

func TestTextHasColourOnlyWhereTold(t *testing.T) {
	require.NotContains(t, text(t, staleRead(), report.TextOptions{}), "\x1b")
	coloured := text(t, staleRead(), report.TextOptions{Color: true})
	require.True(t, strings.HasPrefix(coloured, "\x1b[31;1mINVALID\x1b[0m"))
}

func TestTextOfRunsWithLittleToSay(t *testing.T) {
	require.Contains(t, text(t, store.Verdict{}, report.TextOptions{}), "NO VERDICT\n")
	unknown := text(t, store.Verdict{Verdict: checker.Unknown, Reason: "no operation succeeded"}, report.TextOptions{})
	require.True(t, strings.HasPrefix(unknown, "UNKNOWN  no operation succeeded\n"))
	require.Contains(t, unknown, "faults      none\n")
	require.Contains(t, unknown, "leaders     none seen\n")
}

func TestTextCannotBeUsedToSpeakToTheTerminal(t *testing.T) {
	v := staleRead()
	evil := "\x1b]0;owned\x07\r\n\u202e\xff"
	v.Reason, v.Faults[0].Text, v.Leaders[0].Node = evil, evil, evil
	v.Results[0].Keys[1].Key, v.Results[0].Keys[1].Evidence[0].F = evil, evil
	got := text(t, v, report.TextOptions{Report: "r"})
	require.NotContains(t, got, "\x1b")
	require.NotContains(t, got, "\r")
	require.NotContains(t, got, "\u202e")
}

func TestLatency(t *testing.T) {
	var ops []history.Operation
	for i := range 100 {
		ops = append(ops, history.Operation{Call: time.Second, Return: time.Second + time.Duration(i+1)*time.Millisecond, Type: history.OK, Index: i})
	}
	ops = append(ops, history.Operation{Call: time.Second, Return: time.Minute, Type: history.Fail})
	p50, p99, slowest := report.Latency(ops)
	require.InEpsilon(t, 50*time.Millisecond, p50, 0.04)
	require.InEpsilon(t, 99*time.Millisecond, p99, 0.04)
	require.Equal(t, 99, slowest.Index)
	_, _, none := report.Latency(nil)
	require.Nil(t, none)
}
