package node

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/ordeal-dev/ordeal/node/clock"
	"github.com/ordeal-dev/ordeal/raft"
)

// StatusReport is the JSON of GET /status. Times are in milliseconds.
type StatusReport struct {
	ID        raft.NodeID   `json:"id"`
	ClusterID string        `json:"cluster_id"`
	Version   string        `json:"version"`
	UptimeMS  int64         `json:"uptime_ms"`
	Role      string        `json:"role"` // follower, candidate, leader
	Term      uint64        `json:"term"`
	Vote      raft.NodeID   `json:"vote"`   // 0: none in this term
	Leader    raft.NodeID   `json:"leader"` // 0: not known
	Commit    uint64        `json:"commit"`
	Applied   uint64        `json:"applied"`
	LastIndex uint64        `json:"last_index"`
	Durable   uint64        `json:"durable"`
	Snapshot  uint64        `json:"snapshot"` // last included index of the newest; 0: none
	Keys      int           `json:"keys"`
	Sessions  int           `json:"sessions"`
	LeaseMS   int64         `json:"lease_ms"` // how long a leader may serve lease reads after a confirmation; 0: it never does without asking
	Voters    []raft.NodeID `json:"voters"`
	Outgoing  []raft.NodeID `json:"outgoing,omitempty"` // voters of C-old while the configuration is joint
	Learners  []raft.NodeID `json:"learners,omitempty"`
	Peers     []PeerReport  `json:"peers,omitempty"` // leaders only
	// Addresses are the peer addresses (host:port) at which this node looks for the servers that it knows of, members or not:
	// of its --peer flags and, for servers that those do not name, of the configuration.
	Addresses map[raft.NodeID]string `json:"addresses"`
	Warnings  []string               `json:"warnings,omitempty"`
}

// PeerReport is what a leader knows of a follower (R4).
type PeerReport struct {
	ID          raft.NodeID `json:"id"`
	Match       uint64      `json:"match"`
	Next        uint64      `json:"next"`
	LastHeardMS int64       `json:"last_heard_ms"` // how long ago it last answered
}

const statusTimeout = 2 * time.Second

func (s *Server) httpHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", s.handleStatus)
	mux.HandleFunc("GET /healthz", s.handleHealth)
	mux.Handle("GET /metrics", s.metricsHandler())
	s.routeAdmin(mux)
	if s.options.ClockFaults {
		mux.HandleFunc("GET /clock", s.handleClock)
		mux.HandleFunc("PUT /clock", s.handleSetClock)
	}
	return mux
}

// status asks the driver's thread.
func (s *Server) status() (StatusReport, bool) {
	st, ok := s.statusNow()
	if !ok {
		return StatusReport{}, false
	}
	return s.report(st), true
}

// statusNow asks the driver's thread, and gives up if it does not turn.
func (s *Server) statusNow() (Status, bool) {
	answer := make(chan Status, 1)
	s.inbox.put(func(b *batch) { b.statuses = append(b.statuses, answer) })
	select {
	case st := <-answer:
		return st, true
	case <-time.After(statusTimeout):
		return Status{}, false
	}
}

func (s *Server) report(st Status) StatusReport {
	r := StatusReport{ID: st.ID, ClusterID: s.options.ClusterID, Version: s.options.Version, UptimeMS: s.now().Milliseconds(),
		Role: st.Role.String(), Term: st.Term, Vote: st.Vote, Leader: st.Leader, Commit: st.Commit, Applied: st.Applied,
		LastIndex: st.LastIndex, Durable: st.Durable, Snapshot: st.Snapshot, Keys: st.Keys, Sessions: st.Sessions, LeaseMS: s.options.Lease().Milliseconds(),
		Voters: st.Configuration.Voters, Outgoing: st.Configuration.Outgoing, Learners: st.Configuration.Learners}
	r.Addresses = s.addresses(st.Configuration)
	for _, p := range st.Peers {
		r.Peers = append(r.Peers, PeerReport{p.ID, p.Match, p.Next, (s.now() - p.LastHeard).Milliseconds()})
	}
	if w := st.Configuration.EvenVotersWarning(); w != "" {
		r.Warnings = append(r.Warnings, w)
	}
	return r
}

func (s *Server) handleStatus(w http.ResponseWriter, _ *http.Request) {
	r, ok := s.status()
	if !ok {
		http.Error(w, "the node does not answer within "+statusTimeout.String(), http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, http.StatusOK, r)
}

// handleHealth says 200 while the node runs and knows a leader, else 503.
func (s *Server) handleHealth(w http.ResponseWriter, _ *http.Request) {
	r, ok := s.status()
	healthy := ok && r.Leader != 0
	code := http.StatusOK
	if !healthy {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, map[string]any{"healthy": healthy, "answers": ok, "leader": r.Leader})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the asker is gone, or gets it
}

func (s *Server) handleClock(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.clock.Read())
}

// handleSetClock sets the node's clock and answers what it reads then.
func (s *Server) handleSetClock(w http.ResponseWriter, r *http.Request) {
	var to clock.Setting
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<12))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&to)
	if err == nil {
		err = s.clock.Set(to)
	}
	if err != nil {
		http.Error(w, "the clock's setting: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.log.Warn("the clock was set", "rate", to.Rate, "offset", to.Offset, "strobe", to.Strobe)
	s.handleClock(w, r)
}
