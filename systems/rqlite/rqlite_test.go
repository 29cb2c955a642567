package rqlite

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// What rqlited 8.36.0 answers, as it was recorded.
const (
	made    = `{"results":[{}]}`
	changed = `{"results":[{"last_insert_id":1,"rows_affected":1}]}`
	same    = `{"results":[{"last_insert_id":1}]}`
	found   = `{"results":[{"columns":["v"],"types":["text"],"values":[["5"]]}]}`
	absent  = `{"results":[{"columns":["v"],"types":["text"]}]}`
	missing = `{"results":[{"error":"no such table: kv"}]}`
)

type node struct {
	mu    sync.Mutex
	asked []string
}

// serve is a node that answers statements by what they begin with.
func serve(t *testing.T, code int, answers map[string]string) (*node, string) {
	n := &node{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.asked = append(n.asked, r.URL.RequestURI()+" "+string(body))
		for begin, answer := range answers {
			if strings.HasPrefix(string(body), `[["`+begin) {
				w.WriteHeader(code)
				_, _ = io.WriteString(w, answer)
				return
			}
		}
		_, _ = io.WriteString(w, made)
	}))
	t.Cleanup(s.Close)
	return n, strings.TrimPrefix(s.URL, "http://")
}

func open(t *testing.T, level, address string) systems.Client {
	s, err := New(systems.Reference{Name: "rqlite", Consistency: level}, "")
	require.NoError(t, err)
	c, err := s.Open("n1", map[string]string{"n1": address})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestStatementsAndAnswers(t *testing.T) {
	n, address := serve(t, 200, map[string]string{"INSERT": changed, "SELECT": found, "UPDATE": same})
	c := open(t, "strong", address)
	require.Equal(t, history.OK, c.Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)}).Type)
	require.Equal(t, systems.Completion{Type: history.OK, Output: history.Int(5), Node: "n1"}, c.Invoke(t.Context(), workloads.Operation{F: "get", Key: "k"}))
	cas := c.Invoke(t.Context(), workloads.Operation{F: "cas", Key: "k", Input: history.List(history.Int(6), history.Int(7))})
	require.Equal(t, history.Fail, cas.Type, "no row was changed")
	cas = c.Invoke(t.Context(), workloads.Operation{F: "cas", Key: "k", Input: history.List(history.Nil, history.Int(7))})
	require.Equal(t, history.OK, cas.Type)
	require.Equal(t, []string{
		`/db/execute [["` + table + `"]]`,
		`/db/execute [["` + put + `","k","5"]]`,
		`/db/query?level=strong [["` + get + `","k"]]`,
		`/db/execute [["` + update + `","7","k","6"]]`,
		`/db/execute [["` + add + `","k","7"]]`,
	}, n.asked)
}

// A key that nobody wrote, and a table that nobody made, are no value; two rows of a key are no answer.
func TestReads(t *testing.T) {
	for answer, want := range map[string]systems.Completion{
		absent:                                   {Type: history.OK, Node: "n1"},
		missing:                                  {Type: history.OK, Node: "n1"},
		`{"results":[{"values":[["5"],["6"]]}]}`: {Type: history.Fail, Node: "n1", Error: "a key has 2 rows, of which one was to be expected with a value"},
		`{"results":[]}`:                         {Type: history.Fail, Node: "n1", Error: `one statement has 0 results: {"results":[]}`},
	} {
		_, address := serve(t, 200, map[string]string{"SELECT": answer})
		require.Equal(t, want, open(t, "weak", address).Invoke(t.Context(), workloads.Operation{F: "get", Key: "k"}), answer)
	}
}

func TestErrorsOfWrites(t *testing.T) {
	for _, e := range []struct {
		code int
		text string
		want history.Type
	}{
		{503, "leader not found\n", history.Fail},
		{200, missing, history.Fail},
		{503, "node is not ready", history.Info},
		{500, "leadership lost while committing log", history.Info},
		{200, `{"results":[{"error":"leadership lost while committing log"}]}`, history.Info},
		{200, `{"error":"timeout"}`, history.Info},
		{200, `oops`, history.Info},
	} {
		_, address := serve(t, e.code, map[string]string{"INSERT": e.text})
		got := open(t, "strong", address).Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)})
		require.Equal(t, e.want, got.Type, e.text)
		require.NotEmpty(t, got.Error)
	}
	_, address := serve(t, 500, map[string]string{"CREATE": "leadership lost while committing log"})
	got := open(t, "strong", address).Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)})
	require.Equal(t, history.Fail, got.Type, "the table is not the operation")
}

func TestStatus(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"store":{"raft":{"applied_index":7,"commit_index":8,"state":"Leader","term":3}}}`)
	}))
	defer s.Close()
	m := System{}.Monitor(map[string]string{"n1": strings.TrimPrefix(s.URL, "http://")})
	defer m.Close()
	got, err := m.Status(t.Context(), "n1")
	require.NoError(t, err)
	require.Equal(t, systems.Status{Leads: true, Term: 3, Commit: 8, Applied: 7, Loose: true}, got)
}
