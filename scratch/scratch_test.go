package scratch_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/scratch"
)

// The test binary is also the process that is killed: it makes a folder, puts something into it, says where it is, and waits.
func TestMain(m *testing.M) {
	if os.Getenv("ORDEAL_TEST_SCRATCH") == "" {
		os.Exit(m.Run())
	}
	f, err := scratch.New("versions")
	if err == nil {
		err = os.MkdirAll(filepath.Join(f.Path, "mutant", "deep"), 0o755)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(f.Path)
	select {}
}

func TestAFolderOutlivesItsProcessUntilTheNextSweep(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	own, err := scratch.New("versions")
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ORDEAL_TEST_SCRATCH=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	others := lines.Text()
	require.DirExists(t, others)

	removed, err := scratch.Sweep()
	require.NoError(t, err)
	require.Empty(t, removed, "both owners live")

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.DirExists(t, others, "nobody has removed it")
	removed, err = scratch.Sweep()
	require.NoError(t, err)
	require.Equal(t, []string{others + ", of a process that is gone"}, removed)
	require.NoDirExists(t, others)

	require.DirExists(t, own.Path)
	require.NoError(t, own.Remove())
	require.NoError(t, own.Remove())
	require.NoDirExists(t, own.Path)
}

// What only looks like one of these folders stays.
func TestWhatIsNobodysStays(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	old := time.Now().Add(-24 * time.Hour)
	make := func(name, file string, at time.Time) string {
		path := filepath.Join(temp, name)
		require.NoError(t, os.MkdirAll(path, 0o755))
		if file != "" {
			require.NoError(t, os.WriteFile(filepath.Join(path, file), nil, 0o644))
		}
		require.NoError(t, os.Chtimes(path, at, at))
		return path
	}
	stays := []string{make("ordeal-notes", "thesis.tex", old), make("ordeal-hunt-1", "", time.Now()), make("other", ".ordeal-owner", old)}
	elsewhere := make("elsewhere", ".ordeal-owner", old)
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(temp, "ordeal-link")))
	goes := []string{make("ordeal-hunt-2", "", old), make("ordeal-hunt-3", ".ordeal-owner.new", old), make("ordeal-hunt-4", ".ordeal-owner", old)}
	removed, err := scratch.Sweep()
	require.NoError(t, err)
	require.Len(t, removed, len(goes))
	for _, path := range goes {
		require.NoDirExists(t, path)
	}
	for _, path := range append(stays, elsewhere) {
		require.DirExists(t, path)
	}
}
