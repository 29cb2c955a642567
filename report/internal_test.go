package report

import (
	"context"
	"encoding/xml"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

var latencies64 = rapid.Custom(func(t *rapid.T) time.Duration {
	return time.Duration(math.Pow(10, rapid.Float64Range(3, 11).Draw(t, "decades")))
})

// A quantile is the one that sorting gives, to within a bin, however the histogram was put together.
func TestQuantilesAgreeWithSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(latencies64, 1, 200).Draw(t, "latencies")
		var a, b histogram
		for i, l := range all {
			if i%2 == 0 {
				a.add(l)
			} else {
				b.add(l)
			}
		}
		a.merge(&b)
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		sorted := slices.Sorted(slices.Values(all))
		exact := sorted[max(int(math.Ceil(q*float64(len(sorted)))), 1)-1]
		if ratio := float64(a.quantile(q)) / float64(exact); ratio < 0.93 || ratio > 1.07 {
			t.Fatalf("quantile %v of %v is %v, got %v", q, sorted, exact, a.quantile(q))
		}
	})
}

// BenchmarkHistogram counts one latency.
func BenchmarkHistogram(b *testing.B) {
	var h histogram
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h.add(time.Duration(i%1_000_000) * 37)
	}
}

func TestMomentsCloseTogetherAreToldApart(t *testing.T) {
	s := newOrderScale([]history.Operation{{Call: time.Second, Return: 2 * time.Second}, {Call: 3333 * time.Millisecond, Return: 3333*time.Millisecond + 80*time.Microsecond}})
	var labels []string
	for i := range s.times {
		labels = append(labels, s.label(i))
	}
	require.Equal(t, []string{"1.000000 s", "+1 s", "+2.33 s", "80 µs later"}, labels)
}

func TestAFaultIsNotNamedTwice(t *testing.T) {
	require.Equal(t, "kill (leader) n2", faultName(store.FaultInterval{Fault: "kill", Mode: "leader", Text: "kill n2"}))
	require.Equal(t, "partition n1 | n2", faultName(store.FaultInterval{Fault: "partition", Text: "n1 | n2"}))
}

// However long the run and however many the operations: nothing is lost by thinning but single points, and the
// slowest of every outcome stays.
func TestThinningKeepsCountsAndTheSlowest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := newTimeline()
		length := rapid.Int64Range(1, int64(100*time.Hour)).Draw(t, "length")
		narrow := rapid.Bool().Draw(t, "narrow") // many in a cell
		if narrow {
			length = min(length, int64(50*time.Millisecond))
		}
		type seen struct {
			count   int
			slowest time.Duration
		}
		want := map[history.Type]seen{}
		for range rapid.IntRange(0, 300).Draw(t, "operations") {
			s := sample{
				call: time.Duration(rapid.Int64Range(0, length).Draw(t, "call")), latency: latencies64.Draw(t, "latency"),
				outcome: rapid.SampledFrom(outcomes[:]).Draw(t, "outcome"), f: "get",
			}
			if narrow {
				s.latency = time.Millisecond + s.latency/1e5
			}
			w := want[s.outcome]
			want[s.outcome] = seen{w.count + 1, max(w.slowest, s.latency)}
			line.complete(s)
		}
		if rapid.Bool().Draw(t, "coarser") {
			line.cells.coarsen()
			line.halve()
		}
		got := map[history.Type]seen{}
		for _, p := range line.cells.points() {
			g := got[p.slowest.outcome]
			got[p.slowest.outcome] = seen{g.count + p.count, max(g.slowest, p.slowest.latency)}
		}
		if len(got) != len(want) {
			t.Fatalf("outcomes %v, want %v", got, want)
		}
		for o, w := range want {
			if got[o] != w {
				t.Fatalf("%v: %+v, want %+v", o, got[o], w)
			}
		}
		if len(line.buckets) > maxBuckets {
			t.Fatalf("%d buckets", len(line.buckets))
		}
		sum := 0
		for _, b := range line.buckets {
			for _, n := range b.counts {
				sum += n
			}
		}
		if total := want[history.OK].count + want[history.Fail].count + want[history.Info].count; sum != total {
			t.Fatalf("%d operations in buckets, want %d", sum, total)
		}
	})
}

func TestThinningBoundsThePoints(t *testing.T) {
	line := newTimeline()
	for i := range 200_000 {
		line.complete(sample{call: time.Duration(i) * time.Millisecond, latency: time.Duration(1+i*7919%10_000_000) * time.Microsecond, outcome: history.OK})
	}
	points := line.cells.points()
	require.LessOrEqual(t, len(points), maxPoints)
	require.Greater(t, len(points), maxPoints/10)
}

func TestManyFaultsAreDrawnJoined(t *testing.T) {
	a := axis{length: 100 * time.Second}
	var all []store.FaultInterval
	for i := range 5000 {
		at := time.Duration(i) * 20 * time.Millisecond
		all = append(all, store.FaultInterval{ID: i, Fault: []string{"kill", "partition"}[i%2], Start: at, End: at + 10*time.Millisecond, Took: true, Overlaps: 1})
	}
	v := newFaultView(all, a)
	require.LessOrEqual(t, len(v.drawn), maxBlocks)
	count, overlaps := 0, 0
	for _, b := range v.drawn {
		count += b.count
		overlaps += b.Overlaps
	}
	require.Equal(t, 5000, count, "all are in a block")
	require.Equal(t, 5000, overlaps)
	require.Equal(t, all[len(all)-1].End, v.drawn[len(v.drawn)-1].End)

	few := newFaultView(all[:2], a)
	require.Len(t, few.drawn, 2)
}

func TestManyChangesOfNodesAreThinned(t *testing.T) {
	byNode := map[string][]segment{}
	for i := range 20_000 {
		at := time.Duration(i) * time.Millisecond
		byNode["n1"] = append(byNode["n1"], segment{node: "n1", role: "leader", start: at, end: at + time.Millisecond})
	}
	apart := enoughApart(byNode, []string{"n1"}, 20*time.Second)
	kept := thinned(byNode["n1"], apart)
	require.LessOrEqual(t, len(kept), maxNodeSegments)
	require.Greater(t, len(kept), maxNodeSegments/3)
	require.Greater(t, kept[len(kept)-1].start, 19*time.Second, "over the whole length")
}

// On the evidence's scale what comes first stands further left, by enough to see it.
func TestTheOrderScaleKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ops []history.Operation
		for range rapid.IntRange(1, 12).Draw(t, "operations") {
			call := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "call"))
			op := history.Operation{Call: call, Return: history.Forever, Type: history.Info}
			if rapid.Bool().Draw(t, "returns") {
				op.Return = call + time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "took"))
			}
			ops = append(ops, op)
		}
		s := newOrderScale(ops)
		least := (orderRight - orderLeft) / float64(2*max(len(s.times)-1, 1))
		for i, a := range s.times {
			if math.Abs(s.x(a)-s.at[i]) > 1e-9 {
				t.Fatalf("%v stands at %v and at %v", a, s.x(a), s.at[i])
			}
			if i > 0 && s.at[i]-s.at[i-1] < least-1e-9 {
				t.Fatalf("%v and %v are %v apart", s.times[i-1], a, s.at[i]-s.at[i-1])
			}
		}
		if s.x(history.Forever) != 100 || s.x(-1) != orderLeft {
			t.Fatal("what lies outside stands at the edge")
		}
		between := time.Duration(rapid.Int64Range(int64(s.from), int64(s.to)).Draw(t, "between"))
		if x := s.x(between); x < orderLeft || x > orderRight {
			t.Fatalf("%v stands at %v", between, x)
		}
	})
}

func FuzzShown(f *testing.F) {
	for _, s := range []string{"", "k1", "</script>", "\xff\xfe", "\u202e", "a\x00b\x1b[31m", strings.Repeat("ü", 500), "日本 語", "\u00a0\u3000"} {
		f.Add(s, 40)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = limit & 0xfff
		got := shown(s, limit)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, utf8.RuneCountInString(got), 10*limit+40)
		for _, r := range got {
			require.True(t, unicode.IsGraphic(r), "%q", r)
		}
		if len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
			require.Equal(t, s, got, "plain text stays as it is")
		}
	})
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ns", 999: "999 ns", 1500: "1.50 µs", 412 * time.Microsecond: "412 µs", 3210 * time.Microsecond: "3.21 ms", 9999 * time.Microsecond: "10.0 ms",
		999600 * time.Microsecond: "1000 ms", 1500 * time.Millisecond: "1.50 s", 30 * time.Second: "30 s", 125 * time.Second: "2m05s", 3*time.Hour + 61*time.Second: "3h01m01s",
		-time.Second: "−1 s", history.Forever: "never",
	} {
		require.Equal(t, want, duration(d), "%d", d)
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 100000: "100,000"} {
		require.Equal(t, want, thousands(n))
	}
	require.Equal(t, "1 key", plural(1, "key"))
	require.Equal(t, "0 keys", plural(0, "key"))
	require.Equal(t, `ordeal run --out 'a b' 'it'\''s' ''`, shell([]string{"ordeal", "run", "--out", "a b", "it's", ""}))
	require.Equal(t, -1, naturally("k2", "k10"))
	require.Equal(t, 1, naturally("l2", "k10"))
}

func TestOperationsInWords(t *testing.T) {
	cas := func(sees int64) history.Operation {
		return history.Operation{F: "cas", Input: history.List(history.Int(3), history.Int(4)), Output: history.Int(sees), Type: history.OK}
	}
	for _, c := range []struct {
		op   history.Operation
		want string
	}{
		{cas(3), "cas 3→4 → swapped"},
		{cas(7), "cas 3→4 → no, it is 7"},
		{history.Operation{F: "get", Output: history.Int(3), Type: history.OK}, "get → 3"},
		{history.Operation{F: "get", Type: history.OK}, "get → nil"},
		{history.Operation{F: "put", Input: history.String("a<b"), Type: history.OK}, `put "a<b" → ok`},
		{history.Operation{F: "put", Input: history.Int(1), Type: history.Info, Error: "timeout"}, "put 1 → ?"},
		{history.Operation{F: "put", Input: history.Int(1), Type: history.Fail, Error: "refused"}, "put 1 ✗ refused"},
	} {
		require.Equal(t, c.want, call(c.op, 40)+" "+result(c.op, 40))
	}
}

func TestAxis(t *testing.T) {
	for _, length := range []time.Duration{time.Millisecond, 90 * time.Millisecond, time.Second, 30 * time.Second, 47 * time.Second, 10 * time.Minute, 7 * time.Hour, 400 * 24 * time.Hour} {
		a := axis{length: length}
		major := 0
		seen := map[string]bool{}
		for _, tick := range a.ticks() {
			require.False(t, seen[tick.label], "%v: %q twice", length, tick.label)
			seen[tick.label] = true
			require.True(t, tick.at >= 0 && tick.at <= 100)
			if !tick.minor {
				major++
			}
		}
		require.True(t, major >= 2 && major <= 10, "%v: %d major ticks", length, major)
	}
	require.Equal(t, 0.0, axis{length: time.Second}.x(-time.Second))
	require.Equal(t, 100.0, axis{length: time.Second}.x(history.Forever))
}

func TestSegmentsOfANode(t *testing.T) {
	got := segments([]store.Observation{
		{Time: 1, Node: "n1", Role: "follower", Term: 1, Commit: 1},
		{Time: 5, Node: "n1", Role: "leader", Term: 2, Commit: 3},
		{Time: 6, Node: "n1", Role: "leader", Term: 2, Commit: 9},
		{Time: 8, Node: "n1", Role: "down"},
		{Time: 2, Node: "n2", Role: "leader", Term: 1},
	}, 10)
	require.Equal(t, []segment{
		{node: "n1", role: "follower", term: 1, start: 1, end: 5, commit: 1},
		{node: "n1", role: "leader", term: 2, start: 5, end: 8, commit: 9},
		{node: "n1", role: "down", start: 8, end: 10},
	}, got["n1"])
	require.Equal(t, []segment{{node: "n2", role: "leader", term: 1, start: 2, end: 10}}, got["n2"])
}

// What is drawn is well-formed whatever the names in it.
func TestDrawingsAreWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		a := axis{length: time.Minute}
		faults := newFaultView([]store.FaultInterval{{Fault: name, Text: name, Mode: name, Start: time.Second, End: 2 * time.Second, Took: rapid.Bool().Draw(t, "took"), Evidence: []string{name}}}, a)
		line := newTimeline()
		line.complete(sample{call: time.Second, latency: time.Millisecond, key: name, f: name, node: name, err: name, outcome: rapid.SampledFrom(outcomes[:]).Draw(t, "outcome")})
		node := whoLed([]string{name}, segments([]store.Observation{{Node: name, Role: "leader", Term: 3}}, a.length), a, faults)
		e := newEvidence(checker.KeyResult{Key: name, Evidence: []history.Operation{{F: name, Input: history.String(name), Output: history.String(name), Type: history.OK, Node: name, Return: 5}}}, faults)
		for _, body := range []string{
			string(faults.strip().Body), string(throughput(line, a, faults).Body), string(latencies(line, a, faults).Body), string(node.Body), string(node.Labels),
			string(e.Body), string(e.Labels), string(timeAxis(a).Body), string(definitions()),
		} {
			d := xml.NewDecoder(strings.NewReader("<svg>" + body + "</svg>"))
			for {
				_, err := d.Token()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%v in %s", err, body)
				}
			}
		}
	})
}

// A sample of a valid key is cut so that it is valid too: porcupine's picture of it must not show an error.
func TestACutSampleStaysLinearizable(t *testing.T) {
	root := t.TempDir()
	for cut := range 8 {
		run, err := store.Create(root, "r", time.Unix(int64(cut), 0))
		require.NoError(t, err)
		w, err := history.Create(run.Path(store.HistoryFile))
		require.NoError(t, err)
		// Overlapping pairs: a read is called before the write it sees, so that a cut by count would part them.
		for i := range pictureOperations/2 + cut {
			at := time.Duration(i) * time.Millisecond
			read, write := 2*i, 2*i+1
			w.Append(history.Event{Time: at, Process: read, Type: history.Invoke, F: "get", Key: "k"})
			w.Append(history.Event{Time: at + 10, Process: write, Type: history.Invoke, F: "put", Key: "k", Input: history.Int(int64(i))})
			w.Append(history.Event{Time: at + 20, Process: write, Type: history.OK, F: "put", Key: "k"})
			w.Append(history.Event{Time: at + 30, Process: read, Type: history.OK, F: "get", Key: "k", Output: history.Int(int64(i))})
			if i == cut { // from here on the pairs straddle the limit
				w.Append(history.Event{Time: at + 40, Process: 1_000_000, Type: history.Invoke, F: "get", Key: "k"})
				w.Append(history.Event{Time: at + 50, Process: 1_000_000, Type: history.OK, F: "get", Key: "k", Output: history.Int(int64(i))})
			}
		}
		require.NoError(t, w.Close())
		all, err := prefixes(run, []drawable{{key: &checker.KeyResult{Key: "k"}}})
		require.NoError(t, err)
		ops := all["k"]
		require.LessOrEqual(t, len(ops), pictureOperations)
		result := checker.Linearizable(checker.Register()).Check(context.Background(), &history.History{Operations: ops}, checker.Options{})
		require.Equal(t, checker.Valid, result.Verdict, "%s", result.Reason)
		require.NoError(t, os.RemoveAll(run.Folder))
	}
}

func TestWhichKeyIsPictured(t *testing.T) {
	e := []history.Operation{{}, {}}
	for _, c := range []struct {
		want string
		keys []checker.KeyResult
	}{
		{"b", []checker.KeyResult{{Key: "a", Verdict: checker.Valid, Operations: 9}, {Key: "b", Verdict: checker.Invalid}}},
		{"b", []checker.KeyResult{{Key: "a", Verdict: checker.Invalid}, {Key: "b", Verdict: checker.Invalid, Evidence: e}, {Key: "c", Verdict: checker.Invalid, Evidence: e}}},
		{"b", []checker.KeyResult{{Key: "a", Verdict: checker.Valid, Operations: 9000}, {Key: "b", Verdict: checker.Valid, Operations: 200}, {Key: "c", Verdict: checker.Valid, Operations: 20}}},
		{"b", []checker.KeyResult{{Key: "a", Verdict: checker.Valid, Operations: 9}, {Key: "b", Verdict: checker.Unknown}}},
		{"a", []checker.KeyResult{{Key: "a", Verdict: checker.Unknown}}},
	} {
		keys := pictured(store.Verdict{Results: []checker.Result{{Checker: "stats"}, {Model: "cas-register", Keys: c.keys}}})
		require.Len(t, keys, len(c.keys))
		require.Equal(t, c.want, keys[0].key.Key)
	}
	none := pictured(store.Verdict{Results: []checker.Result{{Model: "unheard of", Keys: []checker.KeyResult{{Key: "a"}}}}})
	require.Empty(t, none)
}

func TestWhoLedWhileAnotherAnswered(t *testing.T) {
	leaders := []store.Leadership{{Node: "n1", Term: 1, Start: 0, End: 10}, {Node: "n2", Term: 2, Start: 8, End: 20}}
	for name, test := range map[string]struct {
		op   history.Operation
		want string
	}{
		"a leader":              {history.Operation{Node: "n1", Call: 1, Return: 2}, ""},
		"one of two":            {history.Operation{Node: "n1", Call: 9, Return: 12}, ""},
		"another":               {history.Operation{Node: "n3", Call: 1, Return: 2}, "while n1 led"},
		"another, led by two":   {history.Operation{Node: "n3", Call: 9, Return: 12}, "while n1, n2 led"},
		"when none was seen":    {history.Operation{Node: "n3", Call: 30, Return: 40}, ""},
		"it is not known where": {history.Operation{Call: 1, Return: 2}, ""},
		"it never returned":     {history.Operation{Node: "n3", Call: 1, Return: history.Forever}, ""},
	} {
		require.Equal(t, test.want, ledElsewhere(leaders, test.op), name)
	}
}

func TestLabelsOfMomentsStandClear(t *testing.T) {
	var ops []history.Operation
	for i := range 12 {
		at := time.Duration(i) * time.Millisecond
		ops = append(ops, history.Operation{Process: i, Call: at, Return: at + time.Duration(1+i%3)*time.Microsecond})
	}
	s := newOrderScale(ops)
	const width = 800
	rows, count := s.labelRows(width)
	require.Len(t, rows, len(s.times))
	require.Greater(t, count, 1)
	end := make([]float64, count)
	for i, row := range rows {
		half := float64(6*len([]rune(s.label(i)))) / 2
		at := s.at[i] * width / 100
		if i == 0 {
			at += half
		}
		require.GreaterOrEqual(t, at-half, end[row], "label %d", i)
		end[row] = at + half
	}
}

// Evidence is kept of some keys only: all that are invalid count among those that the page does not draw.
func TestInvalidKeysWithoutEvidenceAreCounted(t *testing.T) {
	var keys []checker.KeyResult
	for i := range 20 {
		k := checker.KeyResult{Key: "r" + strconv.Itoa(i), Verdict: checker.Invalid}
		if i < 10 {
			k.Evidence = []history.Operation{{F: "get", Call: time.Second, Return: 2 * time.Second, Type: history.OK}}
		}
		keys = append(keys, k)
	}
	keys = append(keys, checker.KeyResult{Key: "fine", Verdict: checker.Valid})
	v := store.Verdict{Results: []checker.Result{{Keys: keys}}}
	drawn, left := gatherEvidence(v, &faultView{})
	require.Len(t, drawn, maxEvidenceKeys)
	require.Equal(t, leftOut{Keys: 20 - maxEvidenceKeys}, left)

	v.Results[0].Anomalies = []checker.Anomaly{{Name: "G1c", Operations: keys[0].Evidence}}
	_, left = gatherEvidence(v, &faultView{})
	require.Equal(t, leftOut{Keys: 20 - maxEvidenceKeys, Anomalies: 1}, left, "an anomaly is no key")
}
