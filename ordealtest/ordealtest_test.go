package ordealtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/ordealtest"
)

// recorder is a test that only notes how it went.
type recorder struct {
	testing.TB
	errors, fatals, logs []string
}

func (*recorder) Helper()                     {}
func (*recorder) Name() string                { return "TestStore" }
func (*recorder) Context() context.Context    { return context.Background() }
func (r *recorder) Errorf(f string, a ...any) { r.errors = append(r.errors, fmt.Sprintf(f, a...)) }
func (r *recorder) Fatalf(f string, a ...any) { r.fatals = append(r.fatals, fmt.Sprintf(f, a...)) }
func (r *recorder) Logf(f string, a ...any)   { r.logs = append(r.logs, fmt.Sprintf(f, a...)) }

func newCluster(forgets bool) *cluster {
	return &cluster{up: map[string]bool{}, values: map[string]ordealtest.Value{}, forgets: forgets}
}

// A test fails exactly where the store does.
func TestTest(t *testing.T) {
	o := ordealtest.Options{Time: 2 * time.Second, Seed: 1, Results: t.TempDir()}
	r := &recorder{}
	ordealtest.Test(r, newCluster(false), o)
	require.Empty(t, append(r.errors, r.fatals...))
	require.Contains(t, r.logs[0], "valid")

	r = &recorder{}
	ordealtest.Test(r, newCluster(true), o)
	require.Len(t, r.errors, 1)
	require.True(t, strings.HasPrefix(r.errors[0], "ordeal: invalid:"), r.errors[0])
	require.Contains(t, r.errors[0], o.Results)
}

type broken struct{ *cluster }

func (broken) Start(context.Context, string) error { return errors.New("out of cheese") }

// What the test itself does wrong is told as such.
func TestMistakes(t *testing.T) {
	for want, run := range map[string]struct {
		nodes ordealtest.Nodes
		o     ordealtest.Options
	}{
		`Options.Faults "flood"`:         {newCluster(false), ordealtest.Options{Faults: "flood"}},
		"does not say that it can pause": {newCluster(false), ordealtest.Options{Faults: "pause:one", Time: time.Second, Results: t.TempDir()}},
		"start n1: out of cheese":        {broken{newCluster(false)}, ordealtest.Options{Time: time.Second, Results: t.TempDir()}},
		"--workload chess: ":             {newCluster(false), ordealtest.Options{Workload: "chess"}},
	} {
		r := &recorder{}
		ordealtest.Test(r, run.nodes, run.o)
		require.Len(t, r.fatals, 1)
		require.Contains(t, r.fatals[0], want)
	}
}
