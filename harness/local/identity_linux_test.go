package local

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// On Linux the nodes end with a killed harness, without anybody's help.
func TestNodesEndWithTheHarness(t *testing.T) {
	t.Setenv("ORDEAL_STATE", t.TempDir())
	dir := filepath.Join(t.TempDir(), "run")
	for name, pid := range killedHarness(t, dir, "death-signal") {
		waitFor(t, name+" to end", func() bool { return !running(pid) })
	}
	lines, err := Cleanup(ctx)
	require.NoError(t, err)
	require.Len(t, lines, 1, "%q", lines)
	require.NoDirExists(t, dir)
}

func TestParseStat(t *testing.T) {
	s, err := parseStat("42 (a) b (c) S 1 42 42 0 -1 4194560 2 0 0 0 1 2 0 0 20 0 9 0 123456 1000 50\n")
	require.NoError(t, err)
	require.Equal(t, stat{state: "S", started: "123456"}, s)
	for _, bad := range []string{"", "42 (a S 1", "42 (a) S 1 2 3"} {
		_, err := parseStat(bad)
		require.Error(t, err, bad)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (a) S 1 42 42 0 -1 4194560 2 0 0 0 1 2 0 0 20 0 9 0 123456 1000 50\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseStat(text); err == nil {
			require.NotEmpty(t, s.state)
			require.NotEmpty(t, s.started)
		}
	})
}
