package etcd

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
	"github.com/ordeal-dev/ordeal/workloads"
)

// header as etcd 3.6.16 wrote it; so are all answers here.
const recordedHeader = `{"header":{"cluster_id":"11272855577226783678","member_id":"7492453620553618272","revision":"3","raft_term":"2"}`

// answering gives the address of a server with one answer, and what it was asked.
func answering(t *testing.T, code int, text string) (address string, asked *[]string) {
	asked = &[]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			body = []byte(err.Error())
		}
		*asked = append(*asked, r.URL.Path+" "+string(body))
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), asked
}

func TestRequestsAndAnswers(t *testing.T) {
	present := `,"kvs":[{"key":"aw==","create_revision":"2","mod_revision":"3","version":"2","value":"Ng=="}],"count":"1"}`
	for _, c := range []struct {
		name, answer, asks string
		op                 workloads.Operation
		want               systems.Completion
	}{
		{"a key that is not there", recordedHeader + `}`, `/v3/kv/range {"key":"aw=="}`,
			workloads.Operation{F: "get", Key: "k"}, systems.Completion{Type: history.OK, Node: "n1", LogIndex: 3}},
		{"a key that is there", recordedHeader + present, `/v3/kv/range {"key":"aw=="}`,
			workloads.Operation{F: "get", Key: "k"}, systems.Completion{Type: history.OK, Output: history.Int(6), Node: "n1", LogIndex: 3}},
		{"put", recordedHeader + `}`, `/v3/kv/put {"key":"aw==","value":"NQ=="}`,
			workloads.Operation{F: "put", Key: "k", Input: history.Int(5)}, systems.Completion{Type: history.OK, Node: "n1"}},
		{"cas that sets", recordedHeader + `,"succeeded":true,"responses":[{"response_put":{"header":{"revision":"3"}}}]}`,
			`/v3/kv/txn {"compare":[{"key":"aw==","target":"VALUE","result":"EQUAL","value":"NQ=="}],"success":[{"requestPut":{"key":"aw==","value":"Ng=="}}],"failure":[{"requestRange":{"key":"aw=="}}]}`,
			workloads.Operation{F: "cas", Key: "k", Input: history.List(history.Int(5), history.Int(6))},
			systems.Completion{Type: history.OK, Output: history.Int(5), Node: "n1", LogIndex: 3}},
		{"cas that does not", recordedHeader + `,"responses":[{"response_range":{"header":{"revision":"3"}` + present + `}]}`,
			`/v3/kv/txn {"compare":[{"key":"aw==","target":"VERSION","result":"EQUAL","version":"0"}],"success":[{"requestPut":{"key":"aw==","value":"OA=="}}],"failure":[{"requestRange":{"key":"aw=="}}]}`,
			workloads.Operation{F: "cas", Key: "k", Input: history.List(history.Nil, history.Int(8))},
			systems.Completion{Type: history.OK, Output: history.Int(6), Node: "n1", LogIndex: 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, asked := answering(t, http.StatusOK, c.answer)
			client := cells.Open("n1", newStore(address, false))
			defer client.Close()
			require.Equal(t, c.want, client.Invoke(t.Context(), c.op))
			require.Equal(t, []string{c.asks}, *asked)
		})
	}
}

func TestSerializableReadsAskForIt(t *testing.T) {
	address, asked := answering(t, http.StatusOK, recordedHeader+`}`)
	_, err := newStore(address, true).Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, []string{`/v3/kv/range {"key":"aw==","serializable":true}`}, *asked)
}

// What an error means for a write. A read that fails has failed, whatever it was.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		code     int
		text     string
		definite bool
	}{
		{400, `{"code":3,"message":"etcdserver: key is not provided"}`, true},
		{429, `{"error":"etcdserver: too many requests","code":8,"message":"etcdserver: too many requests"}`, true},
		{400, `{"error":"etcdserver: request is too large","code":3,"message":"etcdserver: request is too large"}`, true},
		{503, `{"error":"etcdserver: leader changed","code":14,"message":"etcdserver: leader changed"}`, false},
		{503, `{"error":"etcdserver: request timed out","code":14,"message":"etcdserver: request timed out"}`, false},
		{503, `{"error":"etcdserver: request timed out, possibly due to previous leader failure","code":14,"message":"etcdserver: request timed out, possibly due to previous leader failure"}`, false},
		{503, `{"error":"etcdserver: server stopped","code":14,"message":"etcdserver: server stopped"}`, false},
		{503, `{"error":"transport is closing","code":14,"message":"transport is closing"}`, false},
		{500, `out of cheese`, false},
		{200, `{`, false},
		{200, ``, false},
	} {
		t.Run(c.text, func(t *testing.T) {
			address, _ := answering(t, c.code, c.text)
			s := newStore(address, false)
			defer s.Close()
			err := s.Put(t.Context(), "k", "5")
			require.Error(t, err)
			require.Equal(t, c.definite, systems.IsDefinite(err), "%v", err)
			client := cells.Open("n1", s)
			require.Equal(t, history.Fail, client.Invoke(t.Context(), workloads.Operation{F: "get", Key: "k"}).Type)
		})
	}
}

// A connection that nobody takes is definite; one that breaks once the request may have left is not, nor is one that says nothing.
func TestConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := newStore(l.Addr().String(), false)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	err = s.Put(t.Context(), "k", "5")
	require.Error(t, err)
	require.False(t, systems.IsDefinite(err), "%v", err)
	require.NoError(t, l.Close())
	err = newStore("127.0.0.1:1", false).Put(t.Context(), "k", "5") // the port of l may be another test's by now
	require.Error(t, err)
	require.True(t, systems.IsDefinite(err), "%v", err)

	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-answered
	}))
	defer silent.Close()
	defer close(answered)
	err = newStore(strings.TrimPrefix(silent.URL, "http://"), false).Put(ctx, "k", "5")
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, systems.IsDefinite(err))
}

func TestStatus(t *testing.T) {
	leader := recordedHeader + `,"version":"3.6.16","dbSize":"20480","leader":"7492453620553618272","raftIndex":"9","raftTerm":"2","raftAppliedIndex":"7"}`
	for text, leads := range map[string]bool{leader: true, strings.Replace(leader, `"leader":"749`, `"leader":"748`, 1): false} {
		address, asked := answering(t, http.StatusOK, text)
		m := System{}.Monitor(map[string]string{"n1": address})
		s, err := m.Status(t.Context(), "n1")
		m.Close()
		require.NoError(t, err)
		require.Equal(t, systems.Status{Leads: leads, Term: 2, Commit: 9, Applied: 7, Loose: true}, s)
		require.Equal(t, []string{"/v3/maintenance/status {}"}, *asked)
	}
}
