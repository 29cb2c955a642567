package local

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/harness/ports"
	"github.com/ordeal-dev/ordeal/nemesis"
)

// patience bounds how long a test waits for a condition that must come.
const patience = 30 * time.Second

var ctx = context.Background()

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if condition() {
			return
		}
	}
	require.Fail(t, "did not come: "+what)
}

// setUp gives a cluster of three test nodes, its records in a folder of the test's own.
func setUp(t *testing.T, options Options) *Cluster {
	t.Helper()
	c := newCluster(t, options)
	require.NoError(t, c.Setup(ctx))
	return c
}

func newCluster(t *testing.T, options Options) *Cluster {
	t.Helper()
	t.Setenv("ORDEAL_STATE", t.TempDir())
	self, err := os.Executable()
	require.NoError(t, err)
	options.Binary = self
	options.Nodes = []string{"n1", "n2", "n3"}
	if options.Links == "" {
		options.Links = Userspace
	}
	if options.Dir == "" {
		options.Dir = filepath.Join(t.TempDir(), "run")
	}
	c, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Teardown(ctx)) })
	return c
}

// up tells whether the node listens where it says what it is.
func up(c *Cluster, name string) bool { return c.accepts(ctx, c.nodes[name], c.nodes[name].http) }

func ask(t *testing.T, c *Cluster, name string) status {
	t.Helper()
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + c.StatusAddress(name) + "/status")
	require.NoError(t, err)
	defer resp.Body.Close()
	var s status
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&s))
	return s
}

func stateOf(t *testing.T, c *Cluster, name string) nemesis.ProcessState {
	t.Helper()
	s, err := c.Process(ctx, name)
	require.NoError(t, err)
	return s
}

// talking waits until to has heard more from from, in requests, and from more of to, in answers.
func talking(t *testing.T, c *Cluster, from, to string) {
	t.Helper()
	for _, node := range []string{from, to} { // which may have been started a moment ago
		waitFor(t, node+" answers", func() bool { return up(c, node) })
	}
	fromID, toID := strings.TrimPrefix(from, "n"), strings.TrimPrefix(to, "n")
	heard, answered := ask(t, c, to).Heard[fromID], ask(t, c, from).Answered[toID]
	waitFor(t, to+" hears "+from, func() bool { return ask(t, c, to).Heard[fromID] > heard })
	waitFor(t, from+" is answered by "+to, func() bool { return ask(t, c, from).Answered[toID] > answered })
}

func TestSetupBringsEveryNodeUp(t *testing.T) {
	c := setUp(t, Options{})
	require.Equal(t, "local", c.Kind())
	require.Equal(t, []string{"n1", "n2", "n3"}, c.Nodes())
	for _, name := range c.Nodes() {
		s := stateOf(t, c, name)
		require.True(t, s.Running)
		require.Equal(t, 1, s.Starts)
		require.Equal(t, s.PID, ask(t, c, name).PID)
		conn, err := net.Dial("tcp", c.ClientAddress(name))
		require.NoError(t, err)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.Equal(t, "node "+name[1:]+" of "+c.ID()+"\n", string(answer))
	}
	talking(t, c, "n1", "n2")
	talking(t, c, "n2", "n3")
	talking(t, c, "n3", "n1")
}

func TestKillAndStart(t *testing.T) {
	c := setUp(t, Options{})
	at := c.StatusAddress("n2")
	before := stateOf(t, c, "n2")
	require.NoError(t, c.Kill(ctx, "n2"))
	dead := stateOf(t, c, "n2")
	require.Equal(t, nemesis.ProcessState{PID: before.PID, Starts: 1, Ended: "signal: killed"}, dead)
	_, err := identify(before.PID)
	require.ErrorAs(t, err, new(errGone), "it is gone, and waited for")
	require.EqualError(t, c.Kill(ctx, "n2"), "kill n2: it does not run (signal: killed)")

	require.NoError(t, c.Start(ctx, "n2"))
	require.ErrorContains(t, c.Start(ctx, "n2"), "n2 runs already, as pid ")
	after := stateOf(t, c, "n2")
	require.True(t, after.Running)
	require.Equal(t, 2, after.Starts)
	require.NotEqual(t, before.PID, after.PID)
	require.Equal(t, at, c.StatusAddress("n2"))
	waitFor(t, "n2 to answer", func() bool { return up(c, "n2") })
	require.Equal(t, 2, ask(t, c, "n2").Starts, "its data is where it was")
	talking(t, c, "n1", "n2")
	talking(t, c, "n2", "n3")
}

// Another run gets none of a node's ports, also while the node is down: its clients would take the other run's node for theirs.
func TestANodeThatIsDownKeepsItsPorts(t *testing.T) {
	c := setUp(t, Options{Links: Userspace})
	require.NoError(t, c.Kill(ctx, "n2"))
	n := c.nodes["n2"]
	var other ports.Held
	for _, port := range []int{n.peer, n.client, n.http} {
		require.False(t, other.Take(port), "port %d", port)
	}
	require.NoError(t, c.Start(ctx, "n2"))
	talking(t, c, "n1", "n2")
}

func TestPauseAndResume(t *testing.T) {
	c := setUp(t, Options{})
	require.NoError(t, c.Pause(ctx, "n1"))
	s := stateOf(t, c, "n1")
	require.True(t, s.Running)
	require.True(t, s.Paused)
	require.NoError(t, c.Resume(ctx, "n1"))
	require.False(t, stateOf(t, c, "n1").Paused)
	talking(t, c, "n1", "n2")

	// A stopped process can be killed all the same.
	require.NoError(t, c.Pause(ctx, "n1"))
	require.NoError(t, c.Kill(ctx, "n1"))
	require.Equal(t, "signal: killed", stateOf(t, c, "n1").Ended)
	require.EqualError(t, c.Pause(ctx, "n1"), "stopped (signal) n1: it does not run (signal: killed)")
}

// Cutting n1 off in one direction stops its requests and its answers, and nothing that it is sent.
func TestCut(t *testing.T) {
	c := setUp(t, Options{Links: Userspace})
	talking(t, c, "n1", "n2")
	talking(t, c, "n2", "n1")
	cut := []nemesis.Link{{From: "n1", To: "n2"}}
	require.NoError(t, c.Cut(ctx, cut))
	waitFor(t, "what had crossed to be read", func() bool {
		before := ask(t, c, "n2")
		time.Sleep(20 * time.Millisecond)
		after := ask(t, c, "n2")
		return before.Heard["1"] == after.Heard["1"] && before.Answered["1"] == after.Answered["1"]
	})
	silent := ask(t, c, "n2")
	heard := ask(t, c, "n1").Heard["2"]
	waitFor(t, "n1 to hear n2 still", func() bool { return ask(t, c, "n1").Heard["2"] > heard+20 })
	talking(t, c, "n1", "n3")
	talking(t, c, "n3", "n2")
	now := ask(t, c, "n2")
	require.Equal(t, silent.Heard["1"], now.Heard["1"])
	require.Equal(t, silent.Answered["1"], now.Answered["1"])

	probes, err := c.Probe(ctx, []nemesis.Link{{From: "n1", To: "n2"}, {From: "n2", To: "n1"}})
	require.NoError(t, err)
	require.False(t, probes[0].Crossed)
	require.Positive(t, probes[0].Stopped)
	require.True(t, probes[1].Crossed)

	require.NoError(t, c.Cut(ctx, nil))
	talking(t, c, "n1", "n2")
	talking(t, c, "n2", "n1")
}

// A node that is killed and started during a partition finds it standing.
func TestRestartDuringPartition(t *testing.T) {
	c := setUp(t, Options{Links: Userspace})
	links := nemesis.Isolate(c.Nodes(), "n3").Links
	require.NoError(t, c.Cut(ctx, links))
	require.NoError(t, c.Kill(ctx, "n3"))
	require.NoError(t, c.Start(ctx, "n3"))
	waitFor(t, "n3 to answer", func() bool { return up(c, "n3") })
	waitFor(t, "n3's requests held", func() bool { return c.Counters(nemesis.Link{From: "n3", To: "n1"}).Stopped > 10 })
	s := ask(t, c, "n3")
	require.Empty(t, s.Heard)
	require.Empty(t, s.Answered)
	require.NoError(t, c.Cut(ctx, nil))
	talking(t, c, "n3", "n1")
	talking(t, c, "n2", "n3")
}

func TestLogsOverRestarts(t *testing.T) {
	c := setUp(t, Options{})
	require.NoError(t, c.Kill(ctx, "n1"))
	require.NoError(t, c.Start(ctx, "n1"))
	waitFor(t, "n1 to answer", func() bool { return up(c, "n1") })
	dir := filepath.Join(t.TempDir(), "nodes")
	require.NoError(t, c.CollectLogs(ctx, dir))
	text, err := os.ReadFile(filepath.Join(dir, "n1.log"))
	require.NoError(t, err)
	var story []string
	for line := range strings.Lines(string(text)) {
		for _, part := range []string{"process 1 starts", "process 1 ended", "signal: killed", "process 2 starts", "node 1 begins"} {
			if strings.Contains(line, part) {
				story = append(story, part)
			}
		}
	}
	require.Equal(t, []string{"process 1 starts", "node 1 begins", "process 1 ended", "signal: killed", "process 2 starts", "node 1 begins"}, story)
	require.FileExists(t, filepath.Join(dir, "n3.log"))
}

// A port that was taken between the draw and the start is drawn again.
func TestPortCollisionAtSetup(t *testing.T) {
	c := setUp(t, Options{Links: Userspace, Flags: []string{"--collide-once", filepath.Join(t.TempDir(), "collided")}})
	starts := 0
	for _, name := range c.Nodes() {
		starts += stateOf(t, c, name).Starts
	}
	require.Equal(t, 4, starts, "one of the three had to start twice")
	talking(t, c, "n1", "n2")
	talking(t, c, "n3", "n1")
	talking(t, c, "n2", "n3")
}

func TestSetupThatFailsLeavesNothing(t *testing.T) {
	c := newCluster(t, Options{Flags: []string{"--fail"}})
	err := c.Setup(ctx)
	require.ErrorContains(t, err, "local cluster: n1 did not come up: its process ended: exit status 3; its log ends:")
	require.ErrorContains(t, err, "the disk is on fire")
	requireNothingLeft(t, c)
	require.ErrorContains(t, c.Setup(ctx), "set up once")
}

func TestTeardownIsIdempotent(t *testing.T) {
	c := setUp(t, Options{})
	require.NoError(t, c.Pause(ctx, "n2"))
	require.NoError(t, c.Kill(ctx, "n3"))
	pids := []int{stateOf(t, c, "n1").PID, stateOf(t, c, "n2").PID}
	over, cancel := context.WithCancel(ctx)
	cancel()
	require.NoError(t, c.Teardown(over), "a context that has ended does not keep it from cleaning up")
	require.NoError(t, c.Teardown(ctx))
	for _, pid := range pids {
		_, err := identify(pid)
		require.ErrorAs(t, err, new(errGone))
	}
	requireNothingLeft(t, c)
	require.ErrorContains(t, c.Start(ctx, "n1"), "not set up")
	require.ErrorContains(t, c.Cut(ctx, nil), "not set up")
}

func requireNothingLeft(t *testing.T, c *Cluster) {
	t.Helper()
	require.NoDirExists(t, c.options.Dir)
	records, err := filepath.Glob(filepath.Join(os.Getenv("ORDEAL_STATE"), "runs", "*"))
	require.NoError(t, err)
	require.Empty(t, records)
}

// What somebody else has put into the run's folder stays.
func TestTeardownKeepsWhatIsNotTheRuns(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "history.jsonl")
	require.NoError(t, os.WriteFile(mine, []byte("x"), 0o644))
	c := setUp(t, Options{Dir: dir})
	require.DirExists(t, filepath.Join(dir, "data", "n1"))
	require.NoError(t, c.Teardown(ctx))
	require.FileExists(t, mine)
	require.NoDirExists(t, filepath.Join(dir, "data"))
	require.NoDirExists(t, filepath.Join(dir, "logs"))
}

func TestFolderInUse(t *testing.T) {
	c := setUp(t, Options{})
	second, err := New(Options{Binary: c.options.Binary, Nodes: c.Nodes(), Dir: c.options.Dir})
	require.NoError(t, err)
	require.ErrorContains(t, second.Setup(ctx), "has a data already; choose another")
	talking(t, c, "n1", "n2")
}

// Two clusters side by side do not disturb each other.
func TestTwoClusters(t *testing.T) {
	a := setUp(t, Options{})
	b, err := New(Options{Binary: a.options.Binary, Nodes: a.Nodes(), Dir: filepath.Join(t.TempDir(), "b"), Links: Userspace})
	require.NoError(t, err)
	require.NoError(t, b.Setup(ctx))
	require.NoError(t, b.Kill(ctx, "n1"))
	talking(t, a, "n1", "n2")
	require.NoError(t, b.Teardown(ctx))
	talking(t, a, "n2", "n1")
}

func TestBadOptions(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o644))
	for want, o := range map[string]Options{
		"no such file or directory; build it with `make build`": {Binary: "/nowhere/ordeal-node", Nodes: []string{"n1"}},
		"plain is not executable":                               {Binary: plain, Nodes: []string{"n1"}},
		"no nodes":                                              {Binary: self},
		"node n1 is named twice":                                {Binary: self, Nodes: []string{"n1", "n1"}},
		`node name "../n1": letters, digits, - and _ only`:      {Binary: self, Nodes: []string{"../n1"}},
	} {
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
}

func TestFacts(t *testing.T) {
	c := setUp(t, Options{Links: Userspace})
	facts := c.Facts()
	require.Equal(t, "userspace links", facts["partitions"])
	require.Equal(t, runtime.GOOS+"/"+runtime.GOARCH, facts["platform"])
	require.NotContains(t, facts["kernel"], "unknown")
	require.NotEmpty(t, facts["cores"])
}

func TestDoctor(t *testing.T) {
	t.Setenv("ORDEAL_STATE", t.TempDir())
	for _, f := range Doctor() {
		t.Logf("%+v", f)
		require.NotEmpty(t, f.Detail)
		require.Equal(t, f.OK, f.Remedy == "", "%+v", f)
	}
	t.Setenv("ORDEAL_STATE", "/dev/null/nowhere")
	bad := 0
	for _, f := range Doctor() {
		if strings.Contains(f.Name, "records") {
			require.False(t, f.OK)
			require.Contains(t, f.Remedy, "ORDEAL_STATE")
			bad++
		}
	}
	require.Equal(t, 1, bad)
}

// The nemesis at work on real processes: every fault takes, and in the end the cluster is whole.
func TestNemesisOnLocalCluster(t *testing.T) {
	c := setUp(t, Options{})
	specs, err := nemesis.ParseFaults("kill,partition")
	require.NoError(t, err)
	s, err := nemesis.NewSchedule(specs, c.Nodes(), 1, 3*time.Second)
	require.NoError(t, err)
	n, err := nemesis.New(c, s, nemesis.Options{Leader: func() string { return "n2" }, Report: func(e nemesis.Event) {
		t.Logf("%v %s %s %s: %s: took %v: %s", e.Start.Round(time.Millisecond), e.Phase, e.Fault, e.Mode, e.Text, e.Took, strings.Join(e.Evidence, "; "))
	}})
	require.NoError(t, err)
	events := n.Run(ctx)
	require.Len(t, events, len(s.Steps)+1)
	for _, e := range events {
		require.True(t, e.Took, "%+v", e)
	}
	talking(t, c, "n1", "n2")
	talking(t, c, "n2", "n3")
	talking(t, c, "n3", "n1")
}

// Links are streams: what they cannot do is said, so that it is not drawn and not asked for in vain.
func TestWhatStreamsCannotDo(t *testing.T) {
	c := &Cluster{}
	specs, left, err := nemesis.Expand(t.Context(), []nemesis.Spec{{Fault: nemesis.PacketTrouble}}, 5, c, nemesis.AbilitiesOf(c))
	require.NoError(t, err)
	require.Len(t, specs, 3)
	require.Len(t, left, 2)
	_, _, err = nemesis.Expand(t.Context(), []nemesis.Spec{{Fault: nemesis.PacketTrouble, Mode: nemesis.Reordering}}, 5, c, nemesis.AbilitiesOf(c))
	require.ErrorContains(t, err, "use --links namespaces, or --cluster docker or sim")
}
