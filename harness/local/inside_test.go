package local

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// needsNamespaces skips a test where the machine has none; `ordeal doctor` tells why.
func needsNamespaces(t *testing.T) {
	t.Helper()
	if err := probeNamespaces(); err != nil {
		t.Skipf("no network namespaces: %v", err)
	}
}

func crossed(t *testing.T, c *Cluster, links ...nemesis.Link) []bool {
	t.Helper()
	probes, err := c.Probe(ctx, links)
	require.NoError(t, err)
	var all []bool
	for _, p := range probes {
		require.Empty(t, p.Error)
		all = append(all, p.Crossed)
	}
	return all
}

func TestNodesInNamespaces(t *testing.T) {
	needsNamespaces(t)
	c := setUp(t, Options{Links: Namespaces})
	require.Equal(t, "nftables via netlink in each node's network namespace", c.Facts()["partitions"])
	for _, name := range c.Nodes() {
		require.Equal(t, stateOf(t, c, name).PID, ask(t, c, name).PID)
		own, err := os.Readlink("/proc/self/ns/net")
		require.NoError(t, err)
		inside, err := os.Readlink("/proc/" + strconv.Itoa(stateOf(t, c, name).PID) + "/ns/net")
		require.NoError(t, err)
		require.NotEqual(t, own, inside)
	}
	talking(t, c, "n1", "n2")

	there, back := nemesis.Link{From: "n1", To: "n2"}, nemesis.Link{From: "n2", To: "n1"}
	require.NoError(t, c.Cut(ctx, []nemesis.Link{there}))
	require.Equal(t, []bool{false, true}, crossed(t, c, there, back))
	waitFor(t, "packets stopped by the kernel", func() bool {
		probes, err := c.Probe(ctx, []nemesis.Link{there})
		return err == nil && probes[0].Stopped > 0 && probes[0].Unit == "packets"
	})
	talking(t, c, "n1", "n3")

	// A node that is killed and started finds the partition standing: its namespace has outlived it.
	require.NoError(t, c.Kill(ctx, "n2"))
	require.NoError(t, c.Start(ctx, "n2"))
	waitFor(t, "n2 to answer", func() bool { return up(c, "n2") })
	require.Equal(t, []bool{false, true}, crossed(t, c, there, back))
	require.NoError(t, c.Pause(ctx, "n3"))
	require.True(t, stateOf(t, c, "n3").Paused)
	require.NoError(t, c.Resume(ctx, "n3"))
	require.NoError(t, c.Cut(ctx, nil))
	talking(t, c, "n1", "n2")
	talking(t, c, "n3", "n2")
}

func TestClientsAreKeptFromNodesInNamespaces(t *testing.T) {
	needsNamespaces(t)
	c := setUp(t, Options{Links: Namespaces})
	reached := func(nodes ...string) (all []bool) {
		probes, err := c.ProbeClients(ctx, nodes)
		require.NoError(t, err)
		for _, p := range probes {
			require.Empty(t, p.Error)
			all = append(all, p.Crossed)
		}
		return all
	}
	require.NoError(t, c.CutClients(ctx, []string{"n1"}))
	require.Equal(t, []bool{false, true}, reached("n1", "n2"))
	talking(t, c, "n1", "n2")
	require.NoError(t, c.CutClients(ctx, nil))
	require.Equal(t, []bool{true, true}, reached("n1", "n2"))

	// A client of a node that is down is turned away, not kept waiting: by a reset of its connection, which may come before it has seen that it
	// was accepted.
	require.NoError(t, c.Kill(ctx, "n1"))
	conn, err := net.Dial("tcp", c.ClientAddress("n1"))
	if err == nil {
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestPacketsInNamespaces(t *testing.T) {
	needsNamespaces(t)
	c := setUp(t, Options{Links: Namespaces})
	link := nemesis.Link{From: "n1", To: "n2"}
	require.NoError(t, c.ShapeLinks(ctx, []nemesis.ShapedLink{{Link: link, Shape: nemesis.Shape{Delay: 5 * time.Millisecond, Reorder: 0.5, Duplicate: 0.3}}}))
	waitFor(t, "packets late, in another order and twice", func() bool {
		shaped, err := c.Shaped(ctx, []nemesis.Link{link})
		return err == nil && shaped[0].Delayed > 0 && shaped[0].Reordered > 0 && shaped[0].Duplicated > 0 && shaped[0].Unit == "packets"
	})
	talking(t, c, "n1", "n2")
	require.NoError(t, c.ShapeLinks(ctx, nil))
	shaped, err := c.Shaped(ctx, []nemesis.Link{link})
	require.NoError(t, err)
	require.Zero(t, shaped[0].Shape)
	for _, mode := range []string{nemesis.Reordering, nemesis.Duplication} {
		require.NoError(t, c.Lacks(ctx, nemesis.PacketTrouble, mode))
	}
}

// Two clusters have the same addresses, each in a network of its own, and are not in each other's way.
func TestTwoClustersInNamespaces(t *testing.T) {
	needsNamespaces(t)
	a := setUp(t, Options{Links: Namespaces})
	b, err := New(Options{Binary: a.options.Binary, Nodes: a.Nodes(), Dir: filepath.Join(t.TempDir(), "b"), Links: Namespaces})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Teardown(ctx)) })
	require.NoError(t, b.Setup(ctx))
	require.NoError(t, b.Cut(ctx, nemesis.Isolate(b.Nodes(), "n1").Links))
	link := nemesis.Link{From: "n1", To: "n2"}
	require.Equal(t, []bool{false}, crossed(t, b, link))
	require.Equal(t, []bool{true}, crossed(t, a, link))
	talking(t, a, "n1", "n2")
	require.NoError(t, b.Teardown(ctx))
	talking(t, a, "n2", "n1")
}

// The keeper and the agents end with a killed harness as the nodes do, and with the last of them the kernel takes the namespaces away.
func TestNamespacesEndWithTheHarness(t *testing.T) {
	needsNamespaces(t)
	t.Setenv("ORDEAL_STATE", t.TempDir())
	t.Setenv("ORDEAL_TEST_LINKS", string(Namespaces))
	dir := filepath.Join(t.TempDir(), "run")
	processes := func() int { // that name the run's folder: the keeper, three agents, three nodes
		out, err := exec.Command("ps", "-A", "-ww", "-o", "args=").Output()
		require.NoError(t, err)
		return strings.Count(string(out), dir+"/logs/") + strings.Count(string(out), dir+"/data/")
	}
	killedHarness(t, dir, "death-signal")
	waitFor(t, "every process to end", func() bool { return processes() == 0 })
	_, err := Cleanup(ctx)
	require.NoError(t, err)
	require.NoDirExists(t, dir)
}
