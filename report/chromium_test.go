package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/report/chromium"
	"github.com/ordeal-dev/ordeal/store"
)

func TestMain(m *testing.M) { os.Exit(chromium.Main(m)) }

// open runs the script (see chromium.Page.Say) in the page, opened as a file, and returns what it said. It fails on
// anything that the console shows.
func open(t *testing.T, page, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(path, []byte(page), 0o644))
	return chromium.Open(t, "file://"+path).Say(script)
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
			require.Equal(t, "0 images, 3 scripts, title kept true drawn true", open(t, page, `
for (const d of document.querySelectorAll('details')) d.open = true;
say(document.images.length, 'images,', document.scripts.length, 'scripts, title kept', document.title !== 'owned',
  'drawn', document.querySelectorAll('#plots svg').length >= 3);`))
		})
	}
}
