package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/compare"
)

// A regression is one whatever else is not known; where nothing is known of a cell a comparison does not say that all is well.
func TestExitCodesOfComparisons(t *testing.T) {
	sides := make([]compare.About, 2)
	for want, c := range map[int]*compare.Comparison{
		exitValid:   {Sides: sides, Tests: 2},
		exitInvalid: {Sides: sides, Tests: 2, Unjudged: 1, Regression: true},
		exitUnknown: {Sides: sides, Tests: 2, Unjudged: 1},
	} {
		require.Equal(t, want, exitCode(compared(c)))
	}
	require.Equal(t, exitUnknown, exitCode(compared(&compare.Comparison{Sides: sides})), "nothing was compared")
	require.Equal(t, exitUnknown, exitCode(compared(&compare.Comparison{Sides: sides[:1], Unjudged: 1})), "the first night")
	require.Equal(t, exitValid, exitCode(compared(&compare.Comparison{Sides: sides[:1]})))
}

func TestCampaignsAreToldFromVersions(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a@b")
	require.NoError(t, os.Mkdir(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, campaign.PlanFile), nil, 0o644))
	for argument, want := range map[string]bool{folder: true, folder + "@current": true, folder + "@etcd@3.5.2": true, "etcd@3.5.2": false, "HEAD~3": false} {
		require.Equal(t, want, isCampaign(argument), argument)
	}
}
