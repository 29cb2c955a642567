package wal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/node/vfs"
	"github.com/ordeal-dev/ordeal/raft"
)

const childVariable = "WAL_TEST_CHILD"

// TestMain turns the test binary into a node's process if it is started as one.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := child(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child appends entries for ever and prints the index of each once it is durable.
func child(dir string) error {
	l, r, err := Open(vfs.OS, dir, small)
	if err != nil {
		return err
	}
	last := recoveredModel(r).last()
	for {
		last = Position{last.Index + 1, max(1, last.Term)}
		if err := l.Append(entries(entry(last.Index, last.Term, fmt.Sprint(last.Index)))); err != nil {
			return err
		}
		if err := l.Sync(); err != nil {
			return err
		}
		fmt.Println(last.Index)
		if last.Index%100 == 0 {
			if err := l.Compact(last.Index-50, 1); err != nil {
				return err
			}
		}
	}
}

func startChild(t *testing.T, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// A process that is killed with SIGKILL in the middle of its work loses nothing it has acknowledged, and while it
// lives nobody else opens its log.
func TestKilledProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wal")
	acknowledged := uint64(0)
	for round := range 5 {
		cmd, lines := startChild(t, dir)
		for range 30 + 17*round {
			require.True(t, lines.Scan())
		}
		_, _, err := Open(vfs.OS, dir, small)
		require.ErrorIs(t, err, vfs.ErrLocked)
		require.ErrorContains(t, err, fmt.Sprintf("by process %d", cmd.Process.Pid))
		require.NoError(t, cmd.Process.Kill())
		for ok := true; ok; ok = lines.Scan() { // what it acknowledged until it died
			n, err := strconv.ParseUint(lines.Text(), 10, 64)
			require.NoError(t, err, lines.Text())
			acknowledged = n
		}
		_ = cmd.Wait() // it was killed

		l, r := mustOpen(t, vfs.OS, dir, small)
		m := recoveredModel(r)
		require.GreaterOrEqual(t, m.last().Index, acknowledged)
		for i, e := range m.entries {
			index := m.position.Index + uint64(i) + 1
			require.Equal(t, raft.Entry{Index: index, Term: 1, Data: []byte(fmt.Sprint(index))}, e)
		}
		require.NoError(t, l.Close())
	}
}
