package checker

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// staleHistory is a history that one node answered.
func staleHistory(t *testing.T, lines string, nemesis ...history.Event) *history.History {
	h := &history.History{Operations: parseOperations(t, lines), Nemesis: nemesis}
	for i := range h.Operations {
		h.Operations[i].Node = "n1"
	}
	return h
}

func TestStaleReads(t *testing.T) {
	for _, test := range []struct {
		name, lines string
		want        Verdict
		why         string
	}{
		{"old is allowed", `
			0 put@x 1 #5 [10, 20]
			0 put@x 2 #7 [30, 40]
			1 get-stale@x -> nil #4 [50, 60]
			1 get-stale@x -> 1 #6 [70, 80]
			1 get-stale@x -> 2 #7 [90, 95]`, Valid, ""},
		{"not what the prefix holds", `
			0 put@x 1 #5 [10, 20]
			0 put@x 2 #7 [30, 40]
			1 get-stale@x -> 1 #8 [50, 60]`, Invalid, `process 1 read 1 in key "x" at log index 8 of n1, which process 0's write of 2 at index 7 had replaced`},
		{"nothing, after a write", `
			0 put@x 1 #5 [10, 20]
			1 get-stale@x -> nil #5 [50, 60]`, Invalid, "process 0's write of 1 at index 5 had replaced"},
		{"a later entry", `
			0 put@x 1 #5 [10, 20]
			1 get-stale@x -> 1 #4 [50, 60]`, Invalid, "which process 0 wrote at index 5 only"},
		{"garbage", "1 get-stale@x -> 9 #4 [50, 60]", Invalid, "which nobody had written"},
		{"from the future", `
			1 get-stale@x -> nil #6 [10, 20]
			0 put@y 1 #5 [30, 40]`, Invalid, "before process 0 invoked the write that is entry 5"},
		{"a node goes back", `
			0 put@y 1 #5 [1, 2]
			1 get-stale@x -> nil #6 [10, 20]
			2 get-stale@x -> nil #4 [30, 40]`, Invalid, "n1 went back: process 1 read at log index 6, and process 2 at 4 after that had returned"},
		{"reads at the same time may cross", `
			1 get-stale@x -> nil #6 [10, 35]
			2 get-stale@x -> nil #4 [30, 40]`, Valid, ""},
		{"a crashed write may be anywhere", `
			0 put@x 1 #5 [10, 20]
			3 put@x 2 [15, ?]
			1 get-stale@x -> 1 #6 [30, 40]
			1 get-stale@x -> 2 #7 [50, 60]`, Valid, ""},
		{"but a value does not come back", `
			0 put@x 1 #5 [10, 20]
			3 put@x 2 [15, ?]
			1 get-stale@x -> 2 #6 [30, 40]
			1 get-stale@x -> 1 #7 [50, 60]`, Invalid, "process 1 read 1"},
		{"and an index holds one value", `
			3 put@x 2 [15, ?]
			1 get-stale@x -> nil #6 [30, 40]
			1 get-stale@x -> 2 #6 [50, 60]`, Invalid, "process 1 read 2"},
		{"also where a write has it", `
			3 put@x 1 [5, ?]
			0 put@x 2 #3 [10, 20]
			1 get-stale@x -> 1 #3 [50, 60]`, Invalid, "process 1 read 1"},
		{"a value written twice", "0 put@x 1 #5 [10, 20]\n0 put@x 1 #6 [30, 40]", Unknown, "written twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := StaleReads().Check(context.Background(), staleHistory(t, test.lines), Options{})
			require.Equal(t, test.want, r.Verdict, r.Reason)
			require.Contains(t, r.Reason, test.why)
		})
	}
}

// A node that was killed may go back to what its disk holds; one that was only cut off may not.
func TestStaleReadsAfterARestart(t *testing.T) {
	back := "1 get-stale@x -> nil #6 [10, 20]\n2 get-stale@x -> nil #4 [30, 40]"
	at := func(f string) history.Event {
		return history.Event{Process: history.NemesisProcess, Type: history.Info, F: f, Time: 25 * time.Nanosecond}
	}
	require.Equal(t, Valid, StaleReads().Check(context.Background(), staleHistory(t, back, at("kill")), Options{}).Verdict)
	require.Equal(t, Invalid, StaleReads().Check(context.Background(), staleHistory(t, back, at("partition")), Options{}).Verdict)
	require.Equal(t, Invalid, StaleReads().Check(context.Background(), staleHistory(t, back), Options{}).Verdict)
}

// Between the record of a fault and its heal a node may end, and start again, at a moment that nothing tells; where its disk
// failed or it left the cluster, also long after.
func TestStaleReadsWhileANodeMayEnd(t *testing.T) {
	back := "1 get-stale@x -> nil #6 [30, 40]\n2 get-stale@x -> nil #4 [50, 60]"
	event := func(f, detail string, at time.Duration) history.Event {
		return history.Event{Process: history.NemesisProcess, Type: history.Info, F: f, Time: at, Detail: json.RawMessage(detail)}
	}
	for _, test := range []struct {
		name   string
		events []history.Event
		want   Verdict
	}{
		{"a kill that waits for its moment", []history.Event{event("power", `{"id":1,"phase":"inject"}`, 20), event("power", `{"id":1,"phase":"heal"}`, 70)}, Valid},
		{"it is over", []history.Event{event("power", `{"id":1,"phase":"inject"}`, 10), event("power", `{"id":1,"phase":"heal"}`, 20)}, Invalid},
		{"it comes later", []history.Event{event("kill", `{"id":1,"phase":"inject"}`, 70)}, Invalid},
		{"two that overlap", []history.Event{event("kill", `{"id":1,"phase":"inject"}`, 10), event("kill", `{"id":2,"phase":"inject"}`, 12),
			event("kill", `{"id":2,"phase":"heal"}`, 14), event("kill", `{"id":1,"phase":"heal"}`, 70)}, Valid},
		{"the process ended before it was recorded", []history.Event{event("kill", `{"id":1,"phase":"inject","start_ns":45}`, 65), event("kill", `{"id":1,"phase":"heal"}`, 70)}, Valid},
		{"a disk that failed", []history.Event{event("disk-sync", `{"id":1,"phase":"inject"}`, 10), event("disk-sync", `{"id":1,"phase":"heal"}`, 20)}, Valid},
		{"a server that was removed", []history.Event{event("membership", `{"id":1,"phase":"inject"}`, 10), event("membership", `{"id":1,"phase":"heal"}`, 20)}, Valid},
		{"a detail that is none", []history.Event{event("kill", `[`, 45)}, Valid},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := StaleReads().Check(context.Background(), staleHistory(t, back, test.events...), Options{})
			require.Equal(t, test.want, r.Verdict, r.Reason)
		})
	}
}

func figures(r Result) map[string]float64 {
	by := map[string]float64{}
	for _, f := range r.Figures {
		by[f.Name] = f.Value
	}
	return by
}

func TestSessions(t *testing.T) {
	check := func(lines string) map[string]float64 {
		r := Sessions().Check(context.Background(), &history.History{Operations: parseOperations(t, lines)}, Options{})
		require.Equal(t, Valid, r.Verdict)
		return figures(r)
	}
	fresh := check("0 put@x 1 [10, 20]\n1 get@x -> 1 [30, 40]\n0 put@x 2 [35, 60]\n1 get@x -> 1 [45, 70]")
	require.Equal(t, map[string]float64{"get reads": 2, "get stale reads": 0}, fresh)

	stale := check("0 put@x 1 [1000000, 2000000]\n0 put@x 2 [3000000, 4000000]\n1 get-stale@x -> 1 [6000000, 7000000]")
	require.Equal(t, 1.0, stale["get-stale stale reads"])
	require.Equal(t, 2.0, stale["get-stale staleness max"])
	require.Zero(t, stale["get-stale violations of read-your-writes"])

	own := check("0 put@x 1 [10, 20]\n1 put@x 2 [30, 40]\n1 get@x -> 1 [50, 60]")
	require.Equal(t, 1.0, own["get violations of read-your-writes"])

	back := check("0 put@x 1 [10, 20]\n0 put@x 2 [30, 40]\n1 get@x -> 2 [50, 60]\n1 get@x -> 1 [70, 80]")
	require.Equal(t, 1.0, back["get violations of monotonic-reads"])
	require.Equal(t, 1.0, back["get violations of monotonic-writes"])
	require.Zero(t, back["get violations of writes-follow-reads"])

	// Process 2 had read 1 when it wrote 2, so nobody is to see 1 after 2, though real time would allow it.
	follow := check("0 put@x 1 [10, 90]\n2 get@x -> 1 [15, 20]\n2 put@x 2 [30, 40]\n1 get@x -> 2 [50, 60]\n1 get@x -> 1 [70, 80]")
	require.Equal(t, 1.0, follow["get violations of writes-follow-reads"])
	require.Zero(t, follow["get violations of monotonic-reads"])

	twice := Sessions().Check(context.Background(), &history.History{Operations: parseOperations(t, "0 put@x 1 [10, 20]\n0 put@x 1 [30, 40]")}, Options{})
	require.NotEmpty(t, twice.Warnings)
}
