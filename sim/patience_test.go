package sim

import (
	"context"
	_ "embed"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
)

//go:embed testdata/impatient-clients.json
var impatientClients []byte

// In this run an operation ends after 157 ms, in which a new client cannot find the one leader of three nodes that live, two being down, open a
// session and get a write through disks that sync for 13 ms after each entry. The cluster serves all the same: the last write is
// given more time each time it fails, and no violation of liveness is called.
func TestLastOperationsHavePatience(t *testing.T) {
	var plan Plan
	require.NoError(t, json.Unmarshal(impatientClients, &plan))
	r, err := Run(context.Background(), Options{Plan: plan})
	require.NoError(t, err)
	require.NotEqual(t, checker.Invalid, r.Verdict, r.Reason)
}
