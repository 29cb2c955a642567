package checker

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// Whatever a history holds, every checker gives a verdict: it does not panic, and an Unknown says why.
func FuzzCheckers(f *testing.F) {
	header := `{"format":"ordeal-history","version":1}` + "\n"
	for _, events := range []string{
		`{"i":0,"t":1,"p":0,"type":"invoke","f":"cas","in":[1,2]}` + "\n" + `{"i":1,"t":2,"p":0,"type":"ok","f":"cas","out":1}`,
		`{"i":0,"t":1,"p":0,"type":"invoke","f":"txn","in":[["append",1,2],["r",1,null]]}` + "\n" + `{"i":1,"t":2,"p":0,"type":"ok","f":"txn","out":[["append",1,2],["r",1,[2]]]}`,
		`{"i":0,"t":1,"p":0,"type":"invoke","f":"read"}` + "\n" + `{"i":1,"t":2,"p":0,"type":"ok","f":"read","out":[[1,2],[1,2]]}`,
		`{"i":0,"t":1,"p":0,"type":"invoke","f":"acquire","in":"a"}` + "\n" + `{"i":1,"t":2,"p":0,"type":"ok","f":"acquire","out":-1}`,
		`{"i":0,"t":1,"p":0,"type":"invoke","f":"dequeue"}` + "\n" + `{"i":1,"t":2,"p":0,"type":"info","f":"dequeue"}` + "\n" + `{"i":2,"t":2,"p":1,"type":"invoke","f":"enqueue","in":[]}`,
		`{"i":0,"t":1,"p":0,"type":"invoke","f":"get"}` + "\n" + `{"i":1,"t":1,"p":1,"type":"invoke","f":"put"}` + "\n" + `{"i":2,"t":1,"p":1,"type":"ok","f":"put"}` + "\n" + `{"i":3,"t":1,"p":0,"type":"ok","f":"get","out":{"base64":"/w=="}}`,
	} {
		f.Add([]byte(header + events + "\n"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		events, _, err := history.Decode(bytes.NewReader(data))
		if err != nil || len(events) > 200 {
			return
		}
		h, err := history.Join(events)
		require.NoError(t, err)
		checkers := []Checker{Bank(10)}
		for _, m := range Models() {
			checkers = append(checkers, Linearizable(m))
		}
		for _, lists := range []bool{true, false} {
			c, err := newTransactions(StrictSerializable, lists)
			require.NoError(t, err)
			checkers = append(checkers, c)
		}
		for _, c := range checkers {
			r := c.Check(context.Background(), h, Options{Timeout: time.Second, Memory: 256 << 20})
			require.Contains(t, []Verdict{Valid, Invalid, Unknown}, r.Verdict)
			require.True(t, r.Verdict == Valid || r.Reason != "", "%+v", r)
			for _, k := range r.Keys {
				Diagram(k.Evidence)
			}
		}
	})
}
