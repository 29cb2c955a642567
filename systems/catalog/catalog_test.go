package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Every adapter keeps to what clusters rely on.
func TestEveryAdapter(t *testing.T) {
	for _, name := range Names() {
		if name == Own {
			continue
		}
		s, err := Find(name, t.TempDir())
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(s.Name(), name), s.Name())
		again, err := Find(s.Name(), "")
		require.NoError(t, err, "the name is a reference to the same")
		require.Equal(t, s.Name(), again.Name())
		require.Subset(t, workloads.Names(), s.Workloads())

		numbers, names := map[int]bool{}, map[string]bool{}
		for _, p := range s.Ports() {
			require.False(t, numbers[p.Number] || names[p.Name] || p.Number <= 0, "%s: port %v", name, p)
			numbers[p.Number], names[p.Name] = true, true
		}
		require.True(t, names[systems.ClientPort], name)

		commands := map[string]bool{}
		for i := range 3 {
			site := systems.Site{Cluster: "c", Node: []string{"n1", "n2", "n3"}[i], Nodes: []string{"n1", "n2", "n3"}, Data: "/data", Flags: []string{"--one-more"},
				Listen: func(p string) string { require.True(t, names[p], p); return fmt.Sprint("0.0.0.0:", i+1) },
				At:     func(n, p string) string { require.True(t, names[p], p); return n + ":1" }}
			c := s.Command(site)
			require.NotEmpty(t, c.Program)
			require.Contains(t, c.Args, "--one-more", "flags of the run reach the program")
			commands[fmt.Sprint(c)] = true
		}
		require.Len(t, commands, 3, "nodes are told apart")
		_, err = s.Open("n9", map[string]string{"n1": "127.0.0.1:1"})
		require.Error(t, err, name)
	}
}

func TestUnknownSystems(t *testing.T) {
	_, err := Find("mongo", "")
	require.ErrorContains(t, err, `there is no system "mongo"; there are ordeal, etcd, `)
	_, err = Find("ordeal@1", "")
	require.ErrorContains(t, err, "has neither versions nor consistencies to choose: say --system ordeal")
	_, err = Find("etcd@", "")
	require.ErrorContains(t, err, "want NAME")
	for text, is := range map[string]bool{"etcd@3.5.2": true, "etcd:serializable": true, "etcd": false, "HEAD@{1}": false, "mutant:etcd": false, "main": false} {
		require.Equal(t, is, IsReference(text), text)
	}
	require.Len(t, Help(), len(Names()))
}
