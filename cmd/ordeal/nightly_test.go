package main

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is stored of a night comes back as files: the link to the latest campaign would be a folder then, and no later night could put its own in place.
func TestNightlyStoresCampaignsAndNotTheLinkToTheLatest(t *testing.T) {
	workflow, err := os.ReadFile(filepath.Join("..", "..", ".github", "workflows", "nightly.yml"))
	require.NoError(t, err)
	matched := func(folder string) (n int) {
		for line := range strings.Lines(string(workflow)) {
			for _, file := range []string{"campaign.json", "runs.jsonl"} {
				if ok, err := path.Match(strings.TrimSpace(line), "results/nightly/"+folder+"/"+file); err == nil && ok {
					n++
				}
			}
		}
		return n
	}
	require.Equal(t, 4, matched("20261124T150000.000Z"), "both files, when they are fetched and when they are stored")
	require.Zero(t, matched("latest"))
}
