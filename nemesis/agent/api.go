package agent

import (
	"net/netip"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// SecretVariable is the environment variable that gives the agent its secret. The child does not see it.
const SecretVariable = "ORDEAL_AGENT_SECRET"

// The control API. Every path wants "Authorization: Bearer SECRET" and answers JSON; errors are an Error with a status
// of 4xx if the request is at fault and 5xx if the machine is. Only the log is plain text.
const (
	pathHealth    = "/v1/health"         // GET: Health
	pathProcess   = "/v1/process"        // GET: nemesis.ProcessState
	pathStart     = "/v1/start"          // POST: nemesis.ProcessState; 409 if it runs
	pathKill      = "/v1/kill"           // POST: nemesis.ProcessState; 409 if it does not run
	pathPause     = "/v1/pause"          // POST: nemesis.ProcessState; 409 if it does not run
	pathResume    = "/v1/resume"         // POST: nemesis.ProcessState; 409 if it does not run
	pathPartition = "/v1/partition"      // PUT: Partition, in place of the one before; DELETE: heal
	pathCounters  = "/v1/counters"       // GET: Counters
	pathShapes    = "/v1/shapes"         // GET: ShapeCounts; PUT: Shapes, in place of those before; DELETE: lift all
	pathAble      = "/v1/able"           // GET: Able
	pathReset     = "/v1/reset"          // POST: ResetRequest, Reset
	pathSend      = "/v1/probe/send"     // POST: SendRequest, Sent
	pathReceived  = "/v1/probe/received" // POST: ReceivedRequest, Received
	pathPorts     = "/v1/ports"          // GET: Ports
	pathLog       = "/v1/log"            // GET: the child's output, oldest first
)

// Error is what every failed call answers. It is also the client's error.
type Error struct {
	Status  int    `json:"-"`     // HTTP status
	Message string `json:"error"` // what went wrong and, where it is known, what to do
}

func (e *Error) Error() string { return e.Message }

// Health says that the agent answers and what it can do.
type Health struct {
	Name      string    `json:"name"`
	Instance  string    `json:"instance"` // drawn at the agent's start: another one means that its rules are gone
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"`
	Netfilter string    `json:"netfilter,omitempty"` // why it cannot partition; empty when it can
	Disk      string    `json:"disk,omitempty"`      // why there is no disk for faults of disks; empty when there is one
	ProbePort int       `json:"probe_port,omitempty"`
}

// Cut is one drop with the peer's name beside its address.
type Cut struct {
	Name string `json:"name"`
	netfilter.Drop
}

// Partition is every drop to be in force.
type Partition struct {
	Cuts []Cut `json:"cuts"`
}

// CutCount is what one cut has stopped since it was put in force.
type CutCount struct {
	Name string `json:"name,omitempty"`
	netfilter.Count
}

// Counters are the counts of all cuts in force, as the kernel has them.
type Counters struct {
	Counts []CutCount `json:"counts"`
}

// PeerShape is what is done to what arrives from one peer, or is sent to it, with its name.
type PeerShape struct {
	Name string `json:"name"`
	shaping.Peer
}

// Shapes is everything that is to be shaped.
type Shapes struct {
	Peers []PeerShape `json:"peers,omitempty"` // what arrives from them, by packet queues
	Sent  []PeerShape `json:"sent,omitempty"`  // what is sent to them, by traffic control
}

// ShapeCount is what was done to what arrived from one peer, or was sent to it, since it was shaped.
type ShapeCount struct {
	Name string `json:"name"`
	nemesis.Shaped
}

// ShapeCounts are the counts of all that are shaped.
type ShapeCounts struct {
	Counts []ShapeCount `json:"counts"`
	Sent   []ShapeCount `json:"sent,omitempty"`
}

// Able tells of each mechanism why it cannot be used here; empty when it can.
type Able struct {
	Netfilter string `json:"netfilter,omitempty"`
	Queue     string `json:"queue,omitempty"`
	Copies    string `json:"copies,omitempty"` // of packets that are to come twice
	Netem     string `json:"netem,omitempty"`
	TBF       string `json:"tbf,omitempty"`
	VDSO      string `json:"vdso,omitempty"`
}

// ResetRequest asks to destroy the TCP connections with these peers.
type ResetRequest struct {
	Peers []netip.Addr `json:"peers"`
}

// Reset tells how many connections were destroyed.
type Reset struct {
	Destroyed int `json:"destroyed"`
}

// Target is one probe to send: a datagram with the nonce to an agent's probe address.
type Target struct {
	Nonce   string         `json:"nonce"`
	Address netip.AddrPort `json:"address"`
}

// SendRequest asks to send probes.
type SendRequest struct {
	Targets []Target `json:"targets"`
}

// Sent tells, by nonce, why a datagram could not be sent. A nonce that is not in it was sent.
type Sent struct {
	Failed map[string]string `json:"failed,omitempty"`
}

// ReceivedRequest asks which of the nonces arrived, and waits for those that did not.
type ReceivedRequest struct {
	Nonces []string `json:"nonces"`
	WaitMS int      `json:"wait_ms"` // milliseconds to wait at most; at most 60,000
}

// Received lists the nonces that arrived, each with its sender's address.
type Received struct {
	From map[string]netip.AddrPort `json:"from"`
}

// Ports are the TCP ports on which something in the namespace listens.
type Ports struct {
	Listening []int `json:"listening"`
}
