package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	compose "github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

// Labels by which compose finds what belongs to a project.
const (
	composeProject = "com.docker.compose.project"
	composeService = "com.docker.compose.service"
	composeNumber  = "com.docker.compose.container-number"
	composeOneOff  = "com.docker.compose.oneoff"
	composeFiles   = "com.docker.compose.project.config_files"
	composeDir     = "com.docker.compose.project.working_dir"
	composeNetwork = "com.docker.compose.network"
	composeVolume  = "com.docker.compose.volume"
)

// containerConfig is the engine's form of one service. See carried for what it knows of.
func (p *plan) containerConfig(s compose.ServiceConfig, labels map[string]string) (
	*container.Config, *container.HostConfig, *network.NetworkingConfig,
) {
	exposed, bindings := publishedPorts(s)
	config := &container.Config{
		Hostname: s.Hostname, Image: s.Image, Env: environment(s),
		Entrypoint: []string(s.Entrypoint), Cmd: []string(s.Command),
		Labels:       merge(s.Labels, labels, p.composeLabels(s)),
		ExposedPorts: exposed,
	}
	if s.StopGracePeriod != nil {
		seconds := int(time.Duration(*s.StopGracePeriod).Seconds())
		config.StopTimeout = &seconds
	}
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(p.network.Name), PortBindings: bindings,
		CapAdd: s.CapAdd, CapDrop: s.CapDrop, Sysctls: s.Sysctls, Tmpfs: tmpfs(s), Mounts: p.mounts(s),
	}
	if p.disks {
		allowDisks(host)
	}
	attach := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		p.network.Name: {Aliases: []string{s.Name}},
	}}
	return config, host, attach
}

func (p *plan) containerName(s compose.ServiceConfig) string { return p.project + "-" + s.Name + "-1" }

func (p *plan) composeLabels(s compose.ServiceConfig) map[string]string {
	return map[string]string{
		composeProject: p.project, composeService: s.Name, composeNumber: "1", composeOneOff: "False",
		composeFiles: p.file, composeDir: dirOf(p.file),
	}
}

func publishedPorts(s compose.ServiceConfig) (nat.PortSet, nat.PortMap) {
	exposed, bindings := nat.PortSet{}, nat.PortMap{}
	for _, p := range s.Ports {
		port := nat.Port(strconv.Itoa(int(p.Target)) + "/" + p.Protocol)
		exposed[port] = struct{}{}
		bindings[port] = append(bindings[port], nat.PortBinding{HostIP: p.HostIP, HostPort: p.Published})
	}
	return exposed, bindings
}

func environment(s compose.ServiceConfig) []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		if value := s.Environment[name]; value != nil {
			env = append(env, name+"="+*value)
		}
	}
	return env
}

func tmpfs(s compose.ServiceConfig) map[string]string {
	m := map[string]string{}
	for _, path := range s.Tmpfs {
		m[path] = ""
	}
	return m
}

func (p *plan) mounts(s compose.ServiceConfig) []mount.Mount {
	var ms []mount.Mount
	for _, v := range s.Volumes {
		ms = append(ms, mount.Mount{
			Type: mount.TypeVolume, Source: p.volumes[v.Source].Name, Target: v.Target, ReadOnly: v.ReadOnly,
		})
	}
	return ms
}

// volumeKeys are the volumes that this run's nodes use.
func (p *plan) volumeKeys() []string {
	used := map[string]bool{}
	for _, s := range p.services {
		for _, v := range s.Volumes {
			used[v.Source] = true
		}
	}
	return slices.Sorted(maps.Keys(used))
}

func merge(ms ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range ms {
		maps.Copy(all, m)
	}
	return all
}

// publishedAddress finds where a container's port is reached from here.
func publishedAddress(ports nat.PortMap, port int) (string, error) {
	for _, b := range ports[nat.Port(strconv.Itoa(port)+"/tcp")] {
		if b.HostPort != "" && b.HostPort != "0" {
			return b.HostIP + ":" + b.HostPort, nil
		}
	}
	return "", fmt.Errorf("the engine has not published port %d", port)
}
