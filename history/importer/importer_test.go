package importer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// TestImport reads the files in testdata/import and prints the format they are in and the operations they hold.
func TestImport(t *testing.T) {
	datadriven.RunTest(t, "testdata/import", func(t *testing.T, d *datadriven.TestData) string {
		data := []byte(strings.ReplaceAll(d.Input, "<tab>", "\t") + "\n")
		format, err := Detect(data)
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		h, err := Decode(format, data)
		if err != nil {
			return fmt.Sprintf("%s error: %v\n", format, err)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n", format)
		for _, op := range h.Operations {
			ret := fmt.Sprint(int64(op.Return))
			if op.Return == history.Forever {
				ret = "?"
			}
			fmt.Fprintf(&b, "%d %s %q %v -> %v [%d, %s] %v %s\n", op.Process, op.F, op.Key, op.Input, op.Output, op.Call, ret, op.Type, op.Error)
		}
		for _, e := range h.Nemesis {
			fmt.Fprintf(&b, "nemesis %s\n", e.F)
		}
		for _, w := range h.Warnings {
			fmt.Fprintf(&b, "warning: %s\n", w)
		}
		return b.String()
	})
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	_, _, err := Load(filepath.Join(dir, "none"))
	require.ErrorContains(t, err, "no such file")

	plain := filepath.Join(dir, "history.jsonl")
	w, err := history.Create(plain)
	require.NoError(t, err)
	w.Append(history.Event{Process: 0, Type: history.Invoke, F: "put", Key: "x", Input: history.Int(1)})
	w.Append(history.Event{Time: 9, Process: 0, Type: history.OK, F: "put", Key: "x"})
	require.NoError(t, w.Close())
	want, format, err := Load(plain)
	require.NoError(t, err)
	require.Equal(t, Ordeal, format)
	require.Len(t, want.Operations, 1)

	sealed, err := history.Seal(plain)
	require.NoError(t, err)
	for _, path := range []string{plain, sealed} {
		got, format, err := Load(path)
		require.NoError(t, err)
		require.Equal(t, Ordeal, format)
		require.Equal(t, want, got)
	}

	edn := filepath.Join(dir, "history.edn")
	require.NoError(t, os.WriteFile(edn, []byte("[{:process 0 :type :invoke :f :read}\n {:process 0 :type :maybe :f :read}]"), 0o644))
	_, _, err = Load(edn)
	require.ErrorContains(t, err, edn+" line 2: event type \"maybe\" does not exist")
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("[{:process 0, :type :invoke, :f :cas, :value [1 2]} #_x {:process 0, :type :ok, :f :cas, :value [1 2]}]"))
	f.Add([]byte("({:type :invoke :f :write :value \"a\\u0041\" :process 1 :time 12})"))
	f.Add([]byte("{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x\"}\n{:process 0, :type :ok, :f :append, :key \"0\", :value \"x\"}"))
	f.Add([]byte("INFO  jepsen.util - 4\t:invoke\t:write\t3\nINFO  jepsen.util - 4\t:info\t:write\t:timed-out\n"))
	f.Add([]byte("#jepsen.history.Op{:process :nemesis, :type :info, :f #{1 2} ;c\n}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
			return // compressed; history's own fuzz test reads those
		}
		for _, format := range []Format{EDN, EDNLines, JepsenLog} {
			h, err := Decode(format, data)
			if err == nil {
				for _, op := range h.Operations {
					require.Less(t, op.Call, op.Return)
				}
			}
		}
		if format, err := Detect(data); err == nil {
			require.Contains(t, []Format{Ordeal, EDN, EDNLines, JepsenLog}, format)
		}
	})
}

// A number beyond 64 bits must not turn into text: the history would be taken for another kind.
func TestNumbersBeyond64BitsAreRefused(t *testing.T) {
	_, err := Decode(EDN, []byte("[{:process 0, :type :invoke, :f :write, :value 99999999999999999999}]"))
	require.ErrorContains(t, err, "does not fit in 64 bits")
}
