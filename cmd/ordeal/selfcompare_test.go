package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign/compare"
	"github.com/ordeal-dev/ordeal/mutants"
)

// selfComparisons is how often a version is compared with itself; none if the variable is not set (make test-compare).
const selfComparisons = "ORDEAL_SELF_COMPARISONS"

// A version that fails now and then is compared with itself, again and again: a difference that is not there is seen once in
// twenty times at most. (All words are counted, those about what clients felt too, as --strict does.)
func TestTheSameVersionAgainstItself(t *testing.T) {
	text := os.Getenv(selfComparisons)
	if text == "" {
		t.Skip("takes minutes: make test-compare")
	}
	repetitions, err := strconv.Atoi(text)
	require.NoError(t, err, selfComparisons)
	root, err := mutants.ModuleRoot()
	require.NoError(t, err)
	for _, c := range []struct {
		cluster, command string
		flags            []string
		campaigns        func(t *testing.T, out string, i int, program string, args []string) []string
	}{
		{"sim", "./cmd/ordeal", []string{"--runs", "40", "--parallel", "2"}, onOtherSeeds},
		{"local", "./cmd/ordeal-node", []string{"--runs", "12", "--parallel", "4", "--nodes", "3", "--clients", "10", "--rate", "1000", "--time", "2s"}, inTurns},
	} {
		t.Run(c.cluster, func(t *testing.T) {
			m, err := mutants.Find("unconfirmed-read")
			require.NoError(t, err)
			folder := t.TempDir()
			program := filepath.Join(folder, filepath.Base(c.command))
			require.NoError(t, m.Build(t.Context(), root, c.command, program))
			alarms, failures, runs := 0, 0, 0
			for i := range repetitions {
				args := append([]string{"--cluster", c.cluster, "--reproduce", "0", "--keep", "none", "--quiet"}, c.flags...)
				sides, err := compare.Sides(c.campaigns(t, filepath.Join(folder, strconv.Itoa(i)), i, program, args)...)
				require.NoError(t, err)
				require.Len(t, sides, 2)
				o := compare.Default
				o.Strict = true
				comparison, err := compare.Compare(sides, o)
				require.NoError(t, err)
				require.NotZero(t, comparison.Tests)
				for _, tally := range comparison.Cells[0].Tallies {
					failures, runs = failures+tally.Invalid, runs+tally.Runs
				}
				if comparison.Regression || betterThanItself(comparison) {
					alarms++
					report, err := json.Marshal(comparison.Cells[0].Differences)
					require.NoError(t, err)
					t.Logf("a false alarm, in repetition %d: %s", i, report)
				}
			}
			t.Logf("%d false alarms in %d comparisons of a version that failed in %d of %d runs with itself", alarms, repetitions, failures, runs)
			require.NotZero(t, failures, "a version that never fails says little")
			require.LessOrEqual(t, alarms, max(1, repetitions/20))
		})
	}
}

// betterThanItself: a difference for the better is as false.
func betterThanItself(c *compare.Comparison) bool {
	for _, d := range c.Cells[0].Differences {
		if d.Violations.Word == compare.Better || d.Unknowns.Word == compare.Better {
			return true
		}
	}
	return false
}

// onOtherSeeds are two campaigns: simulated runs on the same seeds are the same.
func onOtherSeeds(t *testing.T, out string, i int, program string, args []string) []string {
	args = append(args, "--versions", "binary:"+program)
	return []string{carriedOut(t, filepath.Join(out, "a"), append(args, "--seed", strconv.Itoa(1_000_000+2000*i))),
		carriedOut(t, filepath.Join(out, "b"), append(args, "--seed", strconv.Itoa(1_001_000+2000*i)))}
}

// inTurns is a campaign of the program and its copy, whose runs come in turns: what else the machine does meets both alike.
func inTurns(t *testing.T, out string, i int, program string, args []string) []string {
	text, err := os.ReadFile(program)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(out, 0o755))
	copied := filepath.Join(out, "copy")
	require.NoError(t, os.WriteFile(copied, text, 0o755))
	return []string{carriedOut(t, out, append(args, "--versions", "binary:"+program+",binary:"+copied, "--seed", strconv.Itoa(1_000_000+2000*i)))}
}

// carriedOut runs a campaign and gives its folder.
func carriedOut(t *testing.T, out string, args []string) string {
	t.Helper()
	root, err := mutants.ModuleRoot()
	require.NoError(t, err)
	program, err := filepath.Abs(filepath.Join(root, "build", "ordeal"))
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, append([]string{"torture", "--out", out}, args...)...)
	said, err := cmd.CombinedOutput()
	if err != nil {
		require.Contains(t, []int{exitInvalid, exitUnknown}, cmd.ProcessState.ExitCode(), "%s: %s", err, said)
	}
	return filepath.Join(out, "torture", "latest")
}
