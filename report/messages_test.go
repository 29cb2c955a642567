package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// traced is a run of two nodes and two clients with a trace of the events given.
func traced(t *testing.T, events ...store.TraceEvent) *store.Run {
	t.Helper()
	run, err := store.Create(t.TempDir(), "traced", time.Date(2026, 11, 23, 6, 33, 22, 0, time.UTC))
	require.NoError(t, err)
	require.NoError(t, run.WriteTest(store.Test{Name: "traced", Cluster: "sim", Nodes: []string{"n1", "n2"}, Clients: 2}))
	w, err := run.CreateTrace()
	require.NoError(t, err)
	for i := range events {
		w.Write(&events[i])
	}
	require.NoError(t, w.Close())
	return run
}

// read is what the page's script gets.
func readMessages(t *testing.T, run *store.Run, most int) *messages {
	t.Helper()
	verdict, _ := run.Verdict()
	test, err := run.Test()
	require.NoError(t, err)
	m := &messages{run: run, verdict: verdict, nodes: test.Nodes, clients: test.Clients, most: most, texts: newTexts(), lanes: map[string]int{}}
	m.operations, _ = m.readOperations()
	require.NoError(t, m.read())
	m.done()
	return m
}

// line is an event of the page in words.
func (m *messages) line(i int) string {
	c := &m.columns
	lane := func(n int) string {
		if n == 0 {
			return "-"
		}
		return c.Lanes[n-1]
	}
	kinds := []string{"sent", "lost", "arrival", "start", "down", "role", "note", "operation", "completion", "fault", "violation"}
	return fmt.Sprintf("%s %s %s +%d %q %s", kinds[c.Kind[i]], lane(c.Lane[i]), lane(c.Peer[i]), c.Pair[i], c.Texts[c.Label[i]], c.Texts[c.Class[i]])
}

func TestWhatTheMessagesPageTells(t *testing.T) {
	ms := time.Millisecond
	run := traced(t,
		store.TraceEvent{Kind: store.TraceStarted, Node: "n1"},
		store.TraceEvent{At: ms, Kind: store.TraceSent, Node: "n1", Peer: "n2", Number: 1, Term: 1, Label: "vote for me", Class: "vote"},
		store.TraceEvent{At: ms, Kind: store.TraceSent, Node: "n1", Peer: "n2", Number: 2, Term: 1, Label: "heartbeat", Class: "append", Minor: true},
		store.TraceEvent{At: 2 * ms, Kind: store.TraceInvoked, Number: 3, Index: 0},
		store.TraceEvent{At: 3 * ms, Kind: store.TraceDelivered, Node: "n1", Peer: "n2", Number: 1, Term: 1},
		store.TraceEvent{At: 3 * ms, Kind: store.TraceDropped, Node: "n1", Peer: "n2", Number: 2, Text: "the link is cut"},
		store.TraceEvent{At: 3 * ms, Kind: store.TraceDelivered, Node: "n1", Peer: "n2", Number: 1, Term: 1},
		store.TraceEvent{At: 4 * ms, Kind: store.TraceRole, Node: "n1", Term: 1, Text: "leader"},
		store.TraceEvent{At: 5 * ms, Kind: "of a later version", Node: "n1"},
		store.TraceEvent{At: 6 * ms, Kind: store.TraceCompleted, Number: 3, Index: 1},
		store.TraceEvent{At: 7 * ms, Kind: store.TraceInvoked, Number: 4, Index: 2},
		store.TraceEvent{At: 8 * ms, Kind: store.TraceEnded, Node: "n1", Text: "killed"},
		store.TraceEvent{At: 9 * ms, Kind: store.TraceViolation, Node: "n2", Text: "two leaders"})
	require.NoError(t, run.WriteVerdict(store.Verdict{Verdict: checker.Invalid, Reason: "two leaders", Length: 10 * ms,
		Faults: []store.FaultInterval{{Fault: "kill", Mode: "leader", Text: "kill n1", Start: 8 * ms, End: 20 * ms, Healed: true, Took: true}},
		Results: []checker.Result{{Checker: "linearizable", Verdict: checker.Invalid, Keys: []checker.KeyResult{{Key: "r1", Verdict: checker.Invalid,
			Evidence: []history.Operation{{Process: 3, Key: "r1", Call: 2 * ms, Return: 6 * ms, Type: history.OK, Index: 0}}}}}}}))
	var page bytes.Buffer
	require.NoError(t, Messages(&page, run), "a trace without its history")
	require.Contains(t, page.String(), "the operations are not named")
	require.Contains(t, page.String(), `<a href="#at=0.002">`)

	w, err := history.Create(run.Path(store.HistoryFile))
	require.NoError(t, err)
	w.Append(history.Event{Time: 2 * ms, Process: 3, Type: history.Invoke, F: "put", Key: "r1", Input: history.Int(7)})
	w.Append(history.Event{Time: 6 * ms, Process: 3, Type: history.OK, F: "put", Key: "r1", Node: "n1", LogIndex: 9})
	require.NoError(t, w.Close())
	m := readMessages(t, run, maxMessageEvents)
	require.Equal(t, []string{"n1", "n2", "client 0", "client 1"}, m.columns.Lanes)
	var lines []string
	for i := range m.columns.At {
		lines = append(lines, m.line(i))
	}
	require.Equal(t, []string{
		`start n1 - +0 "starts in term 0, log to 0" start`,
		`sent n1 n2 +3 "vote for me" vote`,
		`lost n1 n2 +0 "heartbeat\nthe link is cut" append`,
		`operation client 1 - +4 "r1 put 7 → ok\nanswered by n1 at log index 9" ok`,
		`arrival n2 - +0 "" `,
		`note n2 - +0 "a message from n1 again" note`,
		`role n1 - +0 "leader, term 1" leader`,
		`completion client 1 - +0 "" `,
		`operation client 0 - +0 "an operation of process 4" info`,
		`fault - - +0 "kill (leader) n1" kill`,
		`down n1 - +0 "killed" crash`,
		`violation n2 - +0 "two leaders" violation`,
		`fault - - +0 "over: kill (leader) n1" kill`,
	}, lines)
	require.Equal(t, []int{3, 11}, m.columns.Marked, "the evidence and the violation")
	require.Equal(t, []int{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, m.columns.Minor)
}

// Of a long trace the page holds what is near faults and evidence, and the states of the nodes from start to end.
func TestALongTraceIsCutToWhatIsWorthSeeing(t *testing.T) {
	var events []store.TraceEvent
	for n := range 20_000 {
		e := store.TraceEvent{At: time.Duration(n) * time.Millisecond, Kind: store.TraceSent, Node: "n1", Peer: "n2", Number: uint64(n), Label: "append", Class: "append"}
		if n%1000 == 0 {
			e = store.TraceEvent{At: e.At, Kind: store.TraceRole, Node: "n1", Term: uint64(n), Text: "leader"}
		}
		events = append(events, e)
	}
	run := traced(t, events...)
	fault := 15 * time.Second
	require.NoError(t, run.WriteVerdict(store.Verdict{Verdict: checker.Valid, Length: 20 * time.Second, Faults: []store.FaultInterval{{Fault: "kill", Start: fault, End: fault + time.Millisecond, Took: true, Healed: true}}}))
	m := readMessages(t, run, 2000)
	require.Equal(t, 20_000, m.total)
	require.LessOrEqual(t, len(m.columns.At), 2000+20+2)
	require.Greater(t, len(m.columns.At), 1500)
	at, roles, near := int64(0), 0, 0
	for i, since := range m.columns.At {
		at += since
		if m.columns.Kind[i] == eventRole {
			roles++
		}
		if at >= fault.Microseconds()-10_000 && at <= fault.Microseconds()+10_000 {
			near++
		}
	}
	require.Equal(t, 20, roles)
	require.Greater(t, near, 18)
	var page bytes.Buffer
	require.NoError(t, Messages(&page, run))
}

func TestAMessagesPageOfWhatIsBroken(t *testing.T) {
	run := traced(t)
	require.NoError(t, Messages(&bytes.Buffer{}, run), "an empty trace")
	require.NoError(t, os.WriteFile(run.Path(store.TraceFile), []byte(`{"t":1,"kind":"started","node":"n1"}
{"t":-5,"kind":"sent","node":"n1","peer":"x","number":1}
{"kind":"delivered","t":2,"node":"n1","peer":"x","number":1}
{"t":99999999999999999,"kind":"role","node":"nobody","text":"<b>leader\u202e"}
{"t":3,"kind":"completed","number":77}
{"t":4,"kind":"invoked","number":18446744073709551615,"index":18446744073709551615}
this is no event
`), 0o644))
	var page bytes.Buffer
	require.NoError(t, Messages(&page, run))
	require.Contains(t, page.String(), "not an event of a trace")
	require.NotContains(t, page.String(), "<b>leader")
	require.NoError(t, os.Remove(run.Path(store.TraceFile)))
	require.ErrorIs(t, Messages(&page, run), fs.ErrNotExist)
	require.NoError(t, Build(run.Folder))
	require.NoFileExists(t, run.Path(store.MessagesFile))
	_, err := json.Marshal(messageColumns{})
	require.NoError(t, err)
}
