package history_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

const headerLine = `{"format":"ordeal-history","version":1}` + "\n"

// TestReader reads the files in testdata/reader. Commands: read (the whole file), events (the lines after the header;
// "~" at the end of the last line means that it has no newline).
func TestReader(t *testing.T) {
	datadriven.RunTest(t, "testdata/reader", func(t *testing.T, d *datadriven.TestData) string {
		input := d.Input + "\n"
		input = strings.Replace(input, "~\n", "", 1)
		if d.Cmd == "events" {
			input = headerLine + input
		}
		events, warnings, err := history.Decode(strings.NewReader(input))
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		h, err := history.Join(events)
		require.NoError(t, err, "what the reader lets through joins")
		var b strings.Builder
		for _, op := range h.Operations {
			ret := fmt.Sprint(int64(op.Return))
			if op.Return == history.Forever {
				ret = "forever"
			}
			fmt.Fprintf(&b, "%d: process %d %s %q %v -> %v [%d, %s] %v", op.Index, op.Process, op.F, op.Key, op.Input, op.Output, op.Call, ret, op.Type)
			for _, s := range []string{op.Node, op.Error} {
				if s != "" {
					b.WriteString(" " + s)
				}
			}
			b.WriteString("\n")
		}
		for _, e := range h.Nemesis {
			fmt.Fprintf(&b, "%d: nemesis %s %s\n", e.Index, e.F, e.Detail)
		}
		for _, w := range warnings {
			b.WriteString("warning: " + w + "\n")
		}
		return b.String()
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(headerLine + `{"i":0,"t":1,"p":0,"type":"invoke","f":"get","key":"x"}` + "\n" + `{"i":1,"t":2,"p":0,"type":"ok","f":"get","key":"x","out":[1,{"base64":"/w=="}]}` + "\n"))
	f.Add([]byte(headerLine + `{"i":0,"t":1,"p":-1,"type":"info","f":"kill","detail":{"a":[1.5,null]}}`))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		events, _, err := history.Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		b.WriteString(headerLine)
		for i := range events {
			b.Write(append(events[i].AppendJSON(nil), '\n'))
		}
		again, warnings, err := history.Decode(&b)
		require.NoError(t, err)
		require.Empty(t, warnings)
		require.Len(t, again, len(events))
		for i := range events {
			require.Equal(t, string(events[i].AppendJSON(nil)), string(again[i].AppendJSON(nil)))
		}
		_, err = history.Join(events)
		require.NoError(t, err)
	})
}
