package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	compose "github.com/compose-spec/compose-go/v2/types"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

// Ports of a node's container, as docker-compose.yml publishes them.
const (
	clientPort = 7001
	statusPort = 7002
	agentPort  = 7003
)

// plan is the cluster as the compose file describes it, for this run.
type plan struct {
	project  string
	file     string
	services []compose.ServiceConfig // one a node, in the order of the nodes
	network  compose.NetworkConfig
	netKey   string
	volumes  map[string]compose.VolumeConfig // by key in the file
	disks    bool                            // the agents mount disks
	client   int                             // where a node serves clients, in its container
	status   int                             // where it says what it is; it may be the same
}

func (p *plan) nodes() []string {
	names := make([]string, len(p.services))
	for i, s := range p.services {
		names[i] = s.Name
	}
	return names
}

// loadPlan reads the compose file. Variables in it have the run's values and never those of this process's
// environment: a run is what its definition says.
func loadPlan(ctx context.Context, o Options, image, secret string) (*plan, error) {
	content, err := os.ReadFile(o.ComposeFile)
	if err != nil {
		return nil, err
	}
	project, err := loader.LoadWithContext(ctx, compose.ConfigDetails{
		WorkingDir:  filepath.Dir(o.ComposeFile),
		ConfigFiles: []compose.ConfigFile{{Filename: o.ComposeFile, Content: content}},
		Environment: compose.Mapping{"ORDEAL_IMAGE": image, agent.SecretVariable: secret},
	}, func(l *loader.Options) { l.SetProjectName("ordeal-"+o.RunID, true) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.ComposeFile, err)
	}
	p, err := planOf(project, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.ComposeFile, err)
	}
	return p, nil
}

func planOf(project *compose.Project, o Options) (*plan, error) {
	services, err := nodeServices(project)
	if err != nil {
		return nil, err
	}
	p := &plan{project: project.Name, file: o.ComposeFile, volumes: project.Volumes, disks: o.Disks, client: clientPort, status: statusPort}
	if o.Nodes == 0 {
		o.Nodes = len(services)
	}
	p.services = services[:min(o.Nodes, len(services))]
	for n := len(services) + 1; n <= o.Nodes; n++ {
		p.addClone(services[len(services)-1], n)
	}
	for i := range p.services {
		s := &p.services[i]
		if err := checkService(*s); err != nil {
			return nil, fmt.Errorf("services.%s: %w", s.Name, err)
		}
		s.Entrypoint = fitPeers(s.Entrypoint, o.Nodes)
		s.Command = append(fitPeers(s.Command, o.Nodes), o.NodeFlags...)
		if o.Disks {
			if err := addDisk(s); err != nil {
				return nil, fmt.Errorf("services.%s: %w", s.Name, err)
			}
		}
	}
	return p, p.setNetwork(project)
}

// nodeServices gives the services n1, n2, ... of the file, in that order.
func nodeServices(project *compose.Project) ([]compose.ServiceConfig, error) {
	var services []compose.ServiceConfig
	for n := 1; ; n++ {
		s, ok := project.Services[nodeName(n)]
		if !ok {
			break
		}
		services = append(services, s)
	}
	if len(services) == 0 || len(services) != len(project.Services) {
		return nil, fmt.Errorf("the services are %v: want n1, n2, ... and no others", project.ServiceNames())
	}
	return services, nil
}

func nodeName(n int) string { return fmt.Sprintf("n%d", n) }

// carried are the service's keys that containerConfig passes on to the engine. A key that it would drop in silence is
// refused instead, so that a cluster by hand and one by the harness are the same.
var carried = []string{
	"cap_add", "cap_drop", "command", "entrypoint", "environment", "hostname", "image", "labels", "networks", "ports",
	"stop_grace_period", "sysctls", "tmpfs", "volumes",
}

func checkService(s compose.ServiceConfig) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var keys map[string]any
	if err := json.Unmarshal(b, &keys); err != nil {
		return err
	}
	for key, value := range keys {
		if value != nil && !slices.Contains(carried, key) {
			return fmt.Errorf("%s is not carried over to the engine: remove it or teach harness/docker about it", key)
		}
	}
	for _, want := range []uint32{clientPort, statusPort, agentPort} {
		if !slices.ContainsFunc(s.Ports, func(p compose.ServicePortConfig) bool { return p.Target == want }) {
			return fmt.Errorf("port %d is not published", want)
		}
	}
	for _, v := range s.Volumes {
		if v.Type != compose.VolumeTypeVolume || v.Source == "" {
			return fmt.Errorf("volume at %s is not a named volume", v.Target)
		}
	}
	if len(s.Networks) != 1 {
		return fmt.Errorf("%d networks, want one", len(s.Networks))
	}
	return nil
}

func (p *plan) setNetwork(project *compose.Project) error {
	for _, s := range p.services {
		for key := range s.Networks {
			if p.netKey != "" && p.netKey != key {
				return fmt.Errorf("nodes are on different networks: %s and %s", p.netKey, key)
			}
			p.netKey = key
		}
	}
	p.network = project.Networks[p.netKey]
	if p.network.Ipam.Config != nil {
		return fmt.Errorf("networks.%s has a fixed subnet: two runs could not live side by side", p.netKey)
	}
	return nil
}

// addClone makes node n from the last service of the file: its name, its id, its volumes.
func (p *plan) addClone(template compose.ServiceConfig, n int) {
	from, to := template.Name, nodeName(n)
	number := strings.TrimPrefix(from, "n")
	s := template
	s.Name, s.Hostname = to, to
	s.Command = slices.Clone(template.Command)
	for i, arg := range s.Command {
		if arg == "--id="+number {
			s.Command[i] = fmt.Sprintf("--id=%d", n)
		}
	}
	s.Volumes = slices.Clone(template.Volumes)
	for i, v := range s.Volumes {
		key := strings.Replace(v.Source, from, to, 1)
		volume := p.volumes[v.Source]
		volume.Name = strings.Replace(volume.Name, v.Source, key, 1)
		p.volumes[key] = volume
		s.Volumes[i].Source = key
	}
	p.services = append(p.services, s)
}

// peerFlag is how the command line names a peer: its id, host and port.
var peerFlag = regexp.MustCompile(`^--peer=(\d+)=n(\d+)(:\d+)$`)

// fitPeers leaves a --peer flag for each of the nodes: those of nodes beyond are removed, missing ones follow the last.
func fitPeers(args []string, nodes int) []string {
	var fitted []string
	last, at, port := 0, 0, ""
	for _, arg := range args {
		m := peerFlag.FindStringSubmatch(arg)
		if m == nil {
			fitted = append(fitted, arg)
			continue
		}
		var n int
		_, _ = fmt.Sscan(m[2], &n)
		if n <= nodes {
			fitted = append(fitted, arg)
			at = len(fitted)
		}
		last, port = max(last, n), m[3]
	}
	if last == 0 {
		return fitted
	}
	var missing []string
	for n := last + 1; n <= nodes; n++ {
		missing = append(missing, fmt.Sprintf("--peer=%d=%s%s", n, nodeName(n), port))
	}
	return slices.Insert(fitted, at, missing...)
}
