package versions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign/versions"
	"github.com/ordeal-dev/ordeal/mutants"
)

func TestVersionsThatAreNone(t *testing.T) {
	root, err := mutants.ModuleRoot()
	require.NoError(t, err)
	b := &versions.Builder{Command: "./cmd/ordeal-node", Root: root, Current: filepath.Join(t.TempDir(), "ordeal-node")}
	for name, want := range map[string]string{
		"current":              "version current: .*build it with `make build`",
		"no-such-branch":       `"no-such-branch" is neither a commit that git knows in .* nor another kind of version; a version is current`,
		"--upload-pack=x":      "is not a git reference",
		"binary:/no/such/file": "version binary:/no/such/file: .*name a program that is there",
		"mutant:no-such":       `no mutant "no-such"; there are`,
		"image:x":              "images hold a node for Linux",
	} {
		_, err := b.Build(t.Context(), name)
		require.Error(t, err, name)
		require.Regexp(t, want, err.Error())
	}
}

func TestABinaryIsTakenAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node")
	require.NoError(t, os.WriteFile(path, []byte("abc"), 0o755))
	b := &versions.Builder{Current: path}
	for _, name := range []string{"current", "binary:" + path} {
		v, err := b.Build(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, path, v.Path)
		require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", v.Digest, "SHA-256 of abc, FIPS 180-2")
	}
}

// A program that is built anew while a campaign goes on does not change what the campaign runs.
func TestAProgramStaysWhatItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho old\n"), 0o755))
	b := &versions.Builder{Current: path, Temp: t.TempDir()}
	current, err := b.Build(t.Context(), "current")
	require.NoError(t, err)
	binary, err := b.Build(t.Context(), "binary:"+path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho new\n"), 0o755))
	for _, v := range []versions.Built{current, binary} {
		require.Equal(t, path, v.Source, "what people are told")
		out, err := exec.Command(v.Path).Output()
		require.NoError(t, err)
		require.Equal(t, "old\n", string(out))
		digest, err := versions.Digest(v.Path)
		require.NoError(t, err)
		require.Equal(t, v.Digest, digest)
	}
	b.InProcess = true
	own, err := b.Build(t.Context(), "current")
	require.NoError(t, err)
	require.Equal(t, path, own.Path)
}
