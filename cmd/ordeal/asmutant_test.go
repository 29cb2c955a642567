package main

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who interrupts the build of a mutant has learnt nothing: the harness did not fail.
func TestInterruptedWhileAMutantIsBuilt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := asMutant(ctx, "stale-read", io.Discard, io.Discard)
	require.ErrorContains(t, err, "interrupted")
	require.Equal(t, exitUnknown, exitCode(err))
}
