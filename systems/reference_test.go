package systems

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
)

func TestReferences(t *testing.T) {
	for text, want := range map[string]Reference{
		"etcd": {Name: "etcd"}, "etcd@3.5.2": {"etcd", "3.5.2", ""}, "etcd@v3.5.2:serializable": {"etcd", "3.5.2", "serializable"}, "redis:master": {"redis", "", "master"},
	} {
		got, err := ParseReference(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		again, err := ParseReference(got.String())
		require.NoError(t, err)
		require.Equal(t, want, again)
	}
	for _, text := range []string{"", "@1", ":x", "etcd@", "etcd:", "etcd@:x"} {
		_, err := ParseReference(text)
		require.ErrorContains(t, err, "want NAME, NAME@VERSION", text)
	}
}

func TestChoices(t *testing.T) {
	c := Choice{Versions: []string{"2", "1"}, Consistencies: []string{"strong", "weak"}}
	r, err := c.Complete(Reference{Name: "x"})
	require.NoError(t, err)
	require.Equal(t, "x@2:strong", r.String())
	_, err = c.Complete(Reference{Name: "x", Consistency: "odd"})
	require.EqualError(t, err, `x has no reads called "odd"; it has strong, weak`)
	_, err = Choice{Consistencies: []string{"only"}}.Complete(Reference{Name: "x", Version: "1"})
	require.ErrorContains(t, err, "leave @1 out")

	folder := t.TempDir()
	_, err = c.Built(folder, r)
	require.ErrorContains(t, err, "build it with `make systems SYSTEMS=x@2`")
	_, err = c.Built(folder, Reference{Name: "x", Version: "7"})
	require.ErrorContains(t, err, "`make systems` builds 2, 1")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "x@2"), nil, 0o755))
	path, err := c.Built(folder, r)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(folder, "x@2"), path)
}

// Only what says so is definite, however deep it is wrapped.
func TestErrors(t *testing.T) {
	definite := fmt.Errorf("put: %w", Definitely("no leader"))
	require.True(t, IsDefinite(definite))
	require.False(t, IsDefinite(errors.New("reset")))
	require.False(t, IsDefinite(&Error{Err: errors.New("reset")}))
	require.Equal(t, history.Fail, Failed(definite, false).Type)
	require.Equal(t, history.Info, Failed(errors.New("reset"), false).Type)
	require.Equal(t, history.Fail, Failed(errors.New("reset"), true).Type)
}
