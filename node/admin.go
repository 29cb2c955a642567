package node

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ordeal-dev/ordeal/node/kv"
	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// The JSON over HTTP for people and scripts. A node that does not lead answers 421 with who does.

// TxnRequest is the JSON of POST /v1/txn.
type TxnRequest struct {
	Ops         []OpRequest `json:"ops"`
	Consistency string      `json:"consistency,omitempty"` // of reads: read-index (default), log, lease, stale
}

// OpRequest is one micro-operation. Values are text.
type OpRequest struct {
	Op           string `json:"op"` // get, put, cas, append, delete, add
	Key          string `json:"key"`
	Value        string `json:"value,omitempty"`
	Expected     string `json:"expected,omitempty"`
	ExpectAbsent bool   `json:"expect_absent,omitempty"`
	Delta        int64  `json:"delta,omitempty"`
}

// TxnAnswer is what came of a transaction.
type TxnAnswer struct {
	Applied  bool       `json:"applied"`
	Reason   string     `json:"reason,omitempty"` // why it was not applied
	LogIndex uint64     `json:"log_index"`
	Results  []OpAnswer `json:"results"`
}

// OpAnswer is what a micro-operation saw before it acted; after it for append and add.
type OpAnswer struct {
	Found bool   `json:"found"`
	Value string `json:"value"`
	// Base64 says that the value is not text, and Value its base64.
	Base64 []byte `json:"base64,omitempty"`
}

// MembersRequest is the JSON of POST /v1/members: who is to come, with peer addresses, and who is to go.
type MembersRequest struct {
	Add    map[string]string `json:"add,omitempty"` // id to host:port
	Remove []raft.NodeID     `json:"remove,omitempty"`
}

// TransferRequest is the JSON of POST /v1/transfer; 0: to the voter with the most complete log.
type TransferRequest struct {
	To raft.NodeID `json:"to"`
}

// Refused is the JSON of every answer that is not 200.
type Refused struct {
	Error  string      `json:"error"`
	Leader raft.NodeID `json:"leader,omitempty"` // whom to ask; 0: not known
	// Unknown: it may take effect yet.
	Unknown bool `json:"unknown,omitempty"`
}

const (
	adminTimeout = time.Minute
	maxBody      = 8 << 20
)

func (s *Server) routeAdmin(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/txn", s.handleTxn)
	mux.HandleFunc("POST /v1/members", s.handleMembers)
	mux.HandleFunc("POST /v1/transfer", s.handleTransfer)
	mux.HandleFunc("POST /v1/snapshot", s.handleSnapshot)
}

// readJSON reads the body into v, or answers what is wrong with it.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && d.More() {
		err = errors.New("more than one value")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		writeJSON(w, http.StatusBadRequest, Refused{Error: "body: " + err.Error()})
		return false
	}
	return true
}

// badRequest is an error of the one who asks: to ask again is of no use.
type badRequest struct{ error }

// refuse answers with what an error means for the one who asks.
func refuse(w http.ResponseWriter, err error) {
	var other raft.ErrNotLeader
	switch {
	case errors.As(err, new(badRequest)):
		writeJSON(w, http.StatusBadRequest, Refused{Error: err.Error()})
	case errors.As(err, &other):
		writeJSON(w, http.StatusMisdirectedRequest, Refused{Error: err.Error(), Leader: other.Leader})
	case errors.Is(err, raft.ErrNotReady) || errors.As(err, new(raft.ErrTransferring)):
		writeJSON(w, http.StatusServiceUnavailable, Refused{Error: err.Error()})
	case errors.Is(err, ErrUnknownChange):
		writeJSON(w, http.StatusGatewayTimeout, Refused{Error: err.Error(), Unknown: true})
	default:
		writeJSON(w, http.StatusConflict, Refused{Error: err.Error()})
	}
}

var opKinds = map[string]kv.OpKind{"get": kv.Get, "put": kv.Put, "cas": kv.CompareAndSet, "append": kv.Append, "delete": kv.Delete, "add": kv.Add}

var consistencies = map[string]wire.Consistency{"": wire.ReadIndex, "read-index": wire.ReadIndex, "log": wire.ThroughLog, "lease": wire.Lease, "stale": wire.Stale}

func (q TxnRequest) parse() (kv.Txn, wire.Consistency, error) {
	consistency, ok := consistencies[q.Consistency]
	if !ok {
		return kv.Txn{}, 0, fmt.Errorf("consistency %q: want read-index, log, lease or stale", q.Consistency)
	}
	var t kv.Txn
	for i, op := range q.Ops {
		kind, ok := opKinds[op.Op]
		if !ok {
			return t, 0, fmt.Errorf("ops[%d]: op %q: want get, put, cas, append, delete or add", i, op.Op)
		}
		t.Ops = append(t.Ops, kv.Op{Kind: kind, Key: op.Key, Value: []byte(op.Value), Expected: []byte(op.Expected), ExpectAbsent: op.ExpectAbsent, Delta: op.Delta})
	}
	return t, consistency, t.Check()
}

// answerTo takes the response to one request.
type answerTo chan wire.Response

func (a answerTo) Answer(p wire.Response) { a <- p }

func (s *Server) handleTxn(w http.ResponseWriter, r *http.Request) {
	var q TxnRequest
	if !readJSON(w, r, &q) {
		return
	}
	t, consistency, err := q.parse()
	if err != nil {
		writeJSON(w, http.StatusBadRequest, Refused{Error: err.Error()})
		return
	}
	answer := make(answerTo, 1)
	s.Take(Request{From: answer, Kind: wire.Transact, Consistency: consistency, Command: kv.AppendTxn(nil, t)})
	select {
	case p := <-answer:
		s.answerTxn(w, p)
	case <-r.Context().Done():
	case <-time.After(adminTimeout):
		writeJSON(w, http.StatusGatewayTimeout, Refused{Error: "no majority answered within " + adminTimeout.String(), Unknown: !t.ReadOnly()})
	}
}

func (s *Server) answerTxn(w http.ResponseWriter, p wire.Response) {
	switch p.Status {
	case wire.OK:
	case wire.NotLeader:
		refuse(w, raft.ErrNotLeader{Leader: p.Leader})
		return
	default:
		writeJSON(w, http.StatusServiceUnavailable, Refused{Error: p.Error, Unknown: p.Status == wire.Unknown})
		return
	}
	result, err := kv.DecodeResult(p.Result)
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, Refused{Error: err.Error()})
		return
	}
	answer := TxnAnswer{Applied: result.Applied, Reason: result.Reason, LogIndex: p.LogIndex}
	for _, x := range result.Results {
		if utf8.Valid(x.Value) {
			answer.Results = append(answer.Results, OpAnswer{Found: x.Found, Value: string(x.Value)})
		} else {
			answer.Results = append(answer.Results, OpAnswer{Found: x.Found, Base64: x.Value})
		}
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) handleMembers(w http.ResponseWriter, r *http.Request) {
	var q MembersRequest
	if !readJSON(w, r, &q) {
		return
	}
	done := make(chan outcome, 1)
	s.Do(func(d *Driver) {
		told := func(err error) { done <- outcome{err, d.Status()} }
		now, _ := d.core.Configuration()
		target, err := q.Target(now)
		if err != nil {
			told(err)
			return
		}
		d.ChangeMembers(target, told)
	})
	select {
	case o := <-done:
		s.answerOutcome(w, o)
	case <-r.Context().Done():
	case <-time.After(adminTimeout):
		refuse(w, ErrUnknownChange)
	}
}

// outcome is what came of something that the driver did, and its status right then: a node that was removed is not asked again.
type outcome struct {
	err    error
	status Status
}

func (s *Server) answerOutcome(w http.ResponseWriter, o outcome) {
	if o.err != nil {
		refuse(w, o.err)
		return
	}
	writeJSON(w, http.StatusOK, s.report(o.status))
}

// Target is the configuration asked for, from the one in force.
func (q MembersRequest) Target(now raft.Configuration) (raft.Configuration, error) {
	to := raft.Configuration{Voters: slices.Clone(now.Voters), Addresses: slices.Clone(now.Addresses)}
	for text, address := range q.Add {
		id, err := strconv.ParseUint(text, 10, 64)
		if _, _, bad := net.SplitHostPort(address); err != nil || id == 0 || bad != nil {
			return to, badRequest{fmt.Errorf("add %s=%s: want a server's id from 1 on and its peer address HOST:PORT", text, address)}
		}
		to.Addresses = slices.DeleteFunc(to.Addresses, func(a raft.Address) bool { return a.ID == raft.NodeID(id) })
		to.Addresses = append(to.Addresses, raft.Address{ID: raft.NodeID(id), Peer: address})
		if !slices.Contains(to.Voters, raft.NodeID(id)) {
			to.Voters = append(to.Voters, raft.NodeID(id))
		}
	}
	for _, id := range q.Remove {
		if !slices.Contains(now.Members(), id) {
			return to, badRequest{fmt.Errorf("remove %d: no such member; there are %v", id, now.Members())}
		}
		to.Voters = slices.DeleteFunc(to.Voters, func(v raft.NodeID) bool { return v == id })
		to.Addresses = slices.DeleteFunc(to.Addresses, func(a raft.Address) bool { return a.ID == id })
	}
	if len(to.Voters) == 0 {
		return to, badRequest{errors.New("the cluster would have no voter left")}
	}
	slices.Sort(to.Voters)
	slices.SortFunc(to.Addresses, func(a, b raft.Address) int { return cmp.Compare(a.ID, b.ID) })
	return to, nil
}

func (s *Server) handleTransfer(w http.ResponseWriter, r *http.Request) {
	var q TransferRequest
	if !readJSON(w, r, &q) {
		return
	}
	s.ask(w, r, func(d *Driver) error { return d.TransferLeadership(q.To) })
}

func (s *Server) handleSnapshot(w http.ResponseWriter, r *http.Request) {
	s.ask(w, r, (*Driver).TakeSnapshotNow)
}

// ask has the driver's thread do something, and answers with the node's status or with why not.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, f func(*Driver) error) {
	done := make(chan outcome, 1)
	s.Do(func(d *Driver) { done <- outcome{f(d), d.Status()} })
	select {
	case o := <-done:
		s.answerOutcome(w, o)
	case <-r.Context().Done():
	case <-time.After(statusTimeout):
		writeJSON(w, http.StatusServiceUnavailable, Refused{Error: "the node does not answer", Unknown: true})
	}
}
