package raft

import "time"

// progress is what a leader knows of one other server's log (nextIndex and matchIndex of the paper's figure 2).
type progress struct {
	match uint64 // the server's log matches the leader's up to here, durably; never goes back within a term
	next  uint64 // the next entry to send; always above match
	state replicationState
	// probing: a request is under way, wait for its answer or for the next heartbeat.
	waiting bool
	// replicating: what is under way and not yet acknowledged, oldest first.
	inflight      []inflight
	inflightBytes int

	// departing: the server is out of the configuration at index leaves. When that is committed it is told so, from the
	// round farewell on (0: not yet), until it has answered.
	departing bool
	leaves    uint64
	farewell  uint64

	// snapshotting: which snapshot (its last included index), the next byte of it, and how many heartbeats ago the
	// chunk under way was sent.
	snapshot    uint64
	offset      uint64
	silentBeats int

	ackedRound uint64        // latest round of the leader that the server answered
	lastHeard  time.Duration // when it last answered anything in this term
}

// replicationState says how boldly to send.
type replicationState uint8

const (
	// probing: the match index is not known; one request at a time.
	probing replicationState = iota
	// replicating: the logs are known to match; requests are pipelined.
	replicating
	// snapshotting: the entries that the server needs are compacted; it is sent a snapshot, a chunk at a time.
	snapshotting
)

type inflight struct {
	last  uint64 // index of the request's last entry
	bytes int
}

func (p *progress) full(maxRequests, maxBytes int) bool {
	return len(p.inflight) >= maxRequests || p.inflightBytes >= maxBytes && len(p.inflight) > 0
}

func (p *progress) sent(es []Entry) {
	bytes := 0
	for i := range es {
		bytes += len(es[i].Data)
	}
	last := es[len(es)-1].Index
	p.next = last + 1
	p.inflight = append(p.inflight, inflight{last: last, bytes: bytes})
	p.inflightBytes += bytes
}

// accepted takes in an acknowledgement up to match and reports whether it brought news.
func (p *progress) accepted(match uint64) bool {
	for len(p.inflight) > 0 && p.inflight[0].last <= match {
		p.inflightBytes -= p.inflight[0].bytes
		p.inflight = p.inflight[1:]
	}
	news := match > p.match
	p.match = max(p.match, match) // answers may arrive out of order
	p.next = max(p.next, p.match+1)
	if p.state != snapshotting {
		p.waiting = false
	}
	return news
}

func (p *progress) probe(next uint64) {
	p.state = probing
	p.next = max(next, p.match+1)
	p.waiting = false
	p.inflight, p.inflightBytes = nil, 0
}

// replicate: the logs are known to match. If they do up to where the leader's begins, no snapshot is needed any more.
func (p *progress) replicate(lastIncluded uint64) {
	if p.state == replicating || p.match < lastIncluded {
		return
	}
	p.state = replicating
	p.next = p.match + 1
}
