package sim

import (
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/node/client"
	"github.com/ordeal-dev/ordeal/node/wire"
)

// Plan is what a run is, but for the decisions on the way: the cluster, what clients do, how bad network and disks are, and the
// faults that are injected. It is plain data, so that a run can be saved, changed and run again.
type Plan struct {
	Seed     uint64        `json:"seed"`
	Nodes    int           `json:"nodes"`
	Workload string        `json:"workload"`
	Workers  int           `json:"workers"`
	Duration time.Duration `json:"duration_ns"` // how long clients work
	// Operations is how many operations clients begin at most before the last reads; 0: as many as there is time for.
	Operations int           `json:"operations,omitempty"`
	Rate       float64       `json:"rate"` // operations a second over all workers; 0: as fast as answers come
	Timeout    time.Duration `json:"timeout_ns"`

	Node    NodePlan    `json:"node"`
	Client  ClientPlan  `json:"client"`
	Network NetworkPlan `json:"network"`
	Disk    DiskPlan    `json:"disk"`

	// Troubles are the kinds of trouble that a drawn plan has, and Weights what they were drawn from; for steering and for people.
	Troubles Troubles `json:"troubles"`
	Weights  string   `json:"weights,omitempty"`

	// Schedule is carried out by the nemesis that other clusters have too, Injections by the simulator itself.
	// Asked are the faults of the schedule that have to take hold for the verdict to count, as harness.Findings has them.
	Schedule   *nemesis.Schedule `json:"schedule,omitempty"`
	Asked      []string          `json:"asked,omitempty"`
	Injections []Injection       `json:"injections,omitempty"`

	// FaultsFirst has the injections' times count from the start of the nodes, not from the first leader on.
	FaultsFirst bool `json:"faults_first,omitempty"`
}

// Troubles are kinds of trouble.
type Troubles [troubles]bool

// NodePlan is how every node is set up.
type NodePlan struct {
	Heartbeat       time.Duration `json:"heartbeat_ns"`
	ElectionTimeout time.Duration `json:"election_timeout_ns"`
	ClockDrift      float64       `json:"clock_drift,omitempty"`
	PreVote         bool          `json:"pre_vote"`
	CheckQuorum     bool          `json:"check_quorum"`
	SnapshotEntries uint64        `json:"snapshot_entries,omitempty"`
	Sessions        int           `json:"sessions,omitempty"` // that are kept at most; 0: the usual
	SegmentSize     int64         `json:"segment_size"`
	ChunkBytes      int           `json:"chunk_bytes"`
}

// ClientPlan is how clients use the store.
type ClientPlan struct {
	Find     client.Find      `json:"find"`
	Sessions bool             `json:"sessions"`
	Reads    wire.Consistency `json:"reads"`
	// Breaks is how likely, in a million, a request's connection breaks.
	Breaks uint32 `json:"breaks,omitempty"`
}

// NetworkPlan is what the links between nodes do at any time. Likelihoods are in a million.
type NetworkPlan struct {
	Delay  time.Duration `json:"delay_ns"`
	Jitter time.Duration `json:"jitter_ns"`

	Loss      uint32        `json:"loss,omitempty"`
	Repeat    uint32        `json:"repeat,omitempty"`
	Overtake  uint32        `json:"overtake,omitempty"`
	Slow      uint32        `json:"slow,omitempty"`
	Slowness  time.Duration `json:"slowness_ns,omitempty"` // how much longer a slow message, or the second of a repeated one, takes at most
	Unordered bool          `json:"unordered,omitempty"`   // messages never wait for those before them
	Encoded   bool          `json:"encoded,omitempty"`     // messages go through the transport's encoding
	PerByte   time.Duration `json:"per_byte_ns,omitempty"` // of a link whose rate is limited
}

// DiskPlan is what disks do at any time. Likelihoods are in a million.
type DiskPlan struct {
	SyncTime time.Duration `json:"sync_time_ns"`

	PowerLoss uint32        `json:"power_loss,omitempty"` // amid some work
	Failure   uint32        `json:"failure,omitempty"`
	Slow      uint32        `json:"slow,omitempty"`
	Slowness  time.Duration `json:"slowness_ns,omitempty"`
	// TurnTime is how long after its inputs have arrived a node's thread turns, at most; so they come in batches. 0: at once.
	TurnTime time.Duration `json:"turn_time_ns,omitempty"`
}

// Usual is a plan without faults, of nodes as ordeal-node sets them up.
func Usual(seed uint64, workload string, nodes int) Plan {
	return Plan{Seed: seed, Nodes: nodes, Workload: workload, Workers: 5, Duration: 10 * time.Second, Rate: 100, Timeout: time.Second,
		Node: NodePlan{Heartbeat: 50 * time.Millisecond, ElectionTimeout: 300 * time.Millisecond, PreVote: true, CheckQuorum: true,
			SnapshotEntries: 10000, SegmentSize: 64 << 10, ChunkBytes: 16 << 10},
		Network: NetworkPlan{Delay: 200 * time.Microsecond, Jitter: 300 * time.Microsecond},
		Disk:    DiskPlan{SyncTime: 500 * time.Microsecond},
	}
}
