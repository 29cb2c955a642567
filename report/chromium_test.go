package report_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

// browser is the path of a Chromium, or the test is skipped: nothing else here runs a page's script.
func browser(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if exec.Command(path, "--version").Run() == nil { // some are only a hint on how to install it
			return path
		}
	}
	t.Skip("no Chromium on this machine: pages are not opened")
	return ""
}

// console finds what a page complained of.
var console = regexp.MustCompile(`(?i)CONSOLE[^\n]*`)

// open runs the page with a script of the test's at its end, and returns what the script wrote. It fails on anything
// the console shows: an error, a violation of the page's policy, a refused load.
func open(t *testing.T, page, script string) string {
	t.Helper()
	chromium := browser(t)
	folder := browserFolder(t)
	path := filepath.Join(folder, "page.html")
	script = `<pre id="said"></pre><script>
const said = [], say = (...words) => { said.push(words.join(' ')); document.getElementById('said').textContent = said.join('\n'); };
const until = (holds) => new Promise(done => { const look = () => holds() ? done() : setTimeout(look, 10); look(); });
(async () => { ` + script + ` })().catch(e => say('failed: ' + e)).finally(() => { document.getElementById('said').textContent = said.join('\n') + '\nend'; });
</script></body>`
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(page, "</body>", script, 1)), 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,2000",
		"--user-data-dir="+filepath.Join(folder, "profile"), "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", "file://"+path)
	cmd.WaitDelay = 5 * time.Second
	var complaints strings.Builder
	cmd.Stderr = &complaints
	dom, err := cmd.Output()
	require.NoError(t, err, "%s", complaints.String())
	require.Empty(t, console.FindAllString(complaints.String(), -1))
	_, got, ok := strings.Cut(string(dom), `<pre id="said">`)
	require.True(t, ok)
	got, _, _ = strings.Cut(got, "</pre>")
	require.True(t, strings.HasSuffix(got, "\nend"), "the script did not end: %s", got)
	return strings.TrimSuffix(got, "\nend")
}

// browserFolder is a temporary folder that is removed once the browser's last process has let go of it.
func browserFolder(t *testing.T) string {
	folder, err := os.MkdirTemp("", "ordeal-report-")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.RemoveAll(folder) == nil }, time.Minute, 50*time.Millisecond)
	})
	return folder
}

func TestKeysCanBeSearchedAndSorted(t *testing.T) {
	p := defaultPlan()
	p.keys = 250
	page := build(t, p.makeRun(t, t.TempDir(), "keys"))
	require.Equal(t, strings.TrimSpace(`
100 rows of 250 keys
more: 250 rows, button hidden true
search k24: 11 of 250 keys, first k24, address #key=k24
sorted by key: k24 k240 k241
and back: k249 k248 k247
none: 0 rows
all: 250 keys`), open(t, page, `
const $ = id => document.getElementById(id), rows = () => [...document.querySelectorAll('#key-table tbody tr')];
const names = n => rows().slice(0, n).map(r => r.cells[0].textContent).join(' ');
const search = text => { $('key-search').value = text; $('key-search').dispatchEvent(new Event('input')); };
say(rows().length, 'rows of', $('key-count').textContent);
$('key-more').click();
say('more:', rows().length, 'rows, button hidden', $('key-more').hidden);
search('K24');
say('search k24:', $('key-count').textContent + ', first', names(1) + ', address', location.hash.toLowerCase());
document.querySelector('[data-sort=k]').click();
say('sorted by key:', names(3));
document.querySelector('[data-sort=k]').click();
say('and back:', names(3));
$('key-verdict').value = 'invalid'; $('key-verdict').dispatchEvent(new Event('input'));
say('none:', rows().length, 'rows');
$('key-verdict').value = ''; search('');
say('all:', $('key-count').textContent);`))
}

func TestFromVerdictToOperation(t *testing.T) {
	p := defaultPlan()
	p.stale = 20 * time.Second
	page := build(t, p.makeRun(t, t.TempDir(), "invalid"))
	got := open(t, page, `
const link = document.querySelectorAll('#key-table tbody a')[1];
const target = document.querySelector(link.getAttribute('href'));
say('folded:', !target.open);
location.hash = link.getAttribute('href');
await until(() => target.open);
say('unfolded:', target.open, target.querySelector('summary code').textContent === link.textContent);
const bar = target.querySelector('g[tabindex]');
const box = bar.getBoundingClientRect();
bar.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: box.left + 2, clientY: box.top + 2 }));
say(document.getElementById('tip').hidden, document.getElementById('tip').textContent.split('\n')[0].replace(/\d+/g, '#'));
document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
say('escape hides:', document.getElementById('tip').hidden);
const wide = document.querySelector('.wide'), frame = document.getElementById('plots');
const before = wide.offsetWidth;
document.getElementById('to-evidence').click();
say('zoom:', Math.round(wide.offsetWidth / before), frame.scrollLeft > 0);
const mark = wide.querySelector('div.window').getBoundingClientRect(), view = frame.getBoundingClientRect();
say('in view:', mark.left >= view.left && mark.right <= view.right);
const picture = document.getElementById('porcupine');
say('porcupine:', picture.srcdoc.includes('Porcupine'), picture.getAttribute('sandbox'));
`)
	require.Regexp(t, strings.TrimSpace(`
folded: true
unfolded: true true
false process #: (put #|cas #→#|get) → .*
escape hides: true
zoom: 16 true
in view: true
porcupine: true allow-scripts`), got)
}

func TestPagesOpenWithoutComplaint(t *testing.T) {
	bare := write(t, report.Input{})
	hostile := build(t, hostileRun(t))
	p := defaultPlan()
	p.noFaults = true
	run := p.makeRun(t, t.TempDir(), "quiet")
	require.NoError(t, os.Remove(run.Path(store.VerdictFile)))
	for name, page := range map[string]string{"bare": bare, "hostile": hostile, "no verdict": build(t, run)} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "0 images, 4 scripts, title kept true drawn true", open(t, page, `
await new Promise(done => setTimeout(done, 200));
for (const d of document.querySelectorAll('details')) d.open = true;
say(document.images.length, 'images,', document.scripts.length, 'scripts, title kept', document.title !== 'owned',
  'drawn', document.querySelectorAll('#plots svg').length >= 3);`))
		})
	}
}
