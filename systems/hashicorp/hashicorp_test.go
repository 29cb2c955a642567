package hashicorp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// node is a server with one answer, which keeps what it was asked.
func node(t *testing.T, code int, text string) (address string, asked *[]string) {
	asked = &[]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, r.URL.Path+" "+string(body))
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), asked
}

func open(t *testing.T, consistency string, addresses map[string]string) systems.Client {
	s, err := New(systems.Reference{Name: "hashicorp", Consistency: consistency}, "")
	require.NoError(t, err)
	c, err := s.Open("n1", addresses)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestAnswers(t *testing.T) {
	address, asked := node(t, 200, `{"found":true,"value":"5","set":false,"index":7}`)
	c := open(t, "local", map[string]string{"n1": address})
	require.Equal(t, systems.Completion{Type: history.OK, Output: history.Int(5), Node: "n1", LogIndex: 7}, c.Invoke(t.Context(), workloads.Operation{F: "get", Key: "k"}))
	cas := workloads.Operation{F: "cas", Key: "k", Input: history.List(history.Nil, history.Int(6))}
	require.Equal(t, systems.Completion{Type: history.OK, Output: history.Int(5), Node: "n1", LogIndex: 7}, c.Invoke(t.Context(), cas))
	require.Equal(t, []string{`/kv {"op":"get","key":"k","reads":"local"}`, `/kv {"op":"cas","key":"k","value":"6","absent":true}`}, *asked)
}

// A follower names the leader, which is asked then; a leader that says it is none is not asked again.
func TestTheLeaderIsAsked(t *testing.T) {
	leader, askedLeader := node(t, 200, `{"found":true,"value":"5","set":true,"index":7}`)
	follower, asked := node(t, 503, `{"error":"node is not the leader","definite":true,"leader":"n2"}`)
	c := open(t, "verified", map[string]string{"n1": follower, "n2": leader})
	require.Equal(t, history.OK, c.Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)}).Type)
	require.Equal(t, []string{`/kv {"op":"put","key":"k","value":"5"}`}, *asked)
	require.Equal(t, *asked, *askedLeader)

	c = open(t, "verified", map[string]string{"n1": follower})
	require.Equal(t, history.Fail, c.Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)}).Type)
}

func TestErrors(t *testing.T) {
	leader, askedLeader := node(t, 200, `{}`)
	for text, want := range map[string]history.Type{
		`{"error":"node is not the leader","definite":true}`:                              history.Fail,
		`{"error":"leadership lost while committing log","definite":false,"leader":"n2"}`: history.Info,
		`{"error":"raft is already shutdown","definite":false}`:                           history.Info,
		`upstream connect error`: history.Info,
		``:                       history.Info,
	} {
		address, _ := node(t, 503, text)
		c := open(t, "verified", map[string]string{"n1": address, "n2": leader})
		got := c.Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)})
		require.Equal(t, want, got.Type, text)
		require.NotEmpty(t, got.Error)
	}
	require.Empty(t, *askedLeader, "what may have had an effect is not tried again")
}

func TestStatus(t *testing.T) {
	address, _ := node(t, 200, `{"applied":8,"commit":9,"leads":true,"term":3}`)
	m := System{}.Monitor(map[string]string{"n1": address})
	defer m.Close()
	s, err := m.Status(t.Context(), "n1")
	require.NoError(t, err)
	require.Equal(t, systems.Status{Leads: true, Term: 3, Commit: 9, Applied: 8, Loose: true}, s)
}
