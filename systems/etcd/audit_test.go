package etcd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// replica answers as a node of etcd 3.5 and 3.6 does: where it stands, its HashKV at a revision, and its keys at that revision.
type replica struct {
	revision, applied, hash, compacted int
	kvs                                string
	moves                              func() // it applies something each time that it is asked, and calls this
}

func (r *replica) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	switch at := `"revision":"7"`; {
	case q.URL.Path == "/v3/maintenance/status":
		fmt.Fprintf(w, `{"header":{"revision":"%d"},"raftAppliedIndex":"%d"}`, r.revision, r.applied)
		if r.moves != nil {
			r.applied++
			r.moves()
		}
	case q.URL.Path == "/etcdserverpb.Maintenance/HashKV":
		w.Header().Set("Trailer", "Grpc-Status")
		if string(body) == "\x00\x00\x00\x00\x02\x08\x07" { // one message of two bytes: field 1 is 7
			_, _ = w.Write(hashAnswer(r.hash, r.compacted))
		}
		w.Header().Set("Grpc-Status", "0")
	case q.URL.Path == "/v3/kv/range" && strings.Contains(string(body), at) && strings.Contains(string(body), `"serializable":true`):
		fmt.Fprintf(w, `{"header":{"revision":"%d"},"kvs":[%s]}`, r.revision, r.kvs)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// hashAnswer is HashKVResponse as gRPC sends it: a header, the hash, and the revision of the compaction.
func hashAnswer(hash, compacted int) []byte {
	m := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte{0x10, 7})
	m = protowire.AppendVarint(protowire.AppendTag(m, 2, protowire.VarintType), uint64(hash))
	m = protowire.AppendVarint(protowire.AppendTag(m, 3, protowire.VarintType), uint64(int64(compacted)))
	return append([]byte{0, 0, 0, 0, byte(len(m))}, m...)
}

func serve(t *testing.T, replicas ...*replica) map[string]string {
	addresses := map[string]string{}
	for i, r := range replicas {
		s := httptest.NewUnstartedServer(r)
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetHTTP1(true)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		t.Cleanup(s.Close)
		addresses[fmt.Sprint("n", i+1)] = strings.TrimPrefix(s.URL, "http://")
	}
	return addresses
}

const five = `{"key":"aw==","mod_revision":"4","value":"NQ=="}`

func TestReplicasThatAreTheSame(t *testing.T) {
	same := replica{revision: 7, applied: 9, hash: 5, compacted: -1}
	one, two := same, same
	differences, compared, err := System{}.Audit(t.Context(), serve(t, &one, &two))
	require.NoError(t, err)
	require.Empty(t, differences)
	require.Equal(t, "HashKV 5 at revision 7, compacted at -1", compared)
}

// Hashes are compared at the lowest revision of any; the keys tell what differs.
func TestReplicasThatDiffer(t *testing.T) {
	const told = "at revision 7 HashKV of n1 is 5, and of n2 6"
	for kvs, want := range map[string]string{
		``: `at revision 7 n1 has "5" (written at 4) of key "k", and n2 has nothing`,
		`{"key":"aw==","mod_revision":"4","value":"Ng=="}`: `at revision 7 n1 has "5" (written at 4) of key "k", and n2 has "6" (written at 4)`,
		`{"key":"aw==","modRevision":"5","value":"NQ=="}`:  `at revision 7 n1 has "5" (written at 4) of key "k", and n2 has "5" (written at 5)`,
		five: "", // what was written before differs
	} {
		a, b := &replica{revision: 9, applied: 12, hash: 5, kvs: five}, &replica{revision: 7, applied: 9, hash: 6, kvs: kvs}
		differences, _, err := System{}.Audit(t.Context(), serve(t, a, b))
		require.NoError(t, err)
		if want == "" {
			require.Equal(t, []string{told}, differences)
			continue
		}
		require.Equal(t, []string{told, want}, differences)
	}
}

// A node that has passed over the last write has the same as the others up to where it is.
func TestReplicasThatPassedOverTheLastWrite(t *testing.T) {
	a, b := &replica{revision: 8, applied: 9, hash: 5}, &replica{revision: 7, applied: 9, hash: 5}
	differences, _, err := System{}.Audit(t.Context(), serve(t, a, b))
	require.NoError(t, err)
	require.Equal(t, []string{"having applied all entries up to 9, n1 is at revision 8, and n2 at 7"}, differences)
}

func TestReplicasThatCannotBeCompared(t *testing.T) {
	same := replica{revision: 7, applied: 9, hash: 5}
	for want, change := range map[string]func(*replica){
		"n1 has applied entries up to 9, and n2 up to 8": func(r *replica) { r.applied = 8 },
		"n1 is compacted at 0 and n2 at 3":               func(r *replica) { r.compacted = 3 },
		"n2 does not tell its revision":                  func(r *replica) { r.revision = 0 },
	} {
		one, two := same, same
		change(&two)
		_, _, err := System{}.Audit(t.Context(), serve(t, &one, &two))
		require.ErrorContains(t, err, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	moving := same
	moving.moves = func() {
		if looks++; looks == 4 {
			cancel()
		}
	}
	_, _, err := System{}.Audit(ctx, serve(t, &moving))
	require.ErrorIs(t, err, context.Canceled, "it never stood still")

	addresses := serve(t, &same)
	addresses["n2"] = "127.0.0.1:1"
	_, _, err = System{}.Audit(t.Context(), addresses)
	require.ErrorContains(t, err, "n2: ")
}

// What is no HashKV is an error, and says why.
func TestHashKV(t *testing.T) {
	for text, want := range map[string]struct {
		code, told, answer string
	}{
		"gRPC status \"12\" of HTTP 200: unknown method": {"12", "unknown method", ""},
		"the answer of 3 bytes is not one message":       {"0", "", "\x00\x00\x00"},
		"the answer of 7 bytes is not one message":       {"0", "", "\x00\x00\x00\x00\x03\x10\x05"},
		"it has no hash": {"0", "", "\x00\x00\x00\x00\x00"},
		"the answer is no HashKV: unexpected EOF": {"0", "", "\x00\x00\x00\x00\x01\x10"},
	} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
			_, _ = io.WriteString(w, want.answer)
			w.Header().Set("Grpc-Status", want.code)
			w.Header().Set("Grpc-Message", want.told)
		}))
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		_, err := hashKV(t.Context(), strings.TrimPrefix(s.URL, "http://"), 7)
		s.Close()
		require.ErrorContains(t, err, text)
	}
}
