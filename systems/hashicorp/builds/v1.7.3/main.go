// Command hashicorp is a small key-value server on hashicorp/raft, for tests of that library: a node keeps a map, changes go through the
// log, and reads are local, of the leader, or of a leader that a majority has just confirmed.
//
//	hashicorp --id n1 --data DIR --listen HOST:PORT --raft HOST:PORT --advertise HOST:PORT --peer n1=HOST:PORT --peer n2=HOST:PORT ...
//
// POST /kv takes {"op":"get"|"put"|"cas","key":"k","value":"v","expected":"e","absent":false,"reads":"local"|"leader"|"verified"} and answers
// {"found":true,"value":"v","set":true,"index":7}, or 503 and {"error":"...","definite":true,"leader":"n2"}, where definite says that the request
// surely had no effect. GET /status answers {"leads":true,"term":3,"commit":9,"applied":9}.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	bolt "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
)

type request struct {
	Op       string `json:"op"`
	Key      string `json:"key"`
	Value    string `json:"value,omitempty"`
	Expected string `json:"expected,omitempty"`
	Absent   bool   `json:"absent,omitempty"`
	Reads    string `json:"reads,omitempty"`
}

type answer struct {
	Found bool   `json:"found"`
	Value string `json:"value"`
	Set   bool   `json:"set"`
	Index uint64 `json:"index"`
}

type refusal struct {
	Error    string `json:"error"`
	Definite bool   `json:"definite"`
	Leader   string `json:"leader,omitempty"`
}

type peers []raft.Server

func (p *peers) String() string { return "" }

func (p *peers) Set(text string) error {
	id, address, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("want ID=HOST:PORT")
	}
	*p = append(*p, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(address)})
	return nil
}

// server is a node.
type server struct {
	raft    *raft.Raft
	machine *machine
	ready   atomic.Uint64 // the term in which this node leads and has applied all that came before
}

const patience = 10 * time.Second

func main() {
	var (
		id        = flag.String("id", "", "the node's name")
		data      = flag.String("data", "", "folder for the log and snapshots")
		listen    = flag.String("listen", "", "host:port for clients")
		address   = flag.String("raft", "", "host:port to listen on for peers")
		advertise = flag.String("advertise", "", "host:port that peers know")
		heartbeat = flag.Duration("heartbeat", 300*time.Millisecond, "heartbeat and election timeout")
		lease     = flag.Duration("lease", 300*time.Millisecond, "how long a leader goes on without hearing of a majority")
		kind      = flag.String("log", "bolt", "what keeps the log: bolt (raft-boltdb) or wal (raft-wal)")
		members   peers
	)
	flag.Var(&members, "peer", "ID=HOST:PORT of a member, for each")
	flag.Parse()
	if err := run(*id, *data, *listen, *address, *advertise, *kind, *heartbeat, *lease, members); err != nil {
		log.Fatal(err)
	}
}

func run(id, data, listen, address, advertise, kind string, heartbeat, lease time.Duration, members peers) error {
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	store, err := openLog(kind, data)
	if err != nil {
		return err
	}
	snapshots, err := raft.NewFileSnapshotStore(data, 1, os.Stderr)
	if err != nil {
		return err
	}
	known, err := net.ResolveTCPAddr("tcp", advertise)
	if err != nil {
		return err
	}
	transport, err := raft.NewTCPTransport(address, known, 3, time.Second, os.Stderr)
	if err != nil {
		return err
	}
	c := raft.DefaultConfig()
	c.LocalID, c.LogOutput = raft.ServerID(id), os.Stderr
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = heartbeat, heartbeat, lease
	s := &server{machine: &machine{values: map[string]string{}}}
	if s.raft, err = raft.NewRaft(c, s.machine, store, store, snapshots, transport); err != nil {
		return err
	}
	err = s.raft.BootstrapCluster(raft.Configuration{Servers: members}).Error()
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return err
	}
	go s.watchLeadership()
	http.HandleFunc("POST /kv", s.serve)
	http.HandleFunc("GET /status", s.status)
	return http.ListenAndServe(listen, nil)
}

// logStore keeps the log and the votes.
type logStore interface {
	raft.LogStore
	raft.StableStore
}

func openLog(kind, data string) (logStore, error) {
	switch kind {
	case "bolt":
		return bolt.New(bolt.Options{Path: filepath.Join(data, "raft.db")})
	case "wal":
		return wal.Open(data)
	}
	return nil, fmt.Errorf("--log %s: want bolt or wal", kind)
}

// watchLeadership has a new leader apply what was committed before it led, before it serves verified reads.
func (s *server) watchLeadership() {
	for leads := range s.raft.LeaderCh() {
		s.ready.Store(0)
		if !leads {
			continue
		}
		term := s.raft.CurrentTerm()
		if s.raft.Barrier(patience).Error() == nil && s.raft.CurrentTerm() == term {
			s.ready.Store(term)
		}
	}
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	var q request
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		reply(w, http.StatusBadRequest, refusal{Error: err.Error(), Definite: true})
		return
	}
	a, err := s.do(q)
	if err != nil {
		_, leader := s.raft.LeaderWithID()
		reply(w, http.StatusServiceUnavailable, refusal{err.Error(), q.Op == "get" || neverBegun(err), string(leader)})
		return
	}
	reply(w, http.StatusOK, a)
}

// neverBegun tells the errors of a request that was not put into the log.
func neverBegun(err error) bool {
	return errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrEnqueueTimeout) || errors.Is(err, raft.ErrLeadershipTransferInProgress)
}

func (s *server) do(q request) (answer, error) {
	if q.Op == "get" {
		if err := s.mayRead(q.Reads); err != nil {
			return answer{}, err
		}
		return s.machine.get(q.Key), nil
	}
	command, err := json.Marshal(q)
	if err != nil {
		return answer{}, err
	}
	f := s.raft.Apply(command, patience)
	if err := f.Error(); err != nil {
		return answer{}, err
	}
	a := f.Response().(answer)
	a.Index = f.Index()
	return a, nil
}

func (s *server) mayRead(reads string) error {
	switch reads {
	case "local":
		return nil
	case "leader":
		if s.raft.State() != raft.Leader {
			return raft.ErrNotLeader
		}
		return nil
	case "verified":
		term := s.ready.Load()
		if term == 0 {
			return raft.ErrNotLeader
		}
		if err := s.raft.VerifyLeader().Error(); err != nil {
			return err
		}
		if s.ready.Load() != term || s.raft.CurrentTerm() != term {
			return raft.ErrNotLeader
		}
		return nil
	}
	return fmt.Errorf("reads are local, leader or verified, not %q", reads)
}

func (s *server) status(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"leads": s.raft.State() == raft.Leader, "term": s.raft.CurrentTerm(), "commit": s.raft.CommitIndex(), "applied": s.raft.AppliedIndex()})
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// machine is the state.
type machine struct {
	mu     sync.RWMutex
	index  uint64
	values map[string]string
}

func (m *machine) get(key string) answer {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, found := m.values[key]
	return answer{Found: found, Value: v, Index: m.index}
}

// Apply implements raft.FSM. A compare-and-set answers with what it saw.
func (m *machine) Apply(l *raft.Log) any {
	var q request
	if err := json.Unmarshal(l.Data, &q); err != nil {
		panic(err) // this program wrote it
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.index = l.Index
	v, found := m.values[q.Key]
	set := q.Op == "put" || found && !q.Absent && v == q.Expected || !found && q.Absent
	if set {
		m.values[q.Key] = q.Value
	}
	return answer{Found: found, Value: v, Set: set}
}

type snapshot struct {
	Index  uint64            `json:"index"`
	Values map[string]string `json:"values"`
}

// Snapshot implements raft.FSM.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	values := make(map[string]string, len(m.values))
	for k, v := range m.values {
		values[k] = v
	}
	return snapshot{m.index, values}, nil
}

func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode(s); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (snapshot) Release() {}

// Restore implements raft.FSM.
func (m *machine) Restore(from io.ReadCloser) error {
	defer from.Close()
	s := snapshot{Values: map[string]string{}}
	if err := json.NewDecoder(from).Decode(&s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.index, m.values = s.Index, s.Values
	return nil
}
