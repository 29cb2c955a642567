package docker

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	compose "github.com/compose-spec/compose-go/v2/types"

	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"github.com/ordeal-dev/ordeal/systems"
)

// A deployed system's nodes live in containers of an image from scratch that holds the agent, the system's programs, and what those load when they start. The agent
// is PID 1 and owns the network namespace; the system runs unmodified as its child.

const (
	dataInImage = "/data"
	dataVolume  = "data"
	netName     = "cluster"
	programs    = "/system/" // folder of the system's programs
)

// prepareDeployed makes the image and the plan of somebody else's nodes.
func (o Options) prepareDeployed(secret string) (image, *plan, error) {
	found, err := o.System.Programs()
	if err != nil {
		return image{}, nil, err
	}
	loaded, err := loadedByAll(found)
	if err != nil {
		return image{}, nil, fmt.Errorf("%s: %w", o.System.Name(), err)
	}
	files := map[string]string{"ordeal-agent": o.AgentBinary}
	maps.Copy(files, found)
	maps.Copy(files, loaded.files)
	names := slices.Sorted(maps.Keys(found))
	i, err := newImage([]byte("FROM scratch\nCOPY ordeal-agent /\nCOPY "+strings.Join(names, " ")+" "+programs+"\n"+loaded.dockerfile()), files)
	if err != nil {
		return i, nil, err
	}
	i.linked = len(loaded.files) > 0
	p, err := o.planDeployed(i.tag(), secret)
	if err == nil && i.linked {
		for _, s := range p.services {
			folder := libraries
			s.Environment["LD_LIBRARY_PATH"] = &folder
		}
	}
	return i, p, err
}

// planDeployed is the cluster as a compose file would describe it.
func (o Options) planDeployed(tag, secret string) (*plan, error) {
	project := "ordeal-" + o.RunID
	p := &plan{project: project, file: "-", disks: o.Disks, netKey: netName, volumes: map[string]compose.VolumeConfig{},
		network: compose.NetworkConfig{Name: project + "_" + netName, Driver: "bridge"}}
	numbers := map[string]int{}
	for _, port := range o.System.Ports() {
		numbers[port.Name] = port.Number
	}
	p.client = numbers[systems.ClientPort]
	p.status = p.client
	if number, ok := numbers[systems.StatusPort]; ok {
		p.status = number
	}
	var nodes []string
	for n := range max(o.Nodes, 1) {
		nodes = append(nodes, nodeName(n+1))
	}
	for _, node := range nodes {
		command := o.System.Command(systems.Site{Cluster: o.RunID, Node: node, Nodes: nodes, Data: dataInImage, Flags: o.NodeFlags,
			Listen: func(port string) string { return net.JoinHostPort("0.0.0.0", strconv.Itoa(numbers[port])) },
			At:     func(node, port string) string { return net.JoinHostPort(node, strconv.Itoa(numbers[port])) }})
		s := p.deployedService(tag, secret, node, command)
		if o.Disks {
			if err := addDisk(&s); err != nil {
				return nil, err
			}
		}
		p.services = append(p.services, s)
	}
	return p, nil
}

// deployedService is a node's container.
func (p *plan) deployedService(tag, secret, node string, command systems.Command) compose.ServiceConfig {
	key := node + "-" + dataVolume
	p.volumes[key] = compose.VolumeConfig{Name: p.project + "_" + key, Labels: compose.Labels{"dev.ordeal.volume": dataVolume}}
	s := compose.ServiceConfig{Name: node}
	s.Hostname, s.Image, s.Tmpfs = node, tag, []string{"/tmp"}
	s.Entrypoint = []string{"/ordeal-agent", "--control=0.0.0.0:" + strconv.Itoa(agentPort), "--probe=0.0.0.0:7004", "--log-dir=/var/log/ordeal", "--", programs + command.Program}
	s.Command = command.Args
	s.CapDrop, s.CapAdd = []string{"ALL"}, []string{"NET_ADMIN", "NET_RAW"} // as docker-compose.yml says why
	s.Environment = compose.MappingWithEquals{agent.SecretVariable: &secret}
	s.Networks = map[string]*compose.ServiceNetworkConfig{netName: nil}
	s.Volumes = []compose.ServiceVolumeConfig{{Type: compose.VolumeTypeVolume, Source: key, Target: dataInImage}}
	if site := siteOf(command); len(site.Files)+len(site.Beside) > 0 {
		text := site.String()
		s.Environment[agent.SiteVariable] = &text
	}
	for _, variable := range command.Env {
		name, value, _ := strings.Cut(variable, "=")
		s.Environment[name] = &value
	}
	published := []int{p.client, p.status, agentPort}
	slices.Sort(published)
	for _, port := range slices.Compact(published) {
		s.Ports = append(s.Ports, compose.ServicePortConfig{Target: uint32(port), Protocol: "tcp", HostIP: "127.0.0.1"})
	}
	return s
}

// siteOf is what the agent has to see to beside the node's own program.
func siteOf(command systems.Command) agent.Site {
	site := agent.Site{Files: map[string]string{}}
	maps.Copy(site.Files, command.Files)
	for _, beside := range command.Beside {
		site.Beside = append(site.Beside, agent.Program{Args: append([]string{programs + beside.Program}, beside.Args...), Env: beside.Env})
		maps.Copy(site.Files, beside.Files)
	}
	return site
}
