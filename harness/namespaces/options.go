package namespaces

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
)

// ErrUnsupported says that this system has no network namespaces.
var ErrUnsupported = errors.New("network namespaces need Linux")

// What the agents listen on in their nodes' namespaces.
const (
	agentPort = 7003
	probePort = 7004
)

// maxNodes is how many addresses there are.
const maxNodes = 200

// Options say what namespaces are wanted.
type Options struct {
	Nodes []string // a namespace for each
	Ports []int    // of every node, that are to be reached from outside
	// Log is a file for what a node's agent says; it is appended to.
	Log func(node string) string
	// Folder is one that the agent may use; it is made.
	Folder func(node string) string
	// Start starts a program from a thread that lives as long as the namespaces are to: they go with it.
	Start func(*exec.Cmd) error
}

// Command is a program to be run in a node's namespace.
type Command struct {
	Path string
	Args []string
	Env  []string // all of it
	Log  string   // file that what it prints is appended to
}

// addressOf is the address of the i-th node. The nodes' network is cut off from all others, so that it can be the same in every run.
func addressOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 1, byte(i + 1)}) }

// bridgePrefix is the keeper's own address, which clients come from, and its network.
const bridgePrefix = "10.77.0.1/16"

func (o Options) check() error {
	if len(o.Nodes) == 0 || len(o.Nodes) > maxNodes {
		return fmt.Errorf("network namespaces: %d nodes, want 1 to %d", len(o.Nodes), maxNodes)
	}
	return nil
}
