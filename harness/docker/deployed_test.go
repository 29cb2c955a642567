package docker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"github.com/ordeal-dev/ordeal/systems"
)

// foreign is a system of two ports.
type foreign struct {
	systems.Deployed
	folder string
	beside bool
}

func (foreign) Name() string { return "foreign" }

func (f foreign) Programs() (map[string]string, error) {
	if f.folder == "" {
		return nil, errors.New("it is not built")
	}
	return map[string]string{"it": filepath.Join(f.folder, "it")}, nil
}

func (foreign) Ports() []systems.Port {
	return []systems.Port{{Name: systems.ClientPort, Number: 10}, {Name: systems.PeerPort, Number: 20}}
}

func (f foreign) Command(s systems.Site) systems.Command {
	c := systems.Command{Program: "it", Args: append([]string{s.Node, s.Data, s.Listen(systems.ClientPort), s.At("n2", systems.PeerPort)}, s.Flags...), Env: []string{"A=b=c"}}
	if f.beside {
		c.Files = map[string]string{"/data/its": "its own"}
		c.Beside = []systems.Command{{Program: "it", Args: []string{"--beside"}, Env: []string{"D=e"}, Files: map[string]string{"/data/beside": "for " + s.Node}}}
	}
	return c
}

// The containers of somebody else's nodes: the agent is the entry point, the system's program its child, and each run's names are its own.
func TestDeployedPlan(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"it", "agent"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o755))
	}
	o := Options{System: foreign{folder: dir}, AgentBinary: filepath.Join(dir, "agent"), Nodes: 3, RunID: "r1", NodeFlags: []string{"--more"}, Disks: true}
	i, p, err := o.prepare("secret")
	require.NoError(t, err)
	require.Equal(t, "FROM scratch\nCOPY ordeal-agent /\nCOPY it /system/\n", string(i.files[0].content))
	require.Equal(t, []string{"Dockerfile", "it", "ordeal-agent"}, []string{i.files[0].name, i.files[1].name, i.files[2].name})
	require.Equal(t, []string{"n1", "n2", "n3"}, p.nodes())
	require.Equal(t, []string{"n1-data", "n2-data", "n3-data"}, p.volumeKeys())
	require.Equal(t, 10, p.client)
	require.Equal(t, 10, p.status, "clients' port tells the status too")

	config, host, attach := p.containerConfig(p.services[1], map[string]string{"run": "r1"})
	require.Equal(t, []string{"/ordeal-agent", "--disk=/data", "--control=0.0.0.0:7003", "--probe=0.0.0.0:7004", "--log-dir=/var/log/ordeal", "--", "/system/it"}, []string(config.Entrypoint))
	require.Equal(t, []string{"n2", "/data", "0.0.0.0:10", "n2:20", "--more"}, []string(config.Cmd))
	require.Equal(t, []string{"A=b=c", "ORDEAL_AGENT_SECRET=secret"}, config.Env)
	require.Equal(t, i.tag(), config.Image)
	require.Equal(t, "r1", config.Labels["run"])
	require.Len(t, host.PortBindings, 2, "clients' and the agent's")
	require.Contains(t, attach.EndpointsConfig, "ordeal-r1_cluster")
	require.Equal(t, "ordeal-r1_n2-data", host.Mounts[0].Source)
	require.Equal(t, "data", p.volumes["n2-data"].Labels["dev.ordeal.volume"])
}

// Files, and programs beside a node's own, are the agent's to see to.
func TestDeployedWithProgramsBeside(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"it", "agent"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o755))
	}
	_, p, err := Options{System: foreign{folder: dir, beside: true}, AgentBinary: filepath.Join(dir, "agent"), Nodes: 3}.prepare("secret")
	require.NoError(t, err)
	site, err := agent.ParseSite(*p.services[1].Environment[agent.SiteVariable])
	require.NoError(t, err)
	require.Equal(t, agent.Site{Files: map[string]string{"/data/its": "its own", "/data/beside": "for n2"},
		Beside: []agent.Program{{Args: []string{"/system/it", "--beside"}, Env: []string{"D=e"}}}}, site)
}

func TestDeployedThatContainersDoNotSuit(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"it", "agent"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o755))
	}
	o := Options{System: foreign{}, AgentBinary: filepath.Join(dir, "agent"), Nodes: 3}
	_, err := New(o)
	require.ErrorContains(t, err, "it is not built")
}
