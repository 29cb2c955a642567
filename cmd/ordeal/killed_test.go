package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/namespaces"
	"github.com/ordeal-dev/ordeal/nemesis/disk"
)

// moments is how often a harness is killed, and latest when at the latest after its start, or every other time after its first fault: a
// machine that is slow would else show nothing but set-ups.
const (
	moments = 10
	latest  = 2500 * time.Millisecond
)

// killRuns starts runs, kills each at a random moment of its life, be it set-up, a fault or a heal, cleans up, and has left told what is left.
func killRuns(t *testing.T, variables, arguments []string, left func(pid int) string) {
	work := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ordeal := filepath.Join(work, "ordeal") // the test's program is ordeal under this name
	if err := os.Symlink(self, ordeal); err != nil {
		t.Fatal(err)
	}
	temporary := filepath.Join(work, "tmp")
	if err := os.Mkdir(temporary, 0o755); err != nil {
		t.Fatal(err)
	}
	environment := append(os.Environ(), "ORDEAL_STATE="+filepath.Join(work, "state"), "TMPDIR="+temporary)
	environment = append(environment, variables...)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range moments {
		results := filepath.Join(work, "results", strconv.Itoa(i))
		cmd := exec.Command(ordeal, append([]string{"run", "--time", "1h", "--rate", "100", "--nodes", "3", "--out", results,
			"--seed", strconv.Itoa(i)}, arguments...)...)
		var output bytes.Buffer
		cmd.Env, cmd.Stdout, cmd.Stderr = environment, &output, &output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		var why error
		go func() { why = cmd.Wait(); close(ended) }()
		moment := time.Duration(rng.Int64N(int64(latest)))
		for i%2 == 1 && !hurt(t, results) && !over(ended, 10*time.Millisecond) {
		}
		// Where a machine is so slow that a cluster does not come to serve, a run ends by itself before its first fault.
		if over(ended, moment) && i%2 == 0 {
			t.Fatalf("the run ended by itself: %v\n%s", why, output.String())
		}
		_ = cmd.Process.Kill()
		killed(cmd.Process.Pid)
		for attempt := range 2 { // the second has nothing to do
			clean := exec.Command(ordeal, "cleanup")
			clean.Env = environment
			out, err := clean.CombinedOutput()
			if err != nil {
				t.Fatalf("killed after %v: cleanup: %v\n%s", moment, err, out)
			}
			if attempt == 1 && !strings.Contains(string(out), "nothing was left behind") {
				t.Fatalf("killed after %v: a second cleanup still found:\n%s", moment, out)
			}
		}
		<-ended
		what := leftHere(t, work, temporary) + left(cmd.Process.Pid)
		for deadline := time.Now().Add(patience); what != "" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			what = leftHere(t, work, temporary) + left(cmd.Process.Pid) // a process that was killed takes a moment to be gone
		}
		if what != "" {
			t.Fatalf("killed after %v, and left after cleanup:\n%s\nthe run said:\n%s", moment, what, output.String())
		}
	}
}

// over waits for so long, or until the channel is closed, and reports whether it is.
func over(ended chan struct{}, wait time.Duration) bool {
	select {
	case <-ended:
		return true
	case <-time.After(wait):
		return false
	}
}

// hurt reports whether the run with its results there has injected a fault.
func hurt(t *testing.T, results string) bool {
	histories, err := filepath.Glob(filepath.Join(results, "*", "*", "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range histories {
		if text, err := os.ReadFile(h); err == nil && bytes.Contains(text, []byte(`"phase":"inject"`)) {
			return true
		}
	}
	return false
}

// killed waits until a process that was killed has begun to end: its first thread is a zombie or all of it is gone. One that
// waits for a disk of its own comes to its end only when the clean-up has taken the disk away.
func killed(pid int) {
	for {
		out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		if err != nil || strings.HasPrefix(string(out), "Z") {
			return
		}
	}
}

// leftHere tells of processes, mounts and files of runs in the folder.
func leftHere(t *testing.T, work, temporary string) string {
	var left []string
	processes, err := exec.Command("ps", "-A", "-ww", "-o", "pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(processes)) {
		if strings.Contains(line, work) {
			left = append(left, "process "+line)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, work) {
			left = append(left, "mount "+line)
		}
	}
	for _, pattern := range []string{filepath.Join(temporary, "*"), filepath.Join(work, "state", "runs", "*")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, files...)
	}
	return strings.Join(left, "\n")
}

func TestKilledAtAnyMomentOnLocal(t *testing.T) { killLocalRuns(t) }

func TestKilledAtAnyMomentInNamespaces(t *testing.T) {
	if err := namespaces.Probe(t.Context()); err != nil {
		t.Skip("no network namespaces: ", err)
	}
	killLocalRuns(t, "--links", "namespaces")
}

// killLocalRuns kills harnesses of clusters of processes.
func killLocalRuns(t *testing.T, arguments ...string) {
	t.Parallel() // it mostly waits
	// A name of its own: of a process that hangs in its own end the kernel still tells the name, and nothing else.
	node := filepath.Join(t.TempDir(), fmt.Sprintf("n%010x", rand.Uint64N(1<<40)))
	if out, err := exec.Command("go", "build", "-o", node, "../ordeal-node").CombinedOutput(); err != nil {
		t.Fatalf("building the node: %v\n%s", err, out)
	}
	faults := "kill,partition,pause"
	if err := disk.Probe(); err == nil {
		faults += ",disk"
	}
	noEngine := []string{"DOCKER_HOST=unix://" + filepath.Join(t.TempDir(), "no-engine")}
	killRuns(t, noEngine, append([]string{"--cluster", "local", "--node-binary", node, "--faults", faults}, arguments...), func(int) string {
		names, err := exec.Command("ps", "-A", "-o", "comm=").Output()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(names), filepath.Base(node)) {
			return "a node that does not end"
		}
		return ""
	})
}

func TestKilledAtAnyMomentOnDocker(t *testing.T) {
	if os.Getenv("ORDEAL_DOCKER_TEST") == "" {
		t.Skip("needs an engine: ORDEAL_DOCKER_TEST=1")
	}
	binaries := t.TempDir()
	build := exec.Command("go", "build", "-o", binaries+"/", "../ordeal-node", "../ordeal-agent")
	build.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the binaries: %v\n%s", err, out)
	}
	killRuns(t, nil, []string{"--cluster", "docker", "--node-binary", filepath.Join(binaries, "ordeal-node"), "--agent-binary", filepath.Join(binaries, "ordeal-agent"),
		"--compose-file", "../../docker-compose.yml", "--faults", "kill,partition,pause,disk"}, func(pid int) string {
		var left []string
		for _, list := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}, {"volume", "ls", "-q"}} {
			out, err := exec.Command("docker", append(list, "--filter", "label=dev.ordeal.pid="+strconv.Itoa(pid))...).Output()
			if err != nil {
				t.Fatalf("docker %v: %v", list, err)
			}
			if len(out) > 0 {
				left = append(left, list[0]+" "+string(out))
			}
		}
		return strings.Join(left, "\n")
	})
}
