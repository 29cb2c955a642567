package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
)

// Power that is lost twice amid a start, the second time when the snapshot has taken the log's place and its term is not yet written.
func TestCrashesAmidAlignment(t *testing.T) {
	r, err := Run(t.Context(), Options{Plan: Swarm{Workload: "register", Nodes: 5}.Draw(5594)})
	require.NoError(t, err)
	require.NotEqual(t, checker.Invalid, r.Verdict, r.Reason)
}
