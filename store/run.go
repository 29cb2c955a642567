package store

import (
	"time"

	"github.com/ordeal-dev/ordeal/checker"
)

// File names inside a run's folder.
const (
	HistoryFile       = "history.jsonl"      // every event, written while it happens
	SealedHistoryFile = "history.jsonl.zst"  // the same, compressed once the run is over; HistoryFile is removed then
	ObservationsFile  = "observations.jsonl" // what the nodes said of themselves: Observation, one a line, when it changed
	TestFile          = "test.json"          // Test
	EvidenceFile      = "evidence.jsonl"     // of an invalid run: the operations that show it, a history of their own
	ScheduleFile      = "schedule.json"      // the faults as they were drawn (nemesis.Schedule)
	PlanFile          = "plan.json"          // of a simulated run: all that it is a function of (sim.Plan)
	TraceFile         = "trace.jsonl"        // of a simulated run: all that happened in it: TraceEvent, one a line
	VerdictFile       = "verdict.json"       // Verdict
	ShrunkFile        = "shrunk.json"        // of a simulated run: its failure made small (shrink.Case)
	ShrunkPageFile    = "shrunk.html"        // the same drawn: nodes as lanes, messages as arrows
	MessagesFile      = "messages.html"      // of a simulated run: its trace drawn likewise
	ReportFile        = "report.html"
	HarnessLogFile    = "harness.log"
	ProgressFile      = "progress.json" // Progress, while the run is under way
	NodesFolder       = "nodes"         // <node>.log
)

// Test is the definition of a run and the ground it stood on: enough to run it again.
type Test struct {
	Name     string        `json:"name"`
	Command  []string      `json:"command"` // the command line that repeats it
	Started  time.Time     `json:"started"`
	Began    time.Time     `json:"began,omitzero"` // time 0 of the history and the observations; zero: not told
	System   string        `json:"system"`
	Cluster  string        `json:"cluster"` // local, docker, sim
	Workload string        `json:"workload"`
	Faults   []string      `json:"faults"`
	Owed     []string      `json:"owed,omitempty"` // faults that have to take hold: where there is one alone, each mode of it
	Nodes    []string      `json:"nodes"`
	Clients  int           `json:"clients"`
	Rate     float64       `json:"rate"` // operations a second over all clients; 0: as fast as answers come
	Duration time.Duration `json:"duration_ns"`
	Seed     uint64        `json:"seed"`
	// OperationTimeout and ServiceBound are what the run was judged by; 0: it was not.
	OperationTimeout time.Duration     `json:"operation_timeout_ns,omitempty"`
	ServiceBound     time.Duration     `json:"service_bound_ns,omitempty"`
	Mutant           string            `json:"mutant,omitempty"`
	Versions         map[string]string `json:"versions"` // ordeal's version and commit, Go's, the node's
	Machine          map[string]string `json:"machine"`  // kernel, cores, engine, mechanisms in use
}

// FaultInterval is a fault from its injection to its heal, as the verdict and the plots see it.
type FaultInterval struct {
	ID       int           `json:"id"`
	Fault    string        `json:"fault"`
	Mode     string        `json:"mode"`
	Text     string        `json:"text"`
	Start    time.Duration `json:"start_ns"` // in force from here, since the start of the test
	End      time.Duration `json:"end_ns"`
	Took     bool          `json:"took"`
	Healed   bool          `json:"healed"`
	Overlaps int           `json:"overlaps"` // client operations open while it was in force
	Evidence []string      `json:"evidence"`
}

// Counts are completions by type.
type Counts struct {
	OK   int `json:"ok"`
	Fail int `json:"fail"`
	Info int `json:"info"`
}

// Verdict is the outcome of a run.
type Verdict struct {
	Verdict    checker.Verdict   `json:"verdict"`
	Reason     string            `json:"reason"` // why, in a sentence or two
	Results    []checker.Result  `json:"results"`
	Operations Counts            `json:"operations"`
	ByF        map[string]Counts `json:"by_f"`
	Faults     []FaultInterval   `json:"faults"`
	Leaders    []Leadership      `json:"leaders"`
	Length     time.Duration     `json:"length_ns"` // of the history
}

// Leadership is one term's leader as the nodes' status told it.
type Leadership struct {
	Term  uint64        `json:"term"`
	Node  string        `json:"node"`
	Start time.Duration `json:"start_ns"` // first seen
	End   time.Duration `json:"end_ns"`   // last seen
}

// Observation is a node's status when it changed. Role is "down" where the node did not answer.
type Observation struct {
	Time    time.Duration `json:"t"`
	Node    string        `json:"node"`
	Role    string        `json:"role"` // leader, candidate, follower, down
	Term    uint64        `json:"term,omitempty"`
	Commit  uint64        `json:"commit,omitempty"`
	Applied uint64        `json:"applied,omitempty"`
	// Loose: role and term were not read at one moment, so that two leaders of one term prove nothing.
	Loose bool `json:"loose,omitempty"`
}
