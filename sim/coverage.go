package sim

import (
	"fmt"
	"strings"
)

// Counter names a state that is rare, or an event, whose count shows what a run has reached.
type Counter uint8

// The counters.
const (
	MessagesLost Counter = iota
	MessagesRepeated
	PowerLosses
	Kills
	DiskFailures
	TornWork               // power was lost amid work of the disk
	LeaderCrashedUnsynced  // while entries of its own waited for its disk
	VoteRestored           // a process began with a vote of its current term on its disk
	EntriesTruncated       // a follower's conflicting suffix went
	ConfigurationTruncated // with an uncommitted configuration in it
	SnapshotsSaved         // by a node of its own state
	SnapshotsInstalled     // received whole
	SnapshotResumed        // a chunk beyond the first came from another leader, or after others were lost
	SnapshotWhileJoint     // saved while the newest configuration was joint
	CrashWhileJoint        // of a node whose newest configuration was joint
	LeadersElected
	LeaderDeposed
	StaleLeader           // a node led while another led a later term
	CommitOfEarlierTerm   // a leader's first commit brought entries of earlier terms along
	ConfigurationsChanged // configuration entries that were committed
	Transfers             // TimeoutNow messages
	RemovedLeft           // removed nodes that stopped by themselves
	RestartsFromSnapshot  // processes that began with a snapshot
	LogReplacedAtStart    // a snapshot on disk had to take the log's place at the start
	ClockJumps
	MomentsStruck  // faults at a chosen moment of a node's life
	OldLeaders     // leaders that were cut off and heard late answers still
	Successions    // leaders elected again after another one had cut their logs, with nothing committed
	CrashesAtStart // of a process amid reading its disk
	BitsFlipped    // at rest
	DecayRefused   // and the node would not start on that disk
	counters       // how many there are
)

var counterNames = [counters]string{
	MessagesLost: "messages lost", MessagesRepeated: "messages repeated", PowerLosses: "power losses", Kills: "kills", DiskFailures: "disk failures",
	TornWork: "power lost amid work of the disk", LeaderCrashedUnsynced: "leader crashed with unsynced entries", VoteRestored: "vote restored after restart",
	EntriesTruncated: "entries truncated", ConfigurationTruncated: "uncommitted configuration truncated", SnapshotsSaved: "snapshots saved",
	SnapshotsInstalled: "snapshots installed", SnapshotResumed: "InstallSnapshot resumed", SnapshotWhileJoint: "snapshot during a joint configuration",
	CrashWhileJoint: "crash during a joint configuration", LeadersElected: "leaders elected", LeaderDeposed: "leader deposed by a later term",
	StaleLeader: "two leaders of different terms", CommitOfEarlierTerm: "entries of earlier terms committed by a new leader",
	ConfigurationsChanged: "configurations committed", Transfers: "leadership transfers", RemovedLeft: "removed nodes left",
	RestartsFromSnapshot: "restarts from a snapshot", LogReplacedAtStart: "log replaced by a snapshot at the start", ClockJumps: "clock jumps",
	MomentsStruck: "faults at a chosen moment", OldLeaders: "old leaders cut off", Successions: "leaders elected again after losing entries", CrashesAtStart: "crashes amid a start", BitsFlipped: "bits flipped at rest", DecayRefused: "decayed disks refused",
}

func (c Counter) String() string {
	if c < counters {
		return counterNames[c]
	}
	return fmt.Sprintf("counter %d", uint8(c))
}

// CounterNames are those of all counters.
func CounterNames() []string { return append([]string(nil), counterNames[:]...) }

// Coverage is how often each counter's event has happened.
type Coverage [counters]uint64

// Count counts one event.
func (c *Coverage) Count(what Counter) { c[what]++ }

// Add adds another run's counts.
func (c *Coverage) Add(o Coverage) {
	for i := range c {
		c[i] += o[i]
	}
}

// Map is the coverage by name, without the zeros.
func (c Coverage) Map() map[string]uint64 {
	m := map[string]uint64{}
	for i, n := range c {
		if n > 0 {
			m[Counter(i).String()] = n
		}
	}
	return m
}

// Missing are the names of the counters that are zero.
func (c Coverage) Missing() []string {
	var names []string
	for i, n := range c {
		if n == 0 {
			names = append(names, Counter(i).String())
		}
	}
	return names
}

func (c Coverage) String() string {
	var parts []string
	for i, n := range c {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", Counter(i), n))
		}
	}
	return strings.Join(parts, ", ")
}
