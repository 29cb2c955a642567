package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

// junit is as much of a JUnit file as a CI reads.
type junit struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Suites   []struct {
		Name  string `xml:"name,attr"`
		Cases []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			Error *struct {
				Message string `xml:"message,attr"`
			} `xml:"error"`
		} `xml:"testcase"`
		Out string `xml:"system-out"`
	} `xml:"testsuite"`
}

func readJUnit(t *testing.T, all ...report.Summary) junit {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, report.JUnit(&out, all))
	var j junit
	require.NoError(t, xml.Unmarshal(out.Bytes(), &j), "%.2000s", out.String())
	return j
}

func TestJUnitShowsNoTroubleAsSuccess(t *testing.T) {
	valid := report.Summary{Folder: "a", Test: store.Test{Name: "good"}, Verdict: store.Verdict{Verdict: checker.Valid, Results: []checker.Result{{Checker: "linearizable", Verdict: checker.Valid}}}}
	invalid := report.Summary{Folder: "b", Test: store.Test{Name: "bad"}, Verdict: staleRead()}
	unknown := report.Summary{Folder: "c", Verdict: store.Verdict{Verdict: checker.Unknown, Reason: "no fault took hold"}}
	none := report.Summary{Folder: "d"}
	j := readJUnit(t, valid, invalid, unknown, none)
	require.Equal(t, 6, j.Tests)
	require.Equal(t, 2, j.Failures, "the verdict and the checker that is behind it")
	require.Equal(t, 2, j.Errors, "unknown, and no verdict at all")
	require.Nil(t, j.Suites[0].Cases[0].Failure)
	require.Nil(t, j.Suites[0].Cases[0].Error)
	require.Contains(t, j.Suites[1].Cases[1].Failure.Text, "key k3 is invalid: client 2 read 16 after 17 had been written")
	require.Contains(t, j.Suites[1].Out, "INVALID")
	require.Equal(t, "no fault took hold", j.Suites[2].Cases[0].Error.Message)
	require.Contains(t, j.Suites[3].Cases[0].Error.Message, "no verdict")
}

func TestJUnitOfAHostileRunIsXML(t *testing.T) {
	s, err := report.Summarize(hostileRun(t))
	require.NoError(t, err)
	require.NotEmpty(t, readJUnit(t, s).Suites[0].Cases)
}

func TestASummaryHasTheFigures(t *testing.T) {
	p := defaultPlan()
	p.length = 2 * time.Second
	run := p.makeRun(t, t.TempDir(), "register")
	s, err := report.Summarize(run)
	require.NoError(t, err)
	require.Equal(t, "register", s.Test.Name)
	require.Equal(t, checker.Valid, s.Verdict.Verdict)
	require.Greater(t, s.P99, s.P50)
	require.Greater(t, s.P50, time.Duration(0))
	path, err := run.History()
	require.NoError(t, err)
	h, err := history.Load(path)
	require.NoError(t, err)
	p50, p99, slowest := report.Latency(h.Operations)
	require.Equal(t, []any{p50, p99, slowest}, []any{s.P50, s.P99, s.Slowest}, "what the run's own summary says")
	require.Positive(t, slowest.Late, "latency is from the intended start")

	var out bytes.Buffer
	require.NoError(t, report.JSON(&out, []report.Summary{s, s}))
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	require.Len(t, lines, 2)
	var again report.Summary
	require.NoError(t, json.Unmarshal(lines[1], &again))
	require.Equal(t, s, again)
}
