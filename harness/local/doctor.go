package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/disk"
	"github.com/ordeal-dev/ordeal/nemesis/link"
	"github.com/ordeal-dev/ordeal/nemesis/vdso"
)

// Finding is one thing that the local cluster needs or can use of this machine.
type Finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"` // what to do where it is not OK
	// Optional: without it the cluster can be had, but not everything can be done to it.
	Optional bool `json:"optional,omitempty"`
}

// leastFiles is how many open files a cluster of five nodes may come to need in the harness.
const leastFiles = 1024

// Doctor tries what the local cluster needs, each thing for real.
func Doctor() []Finding {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return []Finding{
		finding("local: processes can be stopped, continued and killed", tryProcess(ctx), "signals to one's own processes and /proc (or ps) are needed; is this a sandbox?"),
		finding("local: links between processes can be cut", tryLinks(ctx), "TCP on 127.0.0.1 is needed; is this a sandbox without a loopback interface?"),
		finding("local: the records of runs can be written", tryState(), "set ORDEAL_STATE to a folder that can be written"),
		tryNamespaces(),
		tryDisks(),
		tryClocks(),
		tryDeathSignal(),
		tryFiles(),
	}
}

func finding(name string, err error, remedy string) Finding {
	if err != nil {
		return Finding{Name: name, Detail: err.Error(), Remedy: remedy}
	}
	return Finding{Name: name, OK: true, Detail: "tried, works"}
}

// tryProcess does to a process what the faults do to nodes.
func tryProcess(ctx context.Context) error {
	path, err := exec.LookPath("sleep")
	if err != nil {
		return err
	}
	cmd, err := startHere(command{path: path, args: []string{"60"}}, nil)
	if err != nil {
		return err
	}
	gone, how := make(chan struct{}), ""
	go func() {
		how = cmd.wait()
		close(gone)
	}()
	p := &process{node: "a test process", cmd: cmd, gone: gone, running: true}
	err = errors.Join(p.signal(ctx, unix.SIGSTOP, true), p.signal(ctx, unix.SIGCONT, false), p.kill(ctx))
	if err != nil {
		return err
	}
	if how != "signal: killed" {
		return fmt.Errorf("a killed process ended with %q", how)
	}
	return nil
}

func tryLinks(ctx context.Context) error {
	n, err := link.New([]string{"a", "b"}, link.Options{})
	if err != nil {
		return err
	}
	defer n.Close()
	links := []nemesis.Link{{From: "a", To: "b"}, {From: "b", To: "a"}}
	if err := n.Cut(ctx, links[:1]); err != nil {
		return err
	}
	probes, err := n.Probe(ctx, links)
	if err != nil {
		return err
	}
	if probes[0].Error != "" || probes[1].Error != "" || probes[0].Crossed || !probes[1].Crossed {
		return fmt.Errorf("one direction was cut, and the probes say %+v", probes)
	}
	return nil
}

// tryNamespaces is of use for partitions and packets as kernels make them; userspace links do without.
func tryNamespaces() Finding {
	f := finding("local: a network namespace for each node", probeNamespaces(), namespacesRemedy+"; without them links are userspace links")
	f.Optional = true
	return f
}

// tryDisks is of use for faults of disks only, so the cluster can be had without.
func tryDisks() Finding {
	f := finding("local: disks that can be hurt (FUSE), for --faults disk", disk.Probe(), "without them --faults disk is refused on local; --cluster docker or sim may have them")
	f.Optional = true
	return f
}

// tryClocks is of use for clocks of systems that have none of their own to be set.
func tryClocks() Finding {
	f := finding("local: clocks of any process (vDSO), for --faults clock:by=vdso", vdso.ProbeChild(),
		"Linux on amd64 is needed, and the right to trace one's own processes (sysctl kernel.yama.ptrace_scope below 2); nodes that have a clock of their own to be set need none of it")
	f.Optional = true
	return f
}

func tryState() error {
	state, err := StateDir()
	if err != nil {
		return err
	}
	runs := filepath.Join(state, "runs")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(runs, "doctor-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func tryDeathSignal() Finding {
	f := Finding{Name: "local: nodes end with a killed harness", OK: deathSignal, Detail: "by the kernel's parent-death signal"}
	if !f.OK {
		f.Detail = "this system has no parent-death signal"
		f.Remedy = "after a kill -9 of the harness run `ordeal cleanup`"
	}
	return f
}

func tryFiles() Finding {
	f := Finding{Name: "local: open files"}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		f.Detail = err.Error()
		return f
	}
	f.OK = limit.Cur >= leastFiles
	f.Detail = fmt.Sprintf("%d allowed, %d wanted", limit.Cur, leastFiles)
	if !f.OK {
		f.Remedy = fmt.Sprintf("ulimit -n %d", leastFiles)
	}
	return f
}
