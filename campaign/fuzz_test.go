package campaign_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
)

func FuzzDecodeRuns(f *testing.F) {
	p := plan(0)
	p.Format = 1
	f.Add([]byte(`{"run":0,"version":"current","workload":"register","faults":"kill","seed":100,"verdict":"valid","started":"2026-11-24T15:00:00Z","elapsed_ns":1,"operations":{"ok":1,"fail":0,"info":0},"faults_took":1}` + "\n{\"run\":"))
	f.Add([]byte(`{"run":1,"again":2,"version":"mutant:stale-read","workload":"register","faults":"kill","seed":100,"verdict":"invalid","felt":{"phases":[{"name":"calm"}],"leaderless_ns":0,"observed_ns":1}}` + "\n"))
	f.Add([]byte("\n\nnull\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		runs, whole, err := campaign.DecodeRuns("runs.jsonl", &p, b)
		require.LessOrEqual(t, whole, int64(len(b)))
		if err != nil {
			return
		}
		var text bytes.Buffer
		for _, r := range runs {
			line, err := json.Marshal(r)
			require.NoError(t, err)
			text.Write(append(line, '\n'))
		}
		again, _, err := campaign.DecodeRuns("again", &p, text.Bytes())
		require.NoError(t, err)
		a, err := json.Marshal(runs)
		require.NoError(t, err)
		b, err = json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(a), string(b))
	})
}

func FuzzDecodePlan(f *testing.F) {
	p := plan(3)
	p.Format, p.Shard = 1, campaign.Shard{Index: 1, Count: 2}
	text, err := json.Marshal(p)
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"format":1,"shard":{"index":3,"count":2}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := campaign.DecodePlan("campaign.json", b); err == nil {
			for n := range 50 {
				p.Cell(n) // any plan that is read says what its runs are
			}
		}
	})
}
