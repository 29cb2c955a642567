package mutants

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every patch applies to today's source, changes it, and compiles.
func TestEveryMutantApplies(t *testing.T) {
	root, err := ModuleRoot()
	require.NoError(t, err)
	all, err := List()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), 40)
	types := newTypeChecker(t, root)
	for _, m := range all {
		t.Run(m.Name, func(t *testing.T) {
			patched, err := m.Patched(root)
			require.NoError(t, err)
			require.NoError(t, types.check(patched))
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

// A patch holds wherever its lines stand now, and in one place only.
func TestPatchesFollowTheirLines(t *testing.T) {
	const patch = "Title\nRow: 1\nBreaks: ES\nProvoked by: kill\nHappened in: here\n\n" +
		"diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -2,2 +2,3 @@\n one\n-two\n+2\n+II\n@@ -5,1 +6,1 @@\n-five\n+5\n"
	m, err := parse("x", []byte(patch))
	require.NoError(t, err)
	for _, c := range []struct{ source, want, problem string }{
		{"zero\none\ntwo\nfour\nfive\n", "zero\none\n2\nII\nfour\n5\n", ""},
		{"new\nzero\none\ntwo\nfive", "", "the source has no such lines any more:\nfive"},
		{"new\nmore\nzero\none\ntwo\nand\nfour\nfive\nlast", "new\nmore\nzero\none\n2\nII\nand\nfour\n5\nlast", ""},
		{"one\ntwo\none\ntwo\nfive\n", "", "its lines stand at line 1 and at line 3"},
		{"five\none\ntwo\n", "", "fragment 2 stands before the one that precedes it"},
		{"one\n2\nfive\n", "", "mutant x does not apply to f any more"},
	} {
		root := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(root, "f"), []byte(c.source), 0o600))
		patched, err := m.Patched(root)
		if c.problem != "" {
			require.ErrorContains(t, err, c.problem)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, string(patched["f"]))
	}
}

func TestBadPatchesAreNamed(t *testing.T) {
	_, err := parse("x", []byte("no diff here"))
	require.ErrorContains(t, err, "mutants/x.patch")
	_, err = parse("x", []byte("Title\nRow: 1\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"))
	require.ErrorContains(t, err, "the header wants")
	_, err = parse("x", []byte("Title\nRow: one\nBreaks: ES\nProvoked by: kill\nHappened in: here\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"))
	require.ErrorContains(t, err, `Row is "one"`)
	_, err = parse("x", []byte("Title\nRow: 1\nBreaks: ES\nProvoked by: kill\nHappened in: here\n"))
	require.ErrorContains(t, err, "holds no diff")
	_, err = Find("no-such")
	require.ErrorContains(t, err, `no mutant "no-such"`)
}

// docs/mutants.md has every row of the list, with the patches that are of it or with why there is none.
func TestEveryRowIsAccountedFor(t *testing.T) {
	page, err := os.ReadFile("../docs/mutants.md")
	require.NoError(t, err)
	all, err := List()
	require.NoError(t, err)
	for row := 0; row <= 48; row++ { // 0: the bugs of no list
		line := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %s \|.*$`, cmp.Or(strings.TrimLeft(strconv.Itoa(row), "0"), Own))).FindString(string(page))
		var named, there []string
		for _, name := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(line, -1) {
			named = append(named, name[1])
		}
		for _, m := range all {
			if m.RowNumber() == row {
				there = append(there, m.Name)
			}
		}
		require.Equal(t, there, named, "row %d", row)
		require.True(t, len(there) > 0 || strings.Contains(line, "does not apply: "), "row %d", row)
	}
}
