package serve

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/report/chromium"
	"github.com/ordeal-dev/ordeal/store"
)

func TestMain(m *testing.M) { os.Exit(chromium.Main(m)) }

func TestTheListIsSearchedSortedAndFiltered(t *testing.T) {
	root := t.TempDir()
	makeRun(t, root, "alpha", checker.Valid, func(test *store.Test) { test.Started = began.Add(time.Hour) })
	makeRun(t, root, "beta", checker.Invalid, func(test *store.Test) { test.Cluster = "docker" })
	makeRun(t, root, "gamma", checker.Unknown, func(test *store.Test) { test.Seed = 424242; test.Started = began.Add(2 * time.Hour) })
	makeRun(t, root, `<img src=x onerror="document.title='owned'">`, checker.Valid, func(test *store.Test) {
		test.Workload, test.Faults = "</script><script>document.title='owned'</script>", []string{"\"><b>bold</b>", "\u202ereversed"}
		test.Started = began.Add(-time.Hour)
	})
	server := start(t, root)
	page := chromium.Open(t, server.URL+"/")
	const common = `
const form = document.getElementById('filter'), rows = () => [...document.querySelectorAll('#runs tbody tr')];
const names = () => rows().map(r => r.cells[1].textContent.slice(0, 5)).join(' ');
const set = (name, value) => { form.elements[name].value = value; form.elements[name].dispatchEvent(new Event('input', { bubbles: true })); };
await until(() => document.body.dataset.loaded);
`
	require.Equal(t, strings.TrimSpace(`
gamma alpha beta <img : 4 runs
name: <img  alpha beta gamma
backwards: gamma beta alpha <img 
invalid: beta #sort=-name&state=invalid
search: gamma 1 of 4 runs
docker: beta
title kept true 0 images, 1 script
link: /run/gamma/20261123T063322.000Z/`), page.Say(common+`
say(names() + ':', document.getElementById('count').textContent);
const by = name => document.querySelector('[data-sort=' + name + ']').click();
by('name'); say('name:', names());
by('name'); say('backwards:', names());
set('state', 'invalid'); say('invalid:', names(), location.hash);
set('state', ''); set('q', '424242'); say('search:', names(), document.getElementById('count').textContent);
set('q', ''); set('cluster', 'docker'); say('docker:', names());
set('cluster', '');
say('title kept', document.title !== 'owned', document.images.length, 'images,', document.scripts.length, 'script');
say('link:', rows()[0].querySelector('a').getAttribute('href'));`))
	require.Equal(t, "beta", chromium.Open(t, server.URL+"/#state=invalid").Say(common+`say(names())`), "an address that was sent")
}

func TestTheLiveViewFollowsARunToItsReport(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", "", nil)
	tell := func(at time.Duration, faults ...string) {
		require.NoError(t, run.WriteProgress(store.Progress{Phase: "running", Updated: time.Now().Add(time.Hour), Elapsed: at, Duration: 10 * time.Second,
			OK: int64(at / time.Millisecond), PerSecond: 1234.4, Leader: "n2", Faults: faults}))
	}
	tell(2*time.Second, "kill leader: kill n1")
	server := start(t, root)
	page := chromium.Open(t, server.URL+pathOf(root, run, ""))
	require.Equal(t, "running 0.2 2 s of 10 s 1,234 2,000 n2 kill leader: kill n1", page.Say(`
const text = id => document.getElementById(id).textContent;
await until(() => document.body.dataset.state);
say(text('phase'), document.getElementById('far').value, text('far-text'), text('rate'), text('ok'), text('leader'), text('faults'));`))
	tell(7 * time.Second)
	require.Equal(t, "7,000 none", page.Say(`
const text = id => document.getElementById(id).textContent;
await until(() => text('ok') !== '2,000');
say(text('ok'), text('faults'));`))
	list := chromium.Open(t, server.URL+"/")
	require.Equal(t, "running 0.7", list.Say(`
const badge = await until(() => document.querySelector('#runs .verdict'));
say(badge.firstChild.textContent, (badge.querySelector('progress').value / badge.querySelector('progress').max).toFixed(1));`))

	require.NoError(t, run.WriteVerdict(store.Verdict{Verdict: checker.Valid, Reason: "all is well"}))
	require.NoError(t, report.Build(run.Folder))
	require.NoError(t, run.RemoveProgress())
	page.Until(`document.querySelector('h1')?.textContent.includes('Valid')`)
	list.Until(`document.querySelector('#runs .verdict').textContent === 'valid'`)
}

func TestAReportIsServedWithAllItsPictures(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", checker.Valid, nil)
	v, err := run.Verdict()
	require.NoError(t, err)
	require.NoError(t, report.Build(run.Folder))
	// A key that the page holds no picture of: it was judged after the page was made.
	v.Results[0].Keys = append(v.Results[0].Keys, checker.KeyResult{Key: "k2", Verdict: checker.Valid})
	require.NoError(t, run.WriteVerdict(v))
	server := start(t, root)
	page := chromium.Open(t, server.URL+pathOf(root, run, "")+"#view=picture&picture=k2")
	page.Until(`document.getElementById('porcupine').src.endsWith('picture?key=k2')`)
	page.Say(`await until(() => !document.getElementById('clients').classList.contains('waiting'))`)
	require.Equal(t, "null", page.Say(`say(origin)`), "an origin of its own")
}

func TestFilesAndCampaignsShowWithoutComplaint(t *testing.T) {
	root := t.TempDir()
	run := makeRun(t, root, "register", checker.Valid, nil)
	makeCampaign(t, root, began)
	server := start(t, root)
	for _, p := range []string{pathOf(root, run, "files"), "/campaign/torture/" + began.Format(store.TimeLayout), "/compare?c=torture/" + began.Format(store.TimeLayout), "/history/torture"} {
		require.NotEmpty(t, chromium.Open(t, server.URL+p).Say(`say(document.querySelector('h1').textContent)`), p)
	}
}
