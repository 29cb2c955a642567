package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/sim"
)

// The program that simulates is this one, whatever it is called: a test's is not called ordeal.
func TestTheProgramOfTheSimulatorIsThisOne(t *testing.T) {
	path, err := os.Executable()
	require.NoError(t, err)
	path, err = filepath.EvalSymlinks(path)
	require.NoError(t, err)
	require.Equal(t, path, new(runFlags).builder(simCluster, "").Current)
}

func TestDrawnNodes(t *testing.T) {
	for n, fits := range map[int]bool{-3: false, 0: true, 1: false, 2: true, sim.MaxNodes: true, sim.MaxNodes + 1: false, 100_000: false} {
		if err := checkDrawnNodes(n); fits {
			require.NoError(t, err)
			for seed := range uint64(300) {
				plan := sim.Swarm{Workload: "register", Nodes: n}.Draw(seed)
				require.NoError(t, plan.Check())
			}
		} else {
			require.ErrorContains(t, err, "2 to 25 nodes")
		}
	}
}
