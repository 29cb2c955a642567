package managed

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
)

// fake is a manager of entries in a map.
type fake struct {
	Manager
	able   Abilities
	runs   map[string]bool
	broken error
	cut    []nemesis.Link
	down   bool
}

func (f *fake) Name() string                               { return "fake" }
func (f *fake) Abilities() Abilities                       { return f.able }
func (f *fake) Setup(context.Context, []string) error      { return nil }
func (f *fake) Start(_ context.Context, node string) error { f.runs[node] = true; return f.broken }
func (f *fake) Kill(_ context.Context, node string) error  { f.runs[node] = false; return nil }
func (f *fake) State(_ context.Context, node string) (State, error) {
	return State{Running: f.runs[node]}, nil
}
func (f *fake) Cut(_ context.Context, l []nemesis.Link) error { f.cut = l; return nil }
func (f *fake) Teardown(context.Context) error                { f.down = true; return nil }
func (f *fake) Status(context.Context, string) (systems.Status, error) {
	return systems.Status{Leads: true, Term: 3}, nil
}

func (f *fake) Probe(_ context.Context, links []nemesis.Link) ([]bool, error) {
	return make([]bool, len(links)-len(f.cut)), nil
}

var _ nemesis.World = (*Cluster)(nil)

func TestNodesOfAManager(t *testing.T) {
	f := &fake{runs: map[string]bool{}}
	c := New(f, []string{"n1", "n2"})
	require.NoError(t, c.Setup(t.Context()))
	state := func(node string) nemesis.ProcessState {
		s, err := c.Process(t.Context(), node)
		require.NoError(t, err)
		return s
	}
	require.Equal(t, nemesis.ProcessState{Running: true, Starts: 1}, state("n2"))
	require.NoError(t, c.Kill(t.Context(), "n2"))
	require.Equal(t, nemesis.ProcessState{Starts: 1, Ended: "signal: killed"}, state("n2"))
	require.ErrorContains(t, c.Kill(t.Context(), "n2"), "it does not run")
	require.NoError(t, c.Start(t.Context(), "n2"))
	require.Equal(t, nemesis.ProcessState{Running: true, Starts: 2}, state("n2"))
	f.runs["n2"] = false
	require.Equal(t, byItself, state("n2").Ended, "nobody killed it")
	_, err := c.Process(t.Context(), "n9")
	require.ErrorContains(t, err, `there is no node "n9"`)

	f.broken = errors.New("no memory")
	require.ErrorContains(t, New(f, []string{"n1"}).Setup(t.Context()), "start n1: no memory")
	require.True(t, f.down)
}

// What a manager does not say that it can do is not asked of it.
func TestAbilities(t *testing.T) {
	f := &fake{runs: map[string]bool{"n1": true}}
	c, links := New(f, []string{"n1", "n2"}), []nemesis.Link{{From: "n1", To: "n2"}}
	require.ErrorContains(t, c.Lacks(t.Context(), nemesis.Pause, "one"), "fake does not say that it can pause nodes")
	require.ErrorContains(t, c.Lacks(t.Context(), nemesis.Partition, "one"), "cut links")
	require.ErrorContains(t, c.Lacks(t.Context(), nemesis.Kill, "leader"), "who leads")
	require.NoError(t, c.Lacks(t.Context(), nemesis.Kill, "one"))
	require.Error(t, c.Cut(t.Context(), links))
	require.NoError(t, c.Cut(t.Context(), nil))
	probes, err := c.Probe(t.Context(), links)
	require.NoError(t, err)
	require.True(t, probes[0].Crossed)
	m := System{f}.Monitor(nil)
	s, err := m.Status(t.Context(), "n1")
	require.NoError(t, err)
	require.Equal(t, systems.Status{}, s)
	_, err = m.Status(t.Context(), "n2")
	require.Error(t, err, "it does not run")

	f.able = Abilities{Pause: true, Partition: true, Status: true}
	for fault, mode := range map[string]string{nemesis.Pause: "leader", nemesis.Partition: "primary", nemesis.Kill: "leader"} {
		require.NoError(t, c.Lacks(t.Context(), fault, mode))
	}
	probes, err = c.Probe(t.Context(), links)
	require.NoError(t, err)
	require.False(t, probes[0].Crossed)
	require.NoError(t, c.Cut(t.Context(), links))
	_, err = c.Probe(t.Context(), links)
	require.ErrorContains(t, err, "1 links were asked for, and 0 answers came")
	s, err = m.Status(t.Context(), "n1")
	require.NoError(t, err)
	require.Equal(t, systems.Status{Leads: true, Term: 3, Loose: true}, s)
}
