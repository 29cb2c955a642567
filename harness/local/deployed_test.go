package local

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
)

// foreign is a system whose nodes are this test's program, with one more of it beside each.
type foreign struct{ systems.Deployed }

func (foreign) Name() string { return "foreign" }

func (foreign) Programs() (map[string]string, error) {
	self, err := os.Executable()
	return map[string]string{"it": self}, err
}

func (foreign) Ports() []systems.Port {
	return []systems.Port{{Name: systems.ClientPort, Number: 1}, {Name: systems.PeerPort, Number: 2}, {Name: systems.StatusPort, Number: 3},
		{Name: "a", Number: 4}, {Name: "b", Number: 5}, {Name: "c", Number: 6}}
}

func (foreign) Command(s systems.Site) systems.Command {
	args := func(id, data string, ports ...string) []string {
		return []string{"--id", id, "--cluster-id", s.Cluster, "--data", data, "--listen-peer", s.Listen(ports[0]), "--listen-client", s.Listen(ports[1]),
			"--listen-http", s.Listen(ports[2])}
	}
	id := s.Node[1:]
	c := systems.Command{Program: "it", Args: append(args(id, s.Data, systems.PeerPort, systems.ClientPort, systems.StatusPort), s.Flags...),
		Files: map[string]string{filepath.Join(s.Data, "beside", "note"): "first"}}
	for _, other := range s.Nodes {
		c.Args = append(c.Args, "--peer", other[1:]+"="+s.At(other, systems.PeerPort))
	}
	c.Beside = []systems.Command{{Program: "it", Args: args("beside-"+id, filepath.Join(s.Data, "beside"), "a", "b", "c"),
		Files: map[string]string{filepath.Join(s.Data, "beside", "note"): "second"}}}
	return c
}

// Nodes of somebody else's system are started as it says, reach each other, outlive nothing, and those beside them are not killed with them.
func TestDeployed(t *testing.T) {
	c := testDeployed(t, Userspace, "none: the nodes reach each other without links between them")
	require.ErrorContains(t, c.Lacks(ctx, nemesis.Partition, "one"), "use --links namespaces")
	require.NoError(t, c.Lacks(ctx, nemesis.Kill, "one"))
	require.NoError(t, c.Cut(ctx, nil))
	require.Error(t, c.Cut(ctx, []nemesis.Link{{From: "n1", To: "n2"}}))
	requireDeployedGone(t, c)
}

// In namespaces they can be partitioned and keep their addresses, and those beside a node are where it is.
func TestDeployedInNamespaces(t *testing.T) {
	needsNamespaces(t)
	c := testDeployed(t, Namespaces, "nftables via netlink in each node's network namespace")
	require.NoError(t, c.Lacks(ctx, nemesis.Partition, "one"))
	require.NoError(t, c.Cut(ctx, []nemesis.Link{{From: "n1", To: "n2"}}))
	require.Equal(t, []bool{false}, crossed(t, c, nemesis.Link{From: "n1", To: "n2"}))
	require.NoError(t, c.Cut(ctx, nil))
	talking(t, c, "n1", "n2")
	requireDeployedGone(t, c)
}

func requireDeployedGone(t *testing.T, c *Cluster) {
	t.Helper()
	require.NoError(t, c.Teardown(ctx))
	require.False(t, c.nodes["n2"].beside[0].state().Running)
	require.NoDirExists(t, c.record.Dir)
}

func testDeployed(t *testing.T, links Links, between string) *Cluster {
	t.Helper()
	c := setUp(t, Options{System: foreign{}, Links: links})
	talking(t, c, "n1", "n2")
	talking(t, c, "n3", "n1")
	require.Equal(t, between, c.Facts()["partitions"])
	n := c.nodes["n2"]
	require.Len(t, n.beside, 1)
	note := filepath.Join(c.dataDir("n2"), "beside", "note")
	text, err := os.ReadFile(note)
	require.NoError(t, err)
	require.Equal(t, "second", string(text), "what is beside comes first, and writes its files")
	beside := n.beside[0].state()
	require.True(t, beside.Running)

	before := stateOf(t, c, "n2")
	require.NoError(t, c.Kill(ctx, "n2"))
	require.False(t, stateOf(t, c, "n2").Running)
	require.Equal(t, beside, n.beside[0].state())
	probes, err := c.Probe(ctx, []nemesis.Link{{From: "n1", To: "n2"}, {From: "n2", To: "n3"}})
	require.NoError(t, err)
	for _, p := range probes {
		require.True(t, p.Crossed, "%+v", p)
	}
	require.NoError(t, c.Start(ctx, "n2"))
	talking(t, c, "n1", "n2")
	require.Equal(t, 2, ask(t, c, "n2").Starts, "its data outlived it")
	require.Equal(t, before.Starts+1, stateOf(t, c, "n2").Starts)
	require.Equal(t, beside.PID, n.beside[0].state().PID, "it was there all the time")
	return c
}

func TestDeployedThatDoesNotComeUp(t *testing.T) {
	c := newCluster(t, Options{System: foreign{}, Flags: []string{"--fail"}})
	err := c.Setup(ctx)
	require.ErrorContains(t, err, "the disk is on fire")
	for _, n := range c.nodes {
		for _, p := range n.beside {
			waitFor(t, "its end", func() bool { return !p.state().Running })
		}
	}
}
