package serve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/report/chromium"
	"github.com/ordeal-dev/ordeal/store"
)

// makeTwoVersions makes a campaign of two versions, of which the second is always invalid, and keeps the folders of its runs.
func makeTwoVersions(t *testing.T, root string, runs int) *campaign.Campaign {
	t.Helper()
	plan := campaign.Plan{Started: began, Command: []string{"ordeal", "torture"}, Cluster: "local", Workloads: []string{"register"}, Faults: []string{"kill"}, Nodes: 3, Clients: 5, Rate: 100,
		Versions: []campaign.Version{{Name: "current", Digest: strings.Repeat("ab", 32)}, {Name: "mutant:stale-read", Digest: strings.Repeat("cd", 32)}},
		Duration: time.Second, Timeout: time.Second, Seed: 9, Runs: runs}
	c, err := campaign.Create(filepath.Join(root, "versions", began.Format(store.TimeLayout)), plan)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	var lines []byte
	for number := range 2 * runs {
		cell := plan.Cell(number)
		run := campaign.Run{Number: number, Cell: cell, Seed: plan.SeedOf(number), Verdict: checker.Valid, Started: began, Elapsed: time.Duration(1+(number*7)%10) * 300 * time.Millisecond,
			Operations: store.Counts{OK: 100 - number}}
		if cell.Version != "current" {
			kept := makeRun(t, c.Folder, "runs", checker.Invalid, func(test *store.Test) { test.Seed = run.Seed })
			run.Verdict, run.Reason, run.Folder = checker.Invalid, "a stale read", "runs/"+filepath.Base(kept.Folder)
		}
		line, err := json.Marshal(run)
		require.NoError(t, err)
		lines = append(append(lines, line...), '\n')
	}
	require.NoError(t, os.WriteFile(filepath.Join(c.Folder, campaign.RunsFile), lines, 0o644))
	return c
}

func TestFromACampaignToItsRuns(t *testing.T) {
	root := t.TempDir()
	c := makeTwoVersions(t, root, 12)
	server := start(t, root)
	at := "versions/" + filepath.Base(c.Folder)
	const common = `
await until(() => document.body.dataset.loaded);
const form = document.getElementById('filter'), rows = () => [...document.querySelectorAll('#runs tbody tr')].map(r => [...r.cells].map(c => c.textContent));
const set = (name, value) => { form.elements[name].value = value; form.elements[name].dispatchEvent(new Event('input', { bubbles: true })); };
const by = name => document.querySelector('[data-sort=' + name + ']').click(), counted = () => document.getElementById('count').textContent;
`
	page := chromium.Open(t, server.URL+"/campaign/"+at)
	require.Equal(t, strings.TrimSpace(`
first: 24 runs, invalid
versions: all current mutant:stale-read
current: 12 of 24 runs true
by time: 300ms 2.7s #version=current&sort=took
by operations: 78 100
searched: 12 of 24 runs`), page.Say(common+`
say('first:', counted() + ',', rows()[0][1]);
say('versions:', [...form.elements.version.options].map(o => o.textContent).join(' '));
set('version', 'current');
say('current:', counted(), rows().every(r => r[1] === 'valid' && r[2] === 'current'));
by('took');
say('by time:', rows()[0][7], rows().at(-1)[7], location.hash);
by('operations');
say('by operations:', rows()[0][6], rows().at(-1)[6]);
set('version', ''); set('q', 'stale read');
say('searched:', counted());`))
	sent := page.Say(`say(location.hash)`)
	require.Equal(t, "12 of 24 runs", chromium.Open(t, server.URL+"/campaign/"+at+sent).Say(common+`say(counted())`), "an address that was sent")

	seed := page.Say(`say(document.querySelector('#runs tbody tr').cells[5].textContent);`)
	page.Follow(`document.querySelector('#runs tbody tr a')`)
	page.Until(`document.querySelector('h1')?.textContent.startsWith('Invalid') && document.getElementById('clients') && !document.getElementById('clients').classList.contains('waiting')`)
	require.Equal(t, "true", page.Say(`say([...document.querySelectorAll('#run dd')].some(d => d.textContent === '`+seed+`'))`), "the run of that row")
}

func TestFromAComparisonToARun(t *testing.T) {
	root := t.TempDir()
	c := makeTwoVersions(t, root, 12)
	server := start(t, root)
	page := chromium.Open(t, server.URL+"/")
	page.Say(`(await until(() => document.querySelector('#campaign-table input[type=checkbox]'))).click();`)
	page.Follow(`!document.getElementById('compare').disabled && document.getElementById('compare')`)
	page.Until(`document.querySelector('h1')?.textContent.includes('REGRESSION')`)
	require.Equal(t, "worse true", page.Say(`
say(document.querySelector('.word-worse').textContent, document.querySelectorAll('ul a').length > 0);`))
	page.Follow(`document.querySelector('ul a')`)
	page.Until(`document.querySelector('h1')?.textContent.startsWith('Invalid') && document.getElementById('clients') && !document.getElementById('clients').classList.contains('waiting')`)

	history := chromium.Open(t, server.URL+"/campaign/versions/"+filepath.Base(c.Folder))
	history.Follow(`[...document.querySelectorAll('a')].find(a => a.textContent.startsWith('All campaigns'))`)
	history.Until(`document.querySelector('h1')?.textContent.includes('1 campaign of versions')`)
	require.Equal(t, "true 2 0 %", history.Say(`
const bars = [...document.querySelectorAll('.chart g[tabindex]')], ticks = [...document.querySelectorAll('.chart-figure .tick')].map(t => t.textContent);
bars[0].focus();
say(document.activeElement === bars[0] && bars.every(b => b.getAttribute('aria-label').includes('2026-11-23 06:33')), bars.length, ticks[0]);`))
}
