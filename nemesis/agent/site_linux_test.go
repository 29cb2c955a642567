package agent

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files are there before anything starts, and are written again only where they are gone; what runs beside the child is none of the orders'.
func TestSite(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "deep", "its.conf")
	out := &lockedBuffer{}
	a := &agent{output: &tee{stdout: out, log: io.Discard}}
	site, err := ParseSite(Site{Files: map[string]string{file: "port 1\n"}, Beside: []Program{{Args: []string{"/proc/self/exe"}, Env: []string{childMode + "=graceful"}}}}.String())
	require.NoError(t, err)
	a.config = Config{Site: site, Command: []string{"/proc/self/exe"}}
	a.makeSupervisors()
	a.supervisor.env = append(a.supervisor.env, childMode+"=run")
	t.Cleanup(func() { a.endAll(9) })
	require.NoError(t, a.startAll())
	beside := a.supervisor.beside[0]
	before := beside.state()
	require.True(t, before.Running)
	waitFor(t, out, "child runs")

	require.NoError(t, os.WriteFile(file, []byte("rewritten"), 0o644))
	require.NoError(t, a.supervisor.kill(context.Background()))
	require.NoError(t, a.supervisor.start())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "rewritten", string(text), "it is the program's by now")
	require.Equal(t, before, beside.state(), "orders are for the child")

	require.NoError(t, a.supervisor.kill(context.Background()))
	require.NoError(t, os.Remove(file))
	require.NoError(t, a.supervisor.start())
	require.FileExists(t, file)
	a.config.Grace = 1 << 40
	a.endAll(15)
	require.False(t, beside.state().Running)
}

func TestSitesThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"{":                       "ORDEAL_AGENT_SITE: unexpected EOF",
		`{"more":1}`:              `ORDEAL_AGENT_SITE: json: unknown field "more"`,
		`{"beside":[{"env":[]}]}`: "ORDEAL_AGENT_SITE: program 1 has no path",
	} {
		_, err := ParseSite(text)
		require.EqualError(t, err, want)
	}
	none, err := ParseSite("")
	require.NoError(t, err)
	require.Equal(t, Site{}, none)
}
