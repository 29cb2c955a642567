package checker

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/history/importer"
	"github.com/stretchr/testify/require"
)

// boundInput is a history whose reading or checking takes more than the limits below.
type boundInput struct {
	name  string
	make  func(t testing.TB, path string)
	check Checker
}

func boundInputs(t testing.TB) []boundInput {
	lists, err := ListAppend(StrictSerializable)
	require.NoError(t, err)
	register := Linearizable(Register())
	n := *benchOperations
	of := func(s shape) func(testing.TB, string) {
		return func(t testing.TB, path string) { require.NoError(t, os.Rename(s.file(t), path)) }
	}
	return []boundInput{
		{"registers", of(shape{operations: n, keys: 100, clients: 20}), register},
		{"registers, compressed", func(t testing.TB, path string) {
			sealed, err := history.Seal(shape{operations: n, keys: 100, clients: 20}.file(t))
			require.NoError(t, err)
			require.NoError(t, os.Rename(sealed, path))
		}, register},
		{"one key, values that repeat", of(shape{operations: n / 10, keys: 1, clients: 20, values: 5}), register},
		{"one key, illegal, its evidence", of(shape{operations: n, keys: 1, clients: 20, stale: true}), register},
		{"forty hard keys", of(shape{operations: n / 10, keys: 40, clients: 400, values: 5}), register},
		{"one line of 60 MB", longLine, register},
		{"EDN", ednFile, register},
		{"EDN, one form of 60 MB", func(t testing.TB, path string) {
			require.NoError(t, os.WriteFile(path, []byte("[{:process 0, :type :invoke, :f :write, :value ["+strings.Repeat("1 ", 30<<20)+"]}]"), 0o644))
		}, register},
		{"list-append", func(t testing.TB, path string) { require.NoError(t, os.Rename(recordTransactions(t, n/4, true), path)) }, lists},
	}
}

func longLine(t testing.TB, path string) {
	var b bytes.Buffer
	b.WriteString("{\"format\":\"ordeal-history\",\"version\":1}\n" + `{"i":0,"t":1,"p":0,"type":"invoke","f":"put","key":"x","in":[`)
	b.WriteString(strings.Repeat("1,", 30<<20) + "1]}\n")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
}

func ednFile(t testing.TB, path string) {
	var b bytes.Buffer
	for i := range *benchOperations / 2 {
		fmt.Fprintf(&b, "{:process 0, :type :invoke, :f :write, :key %d, :value %d}\n{:process 0, :type :ok, :f :write, :key %d, :value %d}\n", i%100, i, i%100, i)
	}
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
}

var boundsOf = flag.String("bounds", "", "of the table of bounds the inputs whose names hold this text")

// measured is what one check took.
type measured struct {
	verdict Verdict
	elapsed time.Duration
	top     uint64
}

func measureBounded(t testing.TB, c Checker, path string, o Options) (m measured) {
	m.top = peak(func() {
		start := time.Now()
		l := NewLoading(context.Background(), o)
		defer l.Release()
		h, _, err := importer.LoadWithin(l.Limits(), path)
		if r, unread := l.Unread(err); unread {
			m.verdict = r.Verdict
		} else {
			require.NoError(t, err)
			m.verdict = c.Check(context.Background(), h, l.Left()).Verdict
		}
		m.elapsed = time.Since(start)
	})
	return m
}

// TestBoundsTable prints what limits were asked for and what was reached: make bench-bounds. Its inputs are too long for the
// rest of the tests.
func TestBoundsTable(t *testing.T) {
	if os.Getenv("ORDEAL_BENCH_BOUNDS") == "" {
		t.Skip("make bench-bounds prints the table")
	}
	fmt.Println("| input | asked | reached | verdict |\n|---|---|---|---|")
	for i, in := range boundInputs(t) {
		if !strings.Contains(in.name, *boundsOf) {
			continue
		}
		path := filepath.Join(t.TempDir(), fmt.Sprint("history", i))
		in.make(t, path)
		for _, d := range []time.Duration{500 * time.Millisecond, 2 * time.Second} {
			m := measureBounded(t, in.check, path, Options{Timeout: d, Memory: 8 << 30})
			fmt.Printf("| %s | %v | %.2f s (%.0f %%) | %s |\n", in.name, d, m.elapsed.Seconds(), 100*m.elapsed.Seconds()/d.Seconds(), m.verdict)
		}
		for _, bytes := range []int64{64 << 20, 256 << 20} {
			m := measureBounded(t, in.check, path, Options{Timeout: time.Minute, Memory: bytes})
			fmt.Printf("| %s | %s | %.0f MiB (%.0f %%) | %s |\n", in.name, size(bytes), float64(m.top)/(1<<20), 100*float64(m.top)/float64(bytes), m.verdict)
		}
		require.NoError(t, os.Remove(path))
	}
}
