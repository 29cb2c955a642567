package harness

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/systems"
)

// audited is a system that cannot be compared a few times, and then says what differs.
type audited struct {
	systems.System
	failures    int
	differences []string
}

func (a *audited) Audit(ctx context.Context, _ map[string]string) ([]string, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if a.failures > 0 {
		a.failures--
		return nil, "", errors.New("n2 is not back")
	}
	return a.differences, "7 keys", nil
}

func TestReplicasAreHeldAgainstEachOther(t *testing.T) {
	r, compared := judgeReplicas(t.Context(), &audited{failures: 2}, nil, func() {})
	require.Equal(t, checker.Result{Checker: replicasChecker, Verdict: checker.Valid}, r)
	require.Equal(t, "7 keys", compared)
	r, _ = judgeReplicas(t.Context(), &audited{failures: 1, differences: []string{"a", "b", "c", "d", "e", "f", "g"}}, nil, func() {})
	require.Equal(t, checker.Invalid, r.Verdict)
	require.Equal(t, "the replicas differ: a; b; c; d; e; and 2 more", r.Reason)
	ctx, cancel := context.WithCancel(t.Context())
	r, _ = judgeReplicas(ctx, &audited{failures: 1000}, nil, cancel)
	require.Equal(t, checker.Unknown, r.Verdict)
	require.Contains(t, r.Reason, "n2 is not back", "not that the time is up")
}
