package mutants

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every patch applies to today's source and changes it; a header says what it is.
func TestEveryMutantApplies(t *testing.T) {
	root, err := ModuleRoot()
	require.NoError(t, err)
	all, err := List()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), 5)
	for _, m := range all {
		t.Run(m.Name, func(t *testing.T) {
			patched, err := m.Patched(root)
			require.NoError(t, err)
			for name, content := range patched {
				source, err := os.ReadFile(filepath.Join(root, name))
				require.NoError(t, err)
				require.NotEqual(t, string(source), string(content), name)
			}
		})
	}
}

// A mutant builds beside an untouched checkout.
func TestMutantBuilds(t *testing.T) {
	root, err := ModuleRoot()
	require.NoError(t, err)
	all, err := List()
	require.NoError(t, err)
	binary := filepath.Join(t.TempDir(), "node")
	require.NoError(t, all[0].Build(t.Context(), root, "./cmd/ordeal-node", binary))
	require.FileExists(t, binary)
}

func TestBadPatchesAreNamed(t *testing.T) {
	_, err := parse("x", []byte("no diff here"))
	require.ErrorContains(t, err, "mutants/x.patch")
	_, err = parse("x", []byte("Title\nRow: 1\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"))
	require.ErrorContains(t, err, "the header wants")
	_, err = Find("no-such")
	require.ErrorContains(t, err, `no mutant "no-such"`)
}
