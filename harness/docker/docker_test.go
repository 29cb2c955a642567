package docker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/harness/docker"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/stretchr/testify/require"
)

var _ harness.Cluster = (*docker.Cluster)(nil)

const dockerTest = "ORDEAL_DOCKER_TEST"

// binaries builds the agent and the stand-in for a node once.
var binaries = sync.OnceValues(func() (dir string, err error) {
	dir, err = os.MkdirTemp("", "ordeal-docker-test-")
	if err != nil {
		return "", err
	}
	for name, pkg := range map[string]string{
		"ordeal-agent": "github.com/ordeal-dev/ordeal/cmd/ordeal-agent", "ordeal-node": "./testdata/tinynode",
	} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, &buildError{name, out, err}
		}
	}
	return dir, nil
})

type buildError struct {
	name string
	out  []byte
	err  error
}

func (e *buildError) Error() string {
	return "build " + e.name + ": " + e.err.Error() + "\n" + string(e.out)
}

// harnessRun makes this test's program a harness that sets a cluster up and stays, to be killed.
const harnessRun = "ORDEAL_DOCKER_TEST_HARNESS"

func TestMain(m *testing.M) {
	if run := os.Getenv(harnessRun); run != "" {
		dir := os.Getenv(harnessRun + "_BINARIES")
		c, err := docker.New(optionsWith(dir, run))
		if err == nil {
			err = c.Setup(context.Background())
		}
		fmt.Println("set up:", err)
		time.Sleep(time.Hour)
	}
	code := m.Run()
	if os.Getenv(dockerTest) != "" {
		if dir, _ := binaries(); dir != "" {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

func options(t *testing.T) docker.Options {
	t.Helper()
	if os.Getenv(dockerTest) == "" {
		t.Skipf("this brings up containers: set %s=1 on a machine with Docker", dockerTest)
	}
	dir, err := binaries()
	require.NoError(t, err)
	return optionsWith(dir, "")
}

func optionsWith(dir, run string) docker.Options {
	return docker.Options{
		ComposeFile: "../../docker-compose.yml", RunID: run,
		NodeBinary: filepath.Join(dir, "ordeal-node"), AgentBinary: filepath.Join(dir, "ordeal-agent"),
	}
}

func setUp(t *testing.T, o docker.Options) *docker.Cluster {
	t.Helper()
	c, err := docker.New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, c.Teardown(context.Background()))
		require.Empty(t, left(t, c), "left behind")
	})
	timed(t, "setup", func() { require.NoError(t, c.Setup(t.Context())) })
	return c
}

// timed logs how long f took; no test depends on it.
func timed(t *testing.T, what string, f func()) {
	t.Helper()
	start := time.Now()
	f()
	t.Logf("%-22s %v", what, time.Since(start).Round(10*time.Microsecond))
}

// left lists what the engine still has of the cluster's project.
func left(t *testing.T, c *docker.Cluster) []string {
	t.Helper()
	return leftOf(t, c.Project())
}

func leftOf(t *testing.T, project string) []string {
	t.Helper()
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	require.NoError(t, err)
	defer engine.Close()
	by := filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+project))
	var names []string
	containers, err := engine.ContainerList(context.Background(), container.ListOptions{All: true, Filters: by})
	require.NoError(t, err)
	for _, x := range containers {
		names = append(names, x.Names...)
	}
	networks, err := engine.NetworkList(context.Background(), network.ListOptions{Filters: by})
	require.NoError(t, err)
	for _, x := range networks {
		names = append(names, x.Name)
	}
	volumes, err := engine.VolumeList(context.Background(), volume.ListOptions{Filters: by})
	require.NoError(t, err)
	for _, x := range volumes.Volumes {
		names = append(names, x.Name)
	}
	return names
}

// every is each directed link of the nodes.
func every(nodes []string) []nemesis.Link {
	var links []nemesis.Link
	for _, from := range nodes {
		for _, to := range nodes {
			if from != to {
				links = append(links, nemesis.Link{From: from, To: to})
			}
		}
	}
	return links
}

// between is each directed link from one group to the other and back.
func between(a, b []string) []nemesis.Link {
	var links []nemesis.Link
	for _, x := range a {
		for _, y := range b {
			links = append(links, nemesis.Link{From: x, To: y}, nemesis.Link{From: y, To: x})
		}
	}
	return links
}

// requireCut cuts the links and proves by a probe of every link that exactly these pass nothing.
func requireCut(t *testing.T, c *docker.Cluster, links ...nemesis.Link) {
	t.Helper()
	timed(t, "  cut", func() { require.NoError(t, c.Cut(t.Context(), links)) })
	requireCrossings(t, c, links...)
}

func requireCrossings(t *testing.T, c *docker.Cluster, links ...nemesis.Link) {
	t.Helper()
	cut := map[nemesis.Link]bool{}
	for _, l := range links {
		cut[l] = true
	}
	probes, err := c.Probe(t.Context(), every(c.Nodes()))
	require.NoError(t, err)
	for i, p := range probes {
		require.Equal(t, every(c.Nodes())[i], p.Link)
		require.Empty(t, p.Error)
		require.Equal(t, !cut[p.Link], p.Crossed, "%+v", p)
		if cut[p.Link] {
			require.NotZero(t, p.Stopped, "%+v", p)
		}
	}
}

// silent waits until to has not heard from for longer than any heartbeat is late.
func silent(t *testing.T, c *docker.Cluster, from, to string) {
	t.Helper()
	defer func(start time.Time) { t.Logf("  silent %s to %s after %v", from, to, time.Since(start)) }(time.Now())
	require.Eventually(t, func() bool {
		ago, ok := heard(t, c, to)[from]
		return !ok || ago > 500
	}, 30*time.Second, 50*time.Millisecond, "%s still hears %s", to, from)
}

func hears(t *testing.T, c *docker.Cluster, from, to string) {
	t.Helper()
	defer func(start time.Time) { t.Logf("  hears %s to %s after %v", from, to, time.Since(start)) }(time.Now())
	require.Eventually(t, func() bool {
		ago, ok := heard(t, c, to)[from]
		return ok && ago < 100
	}, 30*time.Second, 10*time.Millisecond, "%s does not hear %s", to, from)
}

// heard asks the node itself, over its published port, how many milliseconds ago it heard each peer.
func heard(t *testing.T, c *docker.Cluster, node string) map[string]int64 {
	t.Helper()
	resp, err := http.Get("http://" + c.StatusAddress(node) + "/heard")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var ago map[string]int64
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&ago))
	return ago
}

// Partitions of every shape cut exactly what they should, to probes and to the nodes' own connections.
func TestPartitions(t *testing.T) {
	c := setUp(t, options(t))
	require.Equal(t, []string{"n1", "n2", "n3", "n4", "n5"}, c.Nodes())
	t.Logf("%v", c.Facts())
	requireCrossings(t, c)
	hears(t, c, "n1", "n2")

	t.Log("one way")
	requireCut(t, c, nemesis.Link{From: "n1", To: "n2"})
	silent(t, c, "n1", "n2")

	t.Log("majority and minority")
	requireCut(t, c, between([]string{"n1", "n2"}, []string{"n3", "n4", "n5"})...)
	hears(t, c, "n1", "n2")
	silent(t, c, "n1", "n3")
	silent(t, c, "n3", "n1")

	t.Log("bridge: n3 sees both sides")
	requireCut(t, c, between([]string{"n1", "n2"}, []string{"n4", "n5"})...)
	hears(t, c, "n1", "n3")
	hears(t, c, "n5", "n3")
	silent(t, c, "n1", "n4")

	t.Log("heal")
	start := time.Now()
	requireCut(t, c)
	hears(t, c, "n1", "n4")
	hears(t, c, "n4", "n1")
	t.Logf("heard again after        %v", time.Since(start))
	require.ErrorContains(t, c.Cut(t.Context(), []nemesis.Link{{From: "n1", To: "n9"}}), "not a link")
}

// One way for data only: n2 goes on hearing others and being heard.
func TestDataOnly(t *testing.T) {
	o := options(t)
	o.Nodes, o.Mode, o.KeepConnections = 2, netfilter.Data, true
	c := setUp(t, o)
	require.Equal(t, []string{"n1", "n2"}, c.Nodes())
	hears(t, c, "n1", "n2")
	hears(t, c, "n2", "n1")
	requireCut(t, c, nemesis.Link{From: "n1", To: "n2"})
	silent(t, c, "n1", "n2")
	hears(t, c, "n2", "n1")
	requireCut(t, c)
	hears(t, c, "n1", "n2")
}

// A link is shaped in one direction, on its own, also beside a cut and over a restart of the receiver's container.
func TestShapes(t *testing.T) {
	o := options(t)
	o.Nodes = 3
	c := setUp(t, o)
	ctx := t.Context()
	require.NoError(t, c.Lacks(ctx, nemesis.PacketTrouble, "delay"))
	require.NoError(t, c.Lacks(ctx, nemesis.PacketTrouble, nemesis.Duplication))
	slow, back := nemesis.Link{From: "n1", To: "n2"}, nemesis.Link{From: "n2", To: "n1"}
	narrow := nemesis.ShapedLink{Link: nemesis.Link{From: "n3", To: "n1"}, Shape: nemesis.Shape{Rate: 50 << 10}} // by TBF where the kernel has it
	late := nemesis.ShapedLink{Link: slow, Shape: nemesis.Shape{Delay: 30 * time.Millisecond}}
	timed(t, "  shape", func() { require.NoError(t, c.ShapeLinks(ctx, []nemesis.ShapedLink{late, narrow})) })
	felt := func() {
		t.Helper()
		require.Eventually(t, func() bool {
			_, err := c.Probe(ctx, []nemesis.Link{slow, back})
			require.NoError(t, err)
			shaped, err := c.Shaped(ctx, []nemesis.Link{slow, back, narrow.Link})
			require.NoError(t, err)
			require.Equal(t, nemesis.Shaped{Link: back}, shaped[1])
			require.Equal(t, late.Shape, shaped[0].Shape)
			require.Empty(t, shaped[0].Error)
			require.Equal(t, narrow.Shape, shaped[2].Shape)
			onTime := shaped[0].Method == "netem" || shaped[0].Held == 30*time.Millisecond
			return shaped[0].Delayed > 0 && onTime && shaped[2].Limited > 0
		}, 30*time.Second, 10*time.Millisecond)
	}
	felt()
	requireCut(t, c, nemesis.Link{From: "n3", To: "n2"})
	felt()
	timed(t, "  restart container", func() { require.NoError(t, c.RestartContainer(ctx, "n2")) })
	requireCrossings(t, c, nemesis.Link{From: "n3", To: "n2"})
	felt()
	require.NoError(t, c.Cut(ctx, nil))
	timed(t, "  lift", func() { require.NoError(t, c.ShapeLinks(ctx, nil)) })
	shaped, err := c.Shaped(ctx, []nemesis.Link{slow, narrow.Link})
	require.NoError(t, err)
	require.Equal(t, []nemesis.Shaped{{Link: slow}, {Link: narrow.Link}}, shaped)
}

// Processes are killed, started, paused and resumed; the cut stands meanwhile, also over a restart of the container.
func TestProcesses(t *testing.T) {
	o := options(t)
	o.NodeFlags = []string{"--heartbeat=50ms"}
	c := setUp(t, o)
	ctx := t.Context()
	first, err := c.Process(ctx, "n3")
	require.NoError(t, err)
	require.True(t, first.Running)
	require.Equal(t, 1, first.Starts)
	cut := between([]string{"n3"}, []string{"n1", "n2"})
	requireCut(t, c, cut...)

	timed(t, "  kill", func() { require.NoError(t, c.Kill(ctx, "n3")) })
	killed, err := c.Process(ctx, "n3")
	require.NoError(t, err)
	require.Equal(t, nemesis.ProcessState{PID: first.PID, Starts: 1, Ended: "signal: killed"}, killed)
	require.ErrorContains(t, c.Kill(ctx, "n3"), "does not run")
	requireCrossings(t, c, cut...)

	timed(t, "  start", func() { require.NoError(t, c.Start(ctx, "n3")) })
	require.ErrorContains(t, c.Start(ctx, "n3"), "runs already")
	second, err := c.Process(ctx, "n3")
	require.NoError(t, err)
	require.True(t, second.Running)
	require.NotEqual(t, first.PID, second.PID)
	hears(t, c, "n4", "n3")

	timed(t, "  pause", func() { require.NoError(t, c.Pause(ctx, "n3")) })
	paused, err := c.Process(ctx, "n3")
	require.NoError(t, err)
	require.True(t, paused.Paused)
	silent(t, c, "n3", "n4")
	timed(t, "  resume", func() { require.NoError(t, c.Resume(ctx, "n3")) })
	hears(t, c, "n3", "n4")

	ports := []string{c.ClientAddress("n3"), c.StatusAddress("n3")}
	require.NoError(t, c.CutClients(ctx, []string{"n3"}))
	timed(t, "  kill container", func() { require.NoError(t, c.KillContainer(ctx, "n3")) })
	down, err := c.Process(ctx, "n3")
	require.NoError(t, err)
	require.Equal(t, nemesis.ProcessState{PID: second.PID, Starts: 2, Ended: "signal: killed"}, down)
	require.ErrorContains(t, c.Kill(ctx, "n3"), "its container is down")
	require.NoError(t, c.Cut(ctx, cut[:2]), "what is cut changes while it is down")
	timed(t, "  start container", func() { require.NoError(t, c.StartContainer(ctx, "n3")) })
	up, err := c.Process(ctx, "n3")
	require.NoError(t, err)
	require.True(t, up.Running)
	require.Equal(t, 3, up.Starts)
	requireCrossings(t, c, cut[:2]...)
	hears(t, c, "n4", "n3")
	require.Equal(t, ports, []string{c.ClientAddress("n3"), c.StatusAddress("n3")})
	requireReached(t, c, map[string]bool{"n2": true, "n3": false})
	require.NoError(t, c.CutClients(ctx, nil))
	requireReached(t, c, map[string]bool{"n2": true, "n3": true})
	requireClientPort(t, c, "n3")

	dir := t.TempDir()
	require.NoError(t, c.CollectLogs(ctx, dir))
	log, err := os.ReadFile(filepath.Join(dir, "n3.log"))
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(log), "tinynode 3 starts with 5 peers"), "%s", log)
}

// requireReached asserts which nodes clients reach, by the cluster's own probes.
func requireReached(t *testing.T, c *docker.Cluster, want map[string]bool) {
	t.Helper()
	probes, err := c.ProbeClients(t.Context(), slices.Sorted(maps.Keys(want)))
	require.NoError(t, err)
	for _, p := range probes {
		require.Empty(t, p.Error)
		require.Equal(t, want[p.Link.To], p.Crossed, "%+v", p)
		require.Equal(t, !want[p.Link.To], p.Stopped > 0, "%+v", p)
	}
}

func requireClientPort(t *testing.T, c *docker.Cluster, node string) {
	t.Helper()
	conn, err := net.Dial("tcp", c.ClientAddress(node))
	require.NoError(t, err)
	defer conn.Close()
	greeting, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "client port of "+strings.TrimPrefix(node, "n")+"\n", string(greeting))
}

// More nodes than the file has are clones of its last one; two clusters live side by side and are cut on their own.
func TestSevenNodesBesideThree(t *testing.T) {
	o := options(t)
	o.Nodes = 7
	seven := setUp(t, o)
	o.Nodes = 3
	three := setUp(t, o)
	for _, node := range seven.Nodes() {
		requireClientPort(t, seven, node)
	}
	requireCut(t, seven, between([]string{"n6", "n7"}, []string{"n1", "n2", "n3", "n4", "n5"})...)
	silent(t, seven, "n6", "n1")
	hears(t, seven, "n6", "n7")
	requireCrossings(t, three)
	timed(t, "teardown", func() { require.NoError(t, seven.Teardown(t.Context())) })
	require.Empty(t, left(t, seven))
	require.NoError(t, seven.Teardown(t.Context()), "twice is as good as once")
	requireCrossings(t, three)
	if compose, err := exec.LookPath("docker-compose"); err == nil {
		out, err := exec.Command(compose, "-f", "../../docker-compose.yml", "-p", three.Project(), "ps").CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "n3-1")
	}
}

// A node that does not come up is told with what it printed, and nothing stays.
func TestSetupTellsWhyANodeDoesNotStart(t *testing.T) {
	o := options(t)
	o.NodeFlags = []string{"nonsense"}
	c, err := docker.New(o)
	require.NoError(t, err)
	err = c.Setup(t.Context())
	require.ErrorContains(t, err, `unexpected argument "nonsense"`)
	t.Log(err)
	require.Empty(t, left(t, c))
}

// A run that is given up while it is set up leaves nothing.
func TestSetupGivenUp(t *testing.T) {
	o := options(t)
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond} {
		c, err := docker.New(o)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), after)
		err = c.Setup(ctx)
		cancel()
		if err == nil {
			require.NoError(t, c.Teardown(t.Context()))
		}
		require.Empty(t, left(t, c), "after %v", after)
	}
}

// A harness that is killed at any moment leaves nothing that Cleanup does not find, and Cleanup touches no living run.
func TestCleanupAfterAKilledHarness(t *testing.T) {
	o := options(t)
	o.Nodes = 2
	living := setUp(t, o)
	dir, err := binaries()
	require.NoError(t, err)
	for i, after := range []time.Duration{0, 100, 200, 300, 400, 500, 600, 700, 800, 2000} {
		run := fmt.Sprintf("killed-%d-%d", os.Getpid(), i)
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), harnessRun+"="+run, harnessRun+"_BINARIES="+dir)
		require.NoError(t, cmd.Start())
		time.Sleep(after * time.Millisecond) // any moment will do
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		// The engine may still be at work on the dead harness's last request.
		require.Eventually(t, func() bool {
			removed, err := docker.Cleanup(t.Context())
			require.NoError(t, err)
			for _, r := range removed {
				require.NotContains(t, r, living.Project())
			}
			t.Logf("killed after %4d ms, removed %d things", after, len(removed))
			return len(removed) == 0
		}, time.Minute, 200*time.Millisecond)
		require.Empty(t, leftOf(t, "ordeal-"+run))
	}
	requireCrossings(t, living)
}

func TestDoctor(t *testing.T) {
	o := options(t)
	for _, f := range docker.Doctor(t.Context(), o.AgentBinary) {
		t.Logf("%s: %s", f.Name, f.Detail)
		if !f.OK && strings.HasPrefix(f.Name, "traffic control") { // few kernels have all of it, and the packet queue does what they have not
			require.True(t, f.Optional)
			require.Contains(t, f.Remedy, "packet queue")
			continue
		}
		require.True(t, f.OK, "%+v", f)
	}
}

// BenchmarkFaults tells how long each fault takes to be in force and to be healed, in milliseconds, on five nodes.
func BenchmarkFaults(b *testing.B) {
	if os.Getenv(dockerTest) == "" {
		b.Skipf("this brings up containers: set %s=1 on a machine with Docker", dockerTest)
	}
	dir, err := binaries()
	require.NoError(b, err)
	ctx := b.Context()
	halves := between([]string{"n1", "n2"}, []string{"n3", "n4", "n5"})
	var c *docker.Cluster
	steps := []struct {
		name string
		do   func() error
	}{
		{"cut", func() error { return c.Cut(ctx, halves) }},
		{"heal", func() error { return c.Cut(ctx, nil) }},
		{"cut-one-way", func() error { return c.Cut(ctx, halves[:1]) }},
		{"heal-one-way", func() error { return c.Cut(ctx, nil) }},
		{"pause", func() error { return c.Pause(ctx, "n2") }},
		{"resume", func() error { return c.Resume(ctx, "n2") }},
		{"kill", func() error { return c.Kill(ctx, "n1") }},
		{"start", func() error { return c.Start(ctx, "n1") }},
	}
	took := map[string][]time.Duration{}
	measure := func(name string, do func() error) {
		start := time.Now()
		require.NoError(b, do(), name)
		took[name] = append(took[name], time.Since(start))
	}
	for range b.N {
		c, err = docker.New(optionsWith(dir, ""))
		require.NoError(b, err)
		measure("setup", func() error { return c.Setup(ctx) })
		for range 25 {
			for _, s := range steps {
				measure(s.name, s.do)
			}
		}
		measure("teardown", func() error { return c.Teardown(ctx) })
	}
	for name, ds := range took {
		slices.Sort(ds)
		b.ReportMetric(float64(ds[len(ds)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(ds[len(ds)-1].Microseconds())/1000, name+"-max-ms")
	}
}

// The node of an image can be taken out of it, to be compared with others.
func TestExtractNode(t *testing.T) {
	o := options(t)
	c := setUp(t, o)
	output := filepath.Join(t.TempDir(), "taken", "ordeal-node")
	require.NoError(t, docker.ExtractNode(t.Context(), c.Facts()["docker.image"], output))
	want, err := os.ReadFile(o.NodeBinary)
	require.NoError(t, err)
	got, err := os.ReadFile(output)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	info, err := os.Stat(output)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100, "it can be run")
	require.ErrorContains(t, docker.ExtractNode(t.Context(), "no-such-image:here", output), "build it (make image)")
}
