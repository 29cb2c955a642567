package compare_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/compare"
)

// Versions of other people's systems have an @ in their names, and folders may.
func TestSidesWithAnAtInTheirNames(t *testing.T) {
	folder := saved(t, t.TempDir()+"/a@b", made(1, func(p *campaign.Plan) { p.Versions[1].Name = "etcd@3.5.2" }, every(0, 0)))
	for argument, want := range map[string]string{folder + "@etcd@3.5.2": "etcd@3.5.2", folder + "@HEAD~3": "HEAD~3"} {
		sides, err := compare.Sides(argument)
		require.NoError(t, err)
		require.Len(t, sides, 1)
		require.Equal(t, want, sides[0].Version.Name)
	}
	_, err := compare.Sides(folder + "@etcd@4")
	require.ErrorContains(t, err, `has no version "etcd@4"`)
}
