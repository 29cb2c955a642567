package main

import (
	"context"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/checker"
)

func simulatedPlan() campaign.Plan {
	return campaign.Plan{Format: 1, Cluster: simCluster, Versions: []campaign.Version{{Name: "current", Digest: "aa"}}, Workloads: []string{"register"},
		Faults: []string{"swarm"}, Nodes: 3, Clients: 5, Duration: time.Second, Timeout: time.Second, Runs: 10}
}

// A campaign that was interrupted is not known to be valid, whatever its runs were so far; a violation is one all the same.
func TestAnInterruptedCampaignIsNotValid(t *testing.T) {
	interrupted, cancel := context.WithCancel(context.Background())
	cancel()
	c := &campaign.Campaign{Plan: simulatedPlan(), Runs: []campaign.Run{{Verdict: checker.Valid}}}
	require.Equal(t, exitValid, exitCode(concluded(context.Background(), c, nil)))
	require.Equal(t, exitUnknown, exitCode(concluded(interrupted, c, nil)))
	c.Runs = append(c.Runs, campaign.Run{Number: 1, Verdict: checker.Invalid})
	require.Equal(t, exitInvalid, exitCode(concluded(interrupted, c, nil)))
}

// A simulated violation comes again each time: it is repeated once, also in a campaign that was killed and goes on.
func TestASimulatedCampaignThatGoesOnRepeatsAViolationOnce(t *testing.T) {
	folder := t.TempDir()
	c, err := campaign.Create(folder, simulatedPlan())
	require.NoError(t, err)
	require.NoError(t, c.Close())
	for want, arguments := range map[int][]string{1: nil, 3: {"--reproduce", "3"}} {
		f := &tortureFlags{}
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.register(flags)
		require.NoError(t, flags.Parse(append([]string{"--resume", folder}, arguments...)))
		require.NoError(t, f.takePlan(flags))
		require.Equal(t, want, f.reproduce)
	}
}
