// Package nats is the adapter of NATS with JetStream: a key-value bucket, which is a stream that keeps one message for each subject, on as many
// replicas as there are nodes.
package nats

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
)

// Consistencies of reads.
const (
	leader = "leader" // the stream's leader answers, as it believes to be
	direct = "direct" // any replica answers by what it has, as NATS's own key-value clients ask by default
)

// Choice is what NATS can be had as.
var Choice = systems.Choice{Versions: []string{"2.12.15", "2.10.22", "2.11.0", "2.12.1", "2.15.2"}, Consistencies: []string{leader, direct}}

// System is NATS of one version.
type System struct{ systems.Built }

var _ systems.Deployed = System{}

// New makes the system that a reference names; folder is where `make systems` builds.
func New(r systems.Reference, folder string) (systems.Deployed, error) {
	built, err := Choice.Build(r, folder, "nats-server")
	return System{built}, err
}

// Ports implements systems.Deployed.
func (System) Ports() []systems.Port {
	return []systems.Port{{Name: systems.ClientPort, Number: 4222}, {Name: systems.PeerPort, Number: 6222}, {Name: systems.StatusPort, Number: 8222}}
}

// Command implements systems.Deployed.
func (System) Command(site systems.Site) systems.Command {
	host, port, _ := net.SplitHostPort(site.Listen(systems.ClientPort))
	_, status, _ := net.SplitHostPort(site.Listen(systems.StatusPort))
	var routes []string
	for _, node := range site.Nodes {
		routes = append(routes, "nats://"+site.At(node, systems.PeerPort))
	}
	args := []string{"--name", site.Node, "--addr", host, "--port", port, "--http_port", status, "--jetstream", "--store_dir", site.Data + "/jetstream",
		"--cluster_name", "ordeal-" + site.Cluster, "--cluster", "nats://" + site.Listen(systems.PeerPort), "--routes", strings.Join(routes, ",")}
	return systems.Command{Program: "nats-server", Args: append(args, site.Flags...)}
}

// ServiceBound is 0: elections of JetStream take from four to nine seconds, and routes are tried again with pauses of their own.
func (System) ServiceBound() time.Duration { return 0 }

// Workloads implements systems.Deployed.
func (System) Workloads() []string { return cells.Workloads() }

// Open makes a client of one node.
func (s System) Open(node string, addresses map[string]string) (systems.Client, error) {
	address, known := addresses[node]
	if !known {
		return nil, fmt.Errorf("there is no node %q", node)
	}
	return cells.Open(node, &store{address: address, replicas: min(len(addresses), mostReplicas), direct: s.Reference.Consistency == direct}), nil
}

// mostReplicas is what JetStream allows.
const mostReplicas = 5
