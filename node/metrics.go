package node

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ordeal-dev/ordeal/raft"
)

// collector turns a node's status into metrics when they are asked for, so that the driver's thread counts nothing.
type collector struct{ server *Server }

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ordeal_"+name, help, labels, nil)
}

var (
	descTerm      = gauge("raft_term", "current term")
	descLeader    = gauge("raft_is_leader", "1 while this node leads, else 0")
	descHasLeader = gauge("raft_has_leader", "1 while this node knows a leader, else 0")
	descCommit    = gauge("raft_commit_index", "index of the last entry known to be committed")
	descApplied   = gauge("raft_applied_index", "index of the last entry applied to the state machine")
	descLast      = gauge("raft_last_index", "index of the last entry of the log")
	descDurable   = gauge("raft_durable_index", "index of the last entry on stable storage")
	descSnapshot  = gauge("raft_snapshot_index", "last included index of the newest snapshot")
	descVoters    = gauge("raft_voters", "servers that vote in the configuration in force")
	descPeerMatch = gauge("raft_peer_match_index", "leaders: entries up to here are on the peer's stable storage", "peer")
	descPeerHeard = gauge("raft_peer_last_heard_seconds", "leaders: how long ago the peer last answered", "peer")
	descKeys      = gauge("kv_keys", "keys in the store")
	descSessions  = gauge("kv_sessions", "open client sessions")
	descPending   = gauge("requests_pending", "requests that wait for their entry or for a confirmation of leadership")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descTerm, descLeader, descHasLeader, descCommit, descApplied, descLast, descDurable,
		descSnapshot, descVoters, descPeerMatch, descPeerHeard, descKeys, descSessions, descPending} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. A node that does not answer has no metrics of its own.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	st, ok := c.server.statusNow()
	if !ok {
		return
	}
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	put(descTerm, float64(st.Term))
	put(descLeader, truth(st.Role == raft.Leader))
	put(descHasLeader, truth(st.Leader != 0))
	put(descCommit, float64(st.Commit))
	put(descApplied, float64(st.Applied))
	put(descLast, float64(st.LastIndex))
	put(descDurable, float64(st.Durable))
	put(descSnapshot, float64(st.Snapshot))
	put(descVoters, float64(len(st.Configuration.Voters)))
	put(descKeys, float64(st.Keys))
	put(descSessions, float64(st.Sessions))
	put(descPending, float64(st.Pending))
	for _, p := range st.Peers {
		put(descPeerMatch, float64(p.Match), p.ID.String())
		put(descPeerHeard, (c.server.now() - p.LastHeard).Seconds(), p.ID.String())
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metricsHandler serves GET /metrics: the node's and the process's.
func (s *Server) metricsHandler() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}
