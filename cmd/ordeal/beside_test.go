package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// besides is a set of runs of programs that were built for it.
type besides struct {
	t                *testing.T
	ordeal, binaries string
	work             string
}

// besideRun is one of them under way.
type besideRun struct {
	*exec.Cmd
	name   string
	output bytes.Buffer
}

// start starts a run on a cluster, with results below a folder of its name.
func (b *besides) start(name, cluster string, arguments ...string) *besideRun {
	arguments = append([]string{"run", "--cluster", cluster, "--rate", "100", "--clients", "5", "--quiet", "--out", filepath.Join(b.work, name)}, arguments...)
	if cluster != "sim" {
		arguments = append(arguments, "--node-binary", filepath.Join(b.binaries, "ordeal-node"))
	}
	if cluster == "docker" {
		arguments = append(arguments, "--agent-binary", filepath.Join(b.binaries, "ordeal-agent"), "--compose-file", "../../docker-compose.yml")
	}
	r := &besideRun{Cmd: exec.Command(b.ordeal, arguments...), name: name}
	r.Stdout, r.Stderr = &r.output, &r.output
	if err := r.Start(); err != nil {
		b.t.Fatal(err)
	}
	return r
}

// finish waits for the run's end and gives its folder. A run on a machine that is short of processors may not know its verdict, and that is
// no concern of this test: that another run's faults or clean-up reached it is.
func (b *besides) finish(r *besideRun) string {
	b.t.Helper()
	err := r.Wait()
	said := r.output.String()
	if code := r.ProcessState.ExitCode(); code != exitValid && code != exitUnknown {
		b.t.Fatalf("%s: %v\n%s", r.name, err, said)
	}
	for _, foreign := range []string{"not by the nemesis", "was not asked to by ordeal", "is not set up", "No such container"} {
		if strings.Contains(said, foreign) {
			b.t.Fatalf("%s was disturbed by somebody else:\n%s", r.name, said)
		}
	}
	folders, err := filepath.Glob(filepath.Join(b.work, r.name, "*", "*", "schedule.json"))
	if err != nil || len(folders) != 1 {
		b.t.Fatalf("%s left %v (%v):\n%s", r.name, folders, err, said)
	}
	return filepath.Dir(folders[0])
}

// Runs side by side, two on one engine and one beside it, do not disturb each other, and leave nothing. A schedule of each kind of cluster is
// carried out again, as it is, on the other kind.
func TestSideBySide(t *testing.T) {
	if os.Getenv("ORDEAL_DOCKER_TEST") == "" {
		t.Skip("needs an engine: ORDEAL_DOCKER_TEST=1")
	}
	b := &besides{t: t, binaries: t.TempDir(), work: t.TempDir()}
	b.ordeal = filepath.Join(b.binaries, "ordeal")
	build := exec.Command("go", "build", "-o", b.binaries+"/", ".", "../ordeal-node", "../ordeal-agent")
	build.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the binaries: %v\n%s", err, out)
	}
	faults := []string{"--nodes", "3", "--time", "8s", "--faults", "kill,partition"}
	one, two := b.start("docker-1", "docker", faults...), b.start("docker-2", "docker", faults...)
	three := b.start("local-1", "local", faults...)
	onDocker, onLocal := b.finish(one), b.finish(three)
	b.finish(two)
	simulated := b.finish(b.start("sim-1", "sim", faults...))
	back, forth := b.start("docker-again", "docker", "--schedule", onLocal), b.start("local-again", "local", "--schedule", onDocker)
	b.sameSchedule(onDocker, b.finish(b.start("sim-again", "sim", "--schedule", onDocker)))
	b.sameSchedule(simulated, b.finish(b.start("docker-sim", "docker", "--schedule", simulated)))
	b.sameSchedule(onLocal, b.finish(back))
	b.sameSchedule(onDocker, b.finish(forth))
}

func (b *besides) sameSchedule(first, second string) {
	b.t.Helper()
	want, err := os.ReadFile(filepath.Join(first, "schedule.json"))
	if err != nil {
		b.t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(second, "schedule.json"))
	if err != nil {
		b.t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		b.t.Fatalf("another schedule than was asked for:\n%s\nwas\n%s", got, want)
	}
}
