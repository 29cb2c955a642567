package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// compile builds a small program and gives its path.
func compile(t *testing.T, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644))
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "program"), source)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "program")
}

// A binary that would not start in the container is refused before anything is built.
func TestImageChecksBinaries(t *testing.T) {
	amd64, arm64 := compile(t, "GOARCH=amd64"), compile(t, "GOARCH=arm64")
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755))
	for _, c := range []struct{ binary, architecture, want string }{
		{amd64, "x86_64", ""},
		{arm64, "aarch64", ""},
		{amd64, "an architecture of tomorrow", ""},
		{arm64, "x86_64", "ordeal-agent cannot run in a container here: it is for EM_AARCH64: build it with CGO_ENABLED=0"},
		{script, "x86_64", "it is no Linux program"},
	} {
		i, err := newImage([]byte("FROM scratch\n"), map[string]string{"ordeal-agent": c.binary})
		require.NoError(t, err)
		err = i.check(c.architecture)
		if c.want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, c.want)
	}
}

func TestImageRefusesADynamicBinary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this looks at a dynamic program of the machine, and only Linux's are ELF")
	}
	shell, err := os.ReadFile("/bin/sh")
	require.NoError(t, err)
	require.ErrorContains(t, checkBinary(shell, "", false), "it is not static")
}

// The tag follows the content and nothing else.
func TestImageTagFollowsContent(t *testing.T) {
	dir := t.TempDir()
	build := func(dockerfile, agent, node string) string {
		a, n := filepath.Join(dir, "a"), filepath.Join(dir, "n")
		require.NoError(t, os.WriteFile(a, []byte(agent), 0o755))
		require.NoError(t, os.WriteFile(n, []byte(node), 0o755))
		i, err := newImage([]byte(dockerfile), map[string]string{"ordeal-agent": a, "ordeal-node": n})
		require.NoError(t, err)
		return i.tag()
	}
	same := build("FROM scratch", "agent", "node")
	require.Regexp(t, `^ordeal-node:[0-9a-f]{16}$`, same)
	require.Equal(t, same, build("FROM scratch", "agent", "node"))
	for _, other := range []string{
		build("FROM scratch ", "agent", "node"), build("FROM scratch", "agen", "tnode"), build("FROM scratch", "agent", "node2"),
	} {
		require.NotEqual(t, same, other)
	}
}

func TestBuildResult(t *testing.T) {
	require.NoError(t, buildResult(strings.NewReader(`{"stream":"Step 1"}{"aux":{"ID":"sha256:1"}}`)))
	require.EqualError(t, buildResult(strings.NewReader(`{"stream":"Step 1"}{"error":"COPY failed"}`)), "COPY failed")
	require.ErrorContains(t, buildResult(strings.NewReader(`{"stream":"Ste`)), "the builder's answer")
}
