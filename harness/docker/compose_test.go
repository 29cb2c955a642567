package docker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// repositoryFile is the compose file that people and the harness use.
const repositoryFile = "../../docker-compose.yml"

func planFor(t *testing.T, o Options) *plan {
	t.Helper()
	o.ComposeFile, o.RunID = repositoryFile, "test"
	o, err := o.withDefaults()
	require.NoError(t, err)
	p, err := loadPlan(t.Context(), o, "ordeal-node:0123", "the secret")
	require.NoError(t, err)
	return p
}

// command is the command line of a node's service.
func (p *plan) command(node string) string {
	for _, s := range p.services {
		if s.Name == node {
			return strings.Join(append(append([]string{}, s.Entrypoint...), s.Command...), " ")
		}
	}
	return ""
}

// The repository's file says all about the containers.
func TestPlanOfTheRepositorysFile(t *testing.T) {
	p := planFor(t, Options{NodeFlags: []string{"--heartbeat=50ms", "--election-timeout=300ms"}})
	require.Equal(t, []string{"n1", "n2", "n3", "n4", "n5"}, p.nodes())
	require.Equal(t, "/ordeal-agent --control=0.0.0.0:7003 --probe=0.0.0.0:7004 --log-dir=/var/log/ordeal -- "+
		"/ordeal-node --cluster-id=ordeal --data=/data "+
		"--listen-peer=0.0.0.0:7000 --listen-client=0.0.0.0:7001 --listen-http=0.0.0.0:7002 "+
		"--peer=1=n1:7000 --peer=2=n2:7000 --peer=3=n3:7000 --peer=4=n4:7000 --peer=5=n5:7000 "+
		"--id=2 --heartbeat=50ms --election-timeout=300ms", p.command("n2"))

	config, host, attach := p.containerConfig(p.services[1], map[string]string{labelRun: "test"})
	require.Equal(t, "ordeal-node:0123", config.Image)
	require.Equal(t, "n2", config.Hostname)
	require.Equal(t, []string{"ORDEAL_AGENT_SECRET=the secret"}, config.Env)
	require.Equal(t, "ordeal-test", config.Labels[composeProject])
	require.Equal(t, "n2", config.Labels[composeService])
	require.Equal(t, "test", config.Labels[labelRun])
	require.False(t, host.Privileged)
	require.Equal(t, []string{"NET_ADMIN", "NET_RAW"}, []string(host.CapAdd))
	require.Equal(t, []string{"ALL"}, []string(host.CapDrop))
	require.Len(t, host.PortBindings, 3)
	for port, bindings := range host.PortBindings {
		require.Len(t, bindings, 1)
		require.Equal(t, "127.0.0.1", bindings[0].HostIP, port)
		require.Empty(t, bindings[0].HostPort, "%s: the engine chooses", port)
	}
	require.NotContains(t, host.PortBindings, "7000/tcp")
	require.Equal(t, "ordeal-test_n2-data", host.Mounts[0].Source)
	require.Equal(t, "/data", host.Mounts[0].Target)
	require.Equal(t, []string{"n2"}, attach.EndpointsConfig["ordeal-test_cluster"].Aliases)
	require.Equal(t, "data", p.volumes["n2-data"].Labels["dev.ordeal.volume"])
}

// Fewer nodes are the first ones, more are clones of the last; everybody knows exactly the nodes there are.
func TestPlanOfOtherSizes(t *testing.T) {
	three := planFor(t, Options{Nodes: 3})
	require.Equal(t, []string{"n1", "n2", "n3"}, three.nodes())
	require.Contains(t, three.command("n3"), "--peer=1=n1:7000 --peer=2=n2:7000 --peer=3=n3:7000 --id=3")
	require.Equal(t, []string{"n1-data", "n2-data", "n3-data"}, three.volumeKeys())

	seven := planFor(t, Options{Nodes: 7})
	require.Equal(t, []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7"}, seven.nodes())
	for _, node := range seven.nodes() {
		require.Contains(t, seven.command(node),
			"--peer=5=n5:7000 --peer=6=n6:7000 --peer=7=n7:7000 --id="+strings.TrimPrefix(node, "n"))
	}
	require.Equal(t, "n7", seven.services[6].Hostname)
	require.Equal(t, "ordeal-test_n7-data", seven.volumes["n7-data"].Name)
	require.Len(t, seven.volumeKeys(), 7)
}

// This process's environment has no say: a run is what its definition says.
func TestPlanIgnoresTheEnvironment(t *testing.T) {
	t.Setenv("ORDEAL_NODE_FLAGS", "--surprise")
	require.NotContains(t, planFor(t, Options{}).command("n1"), "--surprise")
}

// What the harness would not do as the file says is refused, with the place.
func TestPlanRefuses(t *testing.T) {
	content, err := os.ReadFile(repositoryFile)
	require.NoError(t, err)
	for name, c := range map[string]struct{ replace, by, want string }{
		"no YAML":           {"services:", "services: [", "docker-compose.yml"},
		"an unknown key":    {"    hostname: n2\n", "    hostnam: n2\n", "services.n2"},
		"a key not carried": {"    hostname: n2\n", "    privileged: true\n", "services.n2: privileged is not carried over"},
		"another service":   {"  n5:\n", "  proxy:\n", "want n1, n2, ... and no others"},
		"a bind mount":      {"n4-data:/data", "/tmp:/data", "services.n4: volume at /data is not a named volume"},
		"no agent's port":   {"::7003", "::7005", "services.n1: port 7003 is not published"},
		"a fixed subnet":    {"    driver: bridge\n", "    ipam: {config: [{subnet: 10.5.0.0/16}]}\n", "networks.cluster has a fixed subnet"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(string(content), c.replace, c.by, 1)
			require.NotEqual(t, string(content), changed)
			path := filepath.Join(t.TempDir(), "docker-compose.yml")
			require.NoError(t, os.WriteFile(path, []byte(changed), 0o644))
			_, err := loadPlan(t.Context(), Options{ComposeFile: path, RunID: "test"}, "image", "secret")
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, path)
		})
	}
}

func TestOptionsRefuse(t *testing.T) {
	for want, o := range map[string]Options{
		"-1 nodes: want 1 to 25":    {Nodes: -1},
		"26 nodes":                  {Nodes: 26},
		`run id "Über"`:             {RunID: "Über"},
		`mode "half"`:               {Mode: "half"},
		"no such file":              {ComposeFile: "/nowhere/docker-compose.yml"},
		"build it with `make build": {ComposeFile: repositoryFile, NodeBinary: "/nowhere/ordeal-node"},
	} {
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
	found, err := Options{}.withDefaults() // from this folder upwards
	require.NoError(t, err)
	require.Equal(t, "docker-compose.yml", filepath.Base(found.ComposeFile))
	require.Regexp(t, runIDPattern, found.RunID)
}
