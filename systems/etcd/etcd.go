// Package etcd is the adapter of etcd, by the JSON gateway that every etcd 3 serves on its client port.
package etcd

import (
	"fmt"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
)

// Consistencies of reads.
const (
	linearizable = "linearizable"
	serializable = "serializable" // by what the node has applied, which may be old
)

// Choice is what etcd can be had as.
var Choice = systems.Choice{
	Versions:      []string{"3.6.16", "3.4.15", "3.5.0", "3.5.2", "3.5.4", "3.5.35", "3.7.3"},
	Consistencies: []string{linearizable, serializable},
}

// System is etcd of one version.
type System struct{ systems.Built }

var _ systems.Deployed = System{}

// New makes the system that a reference names; folder is where `make systems` builds.
func New(r systems.Reference, folder string) (systems.Deployed, error) {
	built, err := Choice.Build(r, folder, "etcd")
	return System{built}, err
}

// Ports implements systems.Deployed.
func (System) Ports() []systems.Port {
	return []systems.Port{{Name: systems.ClientPort, Number: 2379}, {Name: systems.PeerPort, Number: 2380}}
}

// Heartbeats and elections are quicker than etcd's own 100 ms and 1 s, so that a run of half a minute sees many elections.
const (
	heartbeat = 50 * time.Millisecond
	election  = 500 * time.Millisecond
)

// Command implements systems.Deployed.
func (s System) Command(site systems.Site) systems.Command {
	var members []string
	for _, node := range site.Nodes {
		members = append(members, node+"=http://"+site.At(node, systems.PeerPort))
	}
	args := []string{"--name", site.Node, "--data-dir", site.Data + "/etcd",
		"--listen-client-urls", "http://" + site.Listen(systems.ClientPort), "--advertise-client-urls", "http://" + site.At(site.Node, systems.ClientPort),
		"--listen-peer-urls", "http://" + site.Listen(systems.PeerPort), "--initial-advertise-peer-urls", "http://" + site.At(site.Node, systems.PeerPort),
		"--initial-cluster", strings.Join(members, ","), "--initial-cluster-token", site.Cluster, "--initial-cluster-state", "new",
		"--heartbeat-interval", fmt.Sprint(heartbeat.Milliseconds()), "--election-timeout", fmt.Sprint(election.Milliseconds()),
		"--logger", "zap", "--log-level", "info", "--log-outputs", "stderr"}
	return systems.Command{Program: "etcd", Args: append(args, site.Flags...)}
}

// LogFiles are the segments of the write-ahead log, which is read whole at start-up and has checksums.
func (System) LogFiles() string { return "*.wal" }

// ServiceBound is 15 election timeouts, and the second that clients wait for a leader that is gone.
func (System) ServiceBound() time.Duration { return 15*election + time.Second }

// Workloads implements systems.Deployed.
func (System) Workloads() []string { return cells.Workloads() }

// Open makes a client of one node, which forwards to the leader by itself.
func (s System) Open(node string, addresses map[string]string) (systems.Client, error) {
	address, known := addresses[node]
	if !known {
		return nil, fmt.Errorf("there is no node %q", node)
	}
	return cells.Open(node, newStore(address, s.Reference.Consistency == serializable)), nil
}
