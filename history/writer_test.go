package history_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func sample() []history.Event {
	return []history.Event{
		{Time: 10, Process: 0, Type: history.Invoke, F: "put", Key: "x", Input: history.Int(1)},
		{Time: 20, Process: history.NemesisProcess, Type: history.Info, F: "partition", Detail: json.RawMessage("{\"mode\":\n\"bridge\"}")},
		{Time: 30, Process: 1, Type: history.Invoke, F: "cas", Key: "x", Input: history.List(history.Int(1), history.String("\xff"))},
		{Time: 40, Process: 0, Type: history.OK, F: "put", Key: "x", Node: "n1", LogIndex: 7},
		{Time: 50, Process: 1, Type: history.Info, F: "cas", Key: "x", Node: "n2", Error: "timeout after 5s"},
		{Time: 60, Process: 0, Type: history.Invoke, F: "get", Key: "x", Late: 25},
	}
}

func write(t *testing.T, path string, events []history.Event) {
	t.Helper()
	w, err := history.Create(path)
	require.NoError(t, err)
	for _, e := range events {
		w.Append(e)
	}
	require.NoError(t, w.Close())
	require.NoError(t, w.Close(), "a second Close")
}

// A sealed file that is cut off is an error that tells so, wherever the cut is, and what can be done.
func TestSealedAndCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	var events []history.Event
	for i := range 20_000 {
		events = append(events, history.Event{Process: i, Time: time.Duration(i), Type: history.Invoke, F: "put", Key: "k", Input: history.Int(int64(i) * 7919)})
	}
	write(t, path, events)
	sealed, err := history.Seal(path)
	require.NoError(t, err)
	whole, err := os.ReadFile(sealed)
	require.NoError(t, err)
	for _, size := range []int{5, 100, len(whole) - 1} {
		require.NoError(t, os.WriteFile(sealed, whole[:size], 0o644))
		_, _, err = history.Read(sealed)
		require.ErrorContains(t, err, sealed+" is cut off")
		require.ErrorContains(t, err, "copy it anew")
	}
	require.Regexp(t, `after line [1-9]\d*: .* check what is left of it: .zstd -dc `, err.Error())
}

func TestWriteSealRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	want := sample()
	write(t, path, want)
	for i := range want {
		want[i].Index = i
	}
	want[1].Detail = json.RawMessage(`{"mode":"bridge"}`)

	plain, warnings, err := history.Read(path)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, want, plain)

	sealed, err := history.Seal(path)
	require.NoError(t, err)
	require.Equal(t, path+".zst", sealed)
	require.NoFileExists(t, path)
	again, err := history.Seal(path)
	require.NoError(t, err, "sealing twice")
	require.Equal(t, sealed, again)

	for _, name := range []string{path, sealed} { // the plain name stands for the sealed file
		got, _, err := history.Read(name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err = history.Create(path)
	require.ErrorContains(t, err, "exists already")
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "only the sealed file is left")
}

func TestJSONOfAnEventIsItsLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := history.Event{
			Index:    rapid.IntRange(0, 1e9).Draw(t, "index"),
			Time:     time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "time")),
			Process:  rapid.IntRange(-1, 1e6).Draw(t, "process"),
			Type:     history.Type(rapid.IntRange(1, 4).Draw(t, "type")),
			F:        rapid.String().Draw(t, "f"),
			Key:      string(rapid.SliceOf(rapid.Byte()).Draw(t, "key")),
			Input:    anyValue(2).Draw(t, "in"),
			Output:   anyValue(2).Draw(t, "out"),
			Node:     rapid.String().Draw(t, "node"),
			LogIndex: rapid.Uint64Range(0, 1<<62).Draw(t, "log"), Late: time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "late")),
			Error: rapid.String().Draw(t, "error"),
		}
		b, err := json.Marshal(e)
		if err != nil || bytes.ContainsAny(b, "\n\r") {
			t.Fatalf("%q: %v", b, err)
		}
		var back history.Event
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if !back.Input.Equal(e.Input) || !back.Output.Equal(e.Output) {
			t.Fatalf("%v came back as %v", e, back)
		}
		back.Input, back.Output = e.Input, e.Output
		if a, b := string(back.AppendJSON(nil)), string(e.AppendJSON(nil)); a != b {
			t.Fatalf("%s came back as %s", b, a)
		}
	})
}

// A file left by a killed run holds what was flushed, and a line that breaks off at any byte costs only itself.
func TestTornFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	write(t, path, sample())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	headerEnd := bytes.IndexByte(whole, '\n') + 1
	for cut := range whole {
		part := whole[:cut]
		got, warnings, err := history.Decode(bytes.NewReader(part))
		if cut < headerEnd-1 {
			require.ErrorContains(t, err, "before its history began", "cut at %d", cut)
			continue
		}
		require.NoError(t, err, "cut at %d", cut)
		lines := bytes.Count(part[min(headerEnd, cut):], []byte("\n"))
		switch last := part[len(part)-1]; {
		case last == '\n':
			require.Len(t, got, lines)
			require.Empty(t, warnings)
		case whole[cut] == '\n': // only the newline is missing
			require.Empty(t, warnings)
		default:
			require.Len(t, got, lines)
			require.Len(t, warnings, 1)
			require.Contains(t, warnings[0], "breaks off")
		}
	}
}

func TestBackgroundFlush(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := history.Create(path)
	require.NoError(t, err)
	w.Append(sample()[0])
	require.Eventually(t, func() bool {
		got, _, err := history.Read(path)
		return err == nil && len(got) == 1
	}, time.Minute, time.Millisecond, "an event reaches the file without Close")
	require.NoError(t, w.Close())
}

// Many goroutines append with times that race; the file has every event once, in an order that obeys the rules.
func TestConcurrentAppend(t *testing.T) {
	const clients, each = 8, 2000
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := history.Create(path)
	require.NoError(t, err)
	start := time.Now()
	var wg sync.WaitGroup
	for p := range clients {
		wg.Go(func() {
			for i := range each {
				in := w.Append(history.Event{Time: time.Since(start), Process: p, Type: history.Invoke, F: "put", Key: "k", Input: history.Int(int64(i))})
				out := w.Append(history.Event{Time: time.Since(start), Process: p, Type: history.OK, F: "put", Key: "k"})
				if out.Index <= in.Index || out.Time <= in.Time {
					t.Errorf("completion %+v is not after its invocation %+v", out, in)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, clients*each*2, w.Len())
	require.NoError(t, w.Close())
	h, err := history.Load(path)
	require.NoError(t, err)
	require.Len(t, h.Operations, clients*each)
	next := make([]int64, clients)
	for _, op := range h.Operations {
		require.True(t, op.Input.Equal(history.Int(next[op.Process])))
		require.Less(t, op.Call, op.Return)
		next[op.Process]++
	}
}

// brokenDisk fails after some bytes.
type brokenDisk struct{ room int }

var errFull = errors.New("no space left on device")

func (d *brokenDisk) Write(b []byte) (int, error) {
	if d.room < len(b) {
		return d.room, errFull
	}
	d.room -= len(b)
	return len(b), nil
}

func TestDiskErrorIsKept(t *testing.T) {
	w := history.NewWriter(&brokenDisk{room: 100})
	for range 10 {
		w.Append(sample()[0])
	}
	require.ErrorIs(t, w.Flush(), errFull)
	w.Append(sample()[0])
	require.ErrorIs(t, w.Err(), errFull)
	require.ErrorIs(t, w.Close(), errFull)
}

func TestAppendDoesNotAllocate(t *testing.T) {
	w := history.NewWriter(io.Discard)
	defer w.Close()
	e := history.Event{Time: 1, Process: 3, Type: history.OK, F: "cas", Key: "k12", Input: history.List(history.Int(1), history.Int(2)), Output: history.String("v"), Node: "n1", LogIndex: 9}
	require.Zero(t, testing.AllocsPerRun(1000, func() { w.Append(e) }))
}

// The latency of an operation counts from when it was to begin, not from when its client was free to.
func TestLatencyCountsFromTheIntendedStart(t *testing.T) {
	ops, err := history.Operations([]history.Event{
		{Index: 0, Time: 100, Type: history.Invoke, F: "get", Late: 70},
		{Index: 1, Time: 130, Type: history.OK, F: "get"},
	})
	require.NoError(t, err)
	require.Equal(t, time.Duration(100), ops[0].Latency())
}

func BenchmarkAppend(b *testing.B) {
	w := history.NewWriter(io.Discard)
	defer w.Close()
	e := history.Event{Time: 1e9, Process: 3, Type: history.OK, F: "cas", Key: "k12", Input: history.List(history.Int(1), history.Int(2)), Output: history.Int(2), Node: "n1", LogIndex: 123456}
	b.ReportAllocs()
	for b.Loop() {
		w.Append(e)
	}
}

// BenchmarkAppendParallel is the same by many clients at once: what they wait for each other shows.
func BenchmarkAppendParallel(b *testing.B) {
	w := history.NewWriter(io.Discard)
	defer w.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := history.Event{Time: 1e9, Process: 3, Type: history.OK, F: "put", Key: "k12", Node: "n1", LogIndex: 123456}
		for pb.Next() {
			w.Record(&e)
		}
	})
}
