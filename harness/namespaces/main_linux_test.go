package namespaces

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// open makes namespaces, or skips the test where the machine has none: Probe tells so first.
func open(t *testing.T, nodes []string, ports ...int) (*Net, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Probe(ctx); err != nil {
		t.Skipf("no network namespaces on this machine: %v", err)
	}
	dir := t.TempDir()
	n, err := Open(ctx, Options{
		Nodes: nodes, Ports: ports, Start: startOnThread,
		Log:    func(node string) string { return filepath.Join(dir, node+".log") },
		Folder: func(node string) string { return filepath.Join(dir, node) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n, dir
}

func TestEachNodeHasANetworkOfItsOwn(t *testing.T) {
	n, dir := open(t, []string{"n1", "n2"})
	for _, node := range []string{"n1", "n2"} {
		log := filepath.Join(dir, node+".out")
		_, wait, err := n.Start(node, Command{Path: "/bin/cat", Args: []string{"/proc/net/fib_trie"}, Env: os.Environ(), Log: log})
		require.NoError(t, err)
		require.Equal(t, "exit status 0", wait())
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		require.Contains(t, string(text), n.Address(node).String())
		for _, other := range []string{"n1", "n2"} {
			if other != node {
				require.NotContains(t, string(text), n.Address(other).String()+"\n           /32 host LOCAL")
			}
		}
	}
	here, err := exec.Command("cat", "/proc/net/dev").Output()
	require.NoError(t, err)
	require.False(t, strings.Contains(string(here), "node1:"), "an interface was made in the caller's own namespace")
}

// What runs in a namespace has none of the keeper's descriptors: a connection that it kept open would hide the keeper's end.
func TestNoDescriptorIsPassedOn(t *testing.T) {
	n, dir := open(t, []string{"n1"}, 7001)
	log := filepath.Join(dir, "n1.out")
	_, wait, err := n.Start("n1", Command{Path: "/bin/sh", Args: []string{"-c", "readlink /proc/self/fd/*"}, Env: os.Environ(), Log: log})
	require.NoError(t, err)
	wait()
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(text), "/dev/null")
	require.NotContains(t, string(text), "socket:")
}
