package store

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTraceIsReadAsItWasWritten(t *testing.T) {
	run, err := Create(t.TempDir(), "traced", time.Now())
	require.NoError(t, err)
	w, err := run.CreateTrace()
	require.NoError(t, err)
	want := []TraceEvent{{At: 1, Kind: TraceSent, Node: "n1", Peer: "n2", Number: 1, Term: 3, Label: "heartbeat", Class: "append", Minor: true, Text: "<x>"},
		{At: 2, Kind: TraceRole, Node: "n2", Term: 4, Text: "leader"}, {At: 3, Kind: TraceCommitted, Node: "n2", Index: 9}}
	for i := range want {
		w.Write(&want[i])
	}
	require.NoError(t, w.Close())
	var got []TraceEvent
	require.NoError(t, run.Trace(func(e TraceEvent) bool { got = append(got, e); return len(got) < 3 }))
	require.Equal(t, want, got)
	n := 0
	require.NoError(t, run.Trace(func(TraceEvent) bool { n++; return false }))
	require.Equal(t, 1, n)
}

func TestTraceThatDoesNotRead(t *testing.T) {
	read := func(text string) (n int, err error) {
		err = ReadTrace("trace.jsonl", strings.NewReader(text), func(TraceEvent) bool { n++; return true })
		return n, err
	}
	n, err := read("{\"t\":1,\"kind\":\"sent\"}\n{\"t\":2,\"ki")
	require.NoError(t, err, "a torn end")
	require.Equal(t, 1, n)
	n, err = read("{\"t\":1,\"kind\":\"sent\"}\n}\n")
	require.ErrorContains(t, err, "trace.jsonl:2: not an event")
	require.Equal(t, 1, n)
	run, err := Create(t.TempDir(), "untraced", time.Now())
	require.NoError(t, err)
	require.ErrorContains(t, run.Trace(func(TraceEvent) bool { return true }), "only simulated runs have one")
}
