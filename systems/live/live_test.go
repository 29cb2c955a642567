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

// ordeal runs the program on a system and gives its exit code.
func ordeal(t *testing.T, system string, args ...string) (code int, output string) {
	if os.Getenv(variable) == "" {
		t.Skip("other people's systems are run by `make test-systems`")
	}
	build, err := filepath.Abs("../../build")
	require.NoError(t, err)
	s, err := catalog.Find(system, filepath.Join(build, "systems"))
	require.NoError(t, err)
	if _, err := s.Programs(); err != nil {
		t.Skip("not built: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(build, "ordeal"), append([]string{"run", "--system", system, "--nodes", "3", "--quiet", "--out", t.TempDir()}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
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

func TestStaleReads(t *testing.T) {
	for _, system := range stale {
		t.Run(system, func(t *testing.T) {
			code, output := ordeal(t, system, "--cluster", "local", "--faults", "none", "--time", "5s", "--rate", "2000", "--clients", "20")
			require.Equal(t, 1, code, output)
		})
	}
}
