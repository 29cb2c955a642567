package systems

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Deployed is a System whose nodes are programs that know nothing of this project. An adapter says how they are started, and a
// cluster of any kind starts them: as processes of this machine, or in containers of their own.
type Deployed interface {
	// Programs are the programs that a node needs, by the name that Command calls them by: paths of files on this machine. An error says how to come by
	// one that is missing.
	Programs() (map[string]string, error)
	// Ports are those that a node listens on. There must be one for clients.
	Ports() []Port
	// Command is how a node is started, every time that it is.
	Command(Site) Command
	Monitored
	// ServiceBound is how long nothing may be served while a majority is alive and connected; 0: the system promises nothing of that sort.
	ServiceBound() time.Duration
	Selective
}

// Monitored is a System that has means of its own to ask nodes what they are.
type Monitored interface {
	System
	// Monitor makes them. Addresses (host:port) are those of all nodes' status ports, or of their clients' where there is none.
	Monitor(addresses map[string]string) Monitor
}

// Selective is a System whose clients do not know the operations of all workloads.
type Selective interface {
	System
	// Workloads are those whose operations they know how to do.
	Workloads() []string
}

// Names of ports.
const (
	ClientPort = "client" // where clients are served
	PeerPort   = "peer"   // where nodes talk to each other
	StatusPort = "status" // where a node says what it is, if not on the client port
)

// Port is one that a node listens on.
type Port struct {
	Name   string
	Number int // in a container of its own; processes of one machine get others
}

// Site is where a node is started.
type Site struct {
	Cluster string // names the run's cluster, and no other
	Node    string
	Nodes   []string // all of them, in order
	Data    string   // folder for what must outlive the process; at the node's first start it is empty
	Flags   []string // more flags for the node's main program, from the command line of the run
	// Listen is the host:port to listen on.
	Listen func(port string) string
	// At is the host:port at which nodes reach a node's port.
	At func(node, port string) string
}

// Number is the place of the site's node among all, from 1.
func (s Site) Number() int {
	for i, node := range s.Nodes {
		if node == s.Node {
			return i + 1
		}
	}
	return 0
}

// Command is a program to be run.
type Command struct {
	Program string // one of Programs
	Args    []string
	Env     []string // NAME=value, beside the environment that there is
	// Files are written before the program starts, where there is none of that name yet: by path.
	Files map[string]string
	// Beside are programs that run beside the node's own, from its first start to the end of the run. Faults of processes do not touch them.
	Beside []Command
}

// Monitor asks nodes what they are.
type Monitor interface {
	// Status asks the node. An error says that it does not answer.
	Status(ctx context.Context, node string) (Status, error)
	Close()
}

// Status is what a node says of itself.
type Status struct {
	Leads   bool
	Term    uint64 // 0: not said
	Commit  uint64
	Applied uint64
	// Loose is set where the system reads role and term one after the other: two leaders of one term then prove nothing.
	Loose bool
}

// Error is an error of a client with what is known of the request's effect.
type Error struct {
	Definite bool // it surely had none, and will have none
	Err      error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Definitely is an error of a request that surely had no effect.
func Definitely(format string, args ...any) error {
	return &Error{Definite: true, Err: fmt.Errorf(format, args...)}
}

// IsDefinite tells whether the request surely had no effect. What nobody has classified is not.
func IsDefinite(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Definite
}

// Failed is the completion of an operation that ended with an error. One that only reads has failed whatever the error is.
func Failed(err error, reads bool) Completion {
	if reads || IsDefinite(err) {
		return Completion{Type: history.Fail, Error: err.Error()}
	}
	return Completion{Type: history.Info, Error: err.Error()}
}
