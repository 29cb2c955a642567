package checker_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The test in docs/checker.md runs in a module that has nothing of ordeal but its packages.
func TestAnotherModuleCanUseThePackages(t *testing.T) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	doc, err := os.ReadFile(filepath.Join(root, "docs", "checker.md"))
	require.NoError(t, err)
	_, code, found := strings.Cut(string(doc), "```go\n")
	require.True(t, found)
	code, _, found = strings.Cut(code, "```\n")
	require.True(t, found)

	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	write("store_test.go", code)
	// The versions of what ordeal itself needs are ordeal's.
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	_, requirements, _ := strings.Cut(string(ours), "\n")
	write("go.mod", fmt.Sprintf("module example.com/store\n%s\nrequire github.com/ordeal-dev/ordeal v0.0.0\n\nreplace github.com/ordeal-dev/ordeal => %s\n", requirements, root))
	write("go.sum", string(sums))
	run := func(want bool) string {
		cmd := exec.Command("go", "test", "-mod=mod", "./...")
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		require.Equal(t, want, err == nil, "%s", out)
		return string(out)
	}
	run(true)

	// It is a test: a store that forgets turns it red.
	write("store_test.go", strings.Replace(code, "s.m[key] = v\n", "if v%50 != 0 {\n\t\ts.m[key] = v\n\t}\n", 1))
	require.Contains(t, run(false), "invalid")
}
