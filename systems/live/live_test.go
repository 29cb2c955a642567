// Package live holds the tests that run other people's systems themselves: `make test-systems`. They take minutes, and build nothing.
package live

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/harness/docker"
	"github.com/ordeal-dev/ordeal/systems/catalog"
)

const variable = "ORDEAL_SYSTEMS_TEST"

// controls are systems whose reads are linearizable: valid under whatever is done to them.
var controls = []string{"etcd@3.6.16:linearizable", "etcd@3.5.35:linearizable", "etcd@3.7.3:linearizable", "hashicorp@1.7.3:verified", "rqlite@8.36.0:linearizable", "rqlite@8.36.0:strong"}

// stale are systems whose reads are not, which shows without any fault.
var stale = []string{"etcd@3.6.16:serializable", "hashicorp@1.7.3:local", "nats@2.12.15:direct"}

// ordeal runs the program on a system of the catalog and gives its exit code.
func ordeal(t *testing.T, system string, args ...string) (code int, output string) {
	wanted(t)
	build, err := filepath.Abs("../../build")
	require.NoError(t, err)
	s, err := catalog.Find(system, filepath.Join(build, "systems"))
	require.NoError(t, err)
	if _, err := s.Programs(); err != nil {
		t.Skip("not built: ", err)
	}
	return run(t, build, append([]string{"--system", system, "--nodes", "3"}, args...)...)
}

func wanted(t *testing.T) {
	if os.Getenv(variable) == "" {
		t.Skip("other people's systems are run by `make test-systems`")
	}
}

// run runs the program that was built.
func run(t *testing.T, build string, args ...string) (code int, output string) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(build, "ordeal"), append([]string{"run", "--quiet", "--out", t.TempDir()}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func TestControlsOnProcesses(t *testing.T) {
	for _, system := range controls {
		t.Run(system, func(t *testing.T) {
			code, output := ordeal(t, system, "--cluster", "local", "--faults", "kill,pause", "--time", "20s", "--rate", "300")
			require.Zero(t, code, output)
		})
	}
}

func TestControlsInContainers(t *testing.T) {
	if os.Getenv(variable) != "" {
		if err := docker.Available(t.Context()); err != nil {
			t.Skip("no engine: ", err)
		}
	}
	for _, system := range controls {
		t.Run(system, func(t *testing.T) {
			code, output := ordeal(t, system, "--cluster", "docker", "--faults", "kill,pause,partition,packet", "--time", "30s", "--rate", "300")
			require.Zero(t, code, output)
		})
	}
}

// Redis promises nothing that could be asked for under kills. Its image holds the libraries of this machine, its sentinels are children of the agents.
func TestRedisInContainers(t *testing.T) {
	wanted(t)
	if err := docker.Available(t.Context()); err != nil {
		t.Skip("no engine: ", err)
	}
	code, output := ordeal(t, "redis", "--cluster", "docker", "--faults", "none", "--time", "5s", "--rate", "300")
	require.Zero(t, code, output)
	code, output = ordeal(t, "redis", "--cluster", "docker", "--faults", "kill:leader,partition", "--time", "20s", "--rate", "300")
	require.LessOrEqual(t, code, 1, output)
}

func TestStaleReads(t *testing.T) {
	for _, system := range stale {
		t.Run(system, func(t *testing.T) {
			code, output := ordeal(t, system, "--cluster", "local", "--faults", "none", "--time", "5s", "--rate", "2000", "--clients", "20")
			require.Equal(t, 1, code, output)
		})
	}
}

// The example that runs a Redis over the line protocol: valid where it syncs what it acknowledges, and not where it keeps nothing.
func TestRedisOverTheProtocol(t *testing.T) {
	wanted(t)
	for _, program := range []string{"python3", "redis-server"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	example, err := filepath.Abs("../../examples/redis/redis.py")
	require.NoError(t, err)
	for options, want := range map[string]int{"": 0, " --appendonly no": 1} {
		code, output := run(t, filepath.Join("..", "..", "build"), "--system", "exec:"+example+options, "--nodes", "1", "--faults", "kill:one", "--time", "10s", "--rate", "300")
		require.Equal(t, want, code, output)
	}
}
