package nemesis

import "context"

// Link is a directed pair of nodes: traffic that From sends to To.
type Link struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Probe is what one attempt to cross a link showed.
type Probe struct {
	Link    Link   `json:"link"`
	Crossed bool   `json:"crossed"`           // something sent on the link by the prober arrived
	Stopped uint64 `json:"stopped,omitempty"` // units the mechanism has held back or dropped since the link was cut
	Unit    string `json:"unit,omitempty"`    // "packets" or "bytes"
	Method  string `json:"method"`            // how it was asked, in words: "udp datagram agent to agent", ...
	Error   string `json:"error,omitempty"`   // why the probe itself could not be made; Crossed then says nothing
}

// ProcessState is what can be seen of a node's process from outside.
type ProcessState struct {
	Running bool   `json:"running"`
	PID     int    `json:"pid,omitempty"`    // of the running process, or of the last one
	Starts  int    `json:"starts"`           // how many processes this node has had
	Ended   string `json:"ended,omitempty"`  // how the last one ended: "signal: killed", "exit status 1"
	Paused  bool   `json:"paused,omitempty"` // stopped by SIGSTOP
}

// Network is the part of a cluster that partitions need.
type Network interface {
	// Cut makes exactly the given links pass nothing, in place of whatever was cut before; no links heals all.
	// It returns once the cut is in force: what is sent on a cut link after that does not arrive until it is healed.
	Cut(ctx context.Context, links []Link) error
	// Probe tries to cross each link now. One result a link, in the order given.
	Probe(ctx context.Context, links []Link) ([]Probe, error)
}

// Processes is the part of a cluster that kills need.
type Processes interface {
	// Kill sends SIGKILL to the node's process and returns once it is gone. Killing a node that is down is an error.
	Kill(ctx context.Context, node string) error
	// Start starts the node's process again and returns once it runs; it need not serve yet.
	Start(ctx context.Context, node string) error
	// Process tells the state of the node's process now, as the kernel sees it.
	Process(ctx context.Context, node string) (ProcessState, error)
}

// World is what every cluster has for a nemesis; Abilities are what it may have beside.
type World interface {
	Network
	Processes
	// Nodes lists the nodes' names in a fixed order: n1, n2, ...
	Nodes() []string
}
