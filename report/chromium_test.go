package report_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
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
search k24: 11 of 250 keys, first k24, address #view=keys&keys=K24
sorted by key: k24 k240 k241
and back: k249 k248 k247 address #view=keys&keys=K24&sort=-k
none: 0 rows
all: 250 keys`), open(t, page, `
const $ = id => document.getElementById(id), rows = () => [...document.querySelectorAll('#key-table tbody tr')];
const names = n => rows().slice(0, n).map(r => r.cells[0].textContent).join(' ');
const search = text => { $('key-search').value = text; $('key-search').dispatchEvent(new Event('input')); };
await until(() => rows().length);
say(rows().length, 'rows of', $('key-count').textContent);
$('key-more').click();
say('more:', rows().length, 'rows, button hidden', $('key-more').hidden);
search('K24');
say('search k24:', $('key-count').textContent + ', first', names(1) + ', address', location.hash);
document.querySelector('[data-sort=k]').click();
say('sorted by key:', names(3));
document.querySelector('[data-sort=k]').click();
say('and back:', names(3), 'address', location.hash);
$('key-verdict').value = 'invalid'; $('key-verdict').dispatchEvent(new Event('input'));
say('none:', rows().length, 'rows');
$('key-verdict').value = ''; $('key-verdict').dispatchEvent(new Event('input')); search('');
say('all:', $('key-count').textContent);`))
}

// invalidPage is the page of a run with stale reads.
func invalidPage(t *testing.T) string {
	p := defaultPlan()
	p.stale = 20 * time.Second
	return build(t, p.makeRun(t, t.TempDir(), "invalid"))
}

func TestFromVerdictToOperationToLog(t *testing.T) {
	got := open(t, invalidPage(t), `
const $ = id => document.getElementById(id);
const link = await until(() => document.querySelectorAll('#key-table tbody a')[1]);
const target = document.querySelector(link.getAttribute('href'));
say('folded:', !target.open);
location.hash = link.getAttribute('href');
await until(() => target.open);
say('unfolded:', target.open, target.querySelector('summary code').textContent === link.textContent);
const bar = target.querySelector('g[tabindex]');
const box = bar.getBoundingClientRect();
bar.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: box.left + 2, clientY: box.top + 2 }));
say($('tip').hidden, $('tip').textContent.split('\n')[0].replace(/\d+/g, '#'));
document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
say('escape hides:', $('tip').hidden);
const event = target.querySelector('tbody a');
event.click();
await until(() => !$('operation').hidden);
const text = $('operation-text').textContent;
say('operation:', text.includes('event ' + event.textContent + ' of the history'), text.includes('part of the evidence'), text.includes('key ' + link.textContent));
say('near it:', /&t=[\d.]+-[\d.]+/.test(location.hash));
const called = Number(/called ([\d.]+) s/.exec(text)[1]);
$('operation-logs').click();
const now = await until(() => $('log-now'));
say('logs:', location.hash.includes('view=logs'), now.textContent.includes(called.toFixed(3)));
const before = now.previousElementSibling.textContent, after = now.nextElementSibling.textContent;
say('before:', before.includes('second=' + Math.floor(called)), 'after:', after.includes('second=' + Math.ceil(called)));
say('moment:', !$('moment').hidden, $('moment-at').textContent === called.toFixed(3) + ' s');
`)
	require.Regexp(t, strings.TrimSpace(`
folded: true
unfolded: true true
false process #: (put #|cas #→#|get) → .*
escape hides: true
operation: true true true
near it: true
logs: true true
before: true after: true
moment: true true`), got)
}

func TestPlotsZoom(t *testing.T) {
	require.Equal(t, strings.TrimSpace(`
evidence in view: true true
zoom 4: 4 true
address: true
pulled: true
chosen: true true
all: 1`), open(t, invalidPage(t), `
const $ = id => document.getElementById(id);
const wide = document.querySelector('.wide'), frame = $('plots'), first = wide.offsetWidth;
const zoom = () => Math.round(wide.offsetWidth / first);
$('to-evidence').click();
const mark = wide.querySelector('div.window').getBoundingClientRect(), view = frame.getBoundingClientRect();
say('evidence in view:', zoom() > 8, mark.left >= view.left && mark.right <= view.right);
document.querySelector('[data-zoom="4"]').click();
say('zoom 4:', zoom(), document.querySelector('[data-zoom="4"]').getAttribute('aria-pressed'));
say('address:', /^#view=time&t=[\d.]+-[\d.]+$/.test(location.hash));
const at = x => ({ bubbles: true, button: 0, pointerType: 'mouse', clientX: view.left + x, clientY: view.top + 50 });
wide.dispatchEvent(new PointerEvent('pointerdown', at(100)));
wide.dispatchEvent(new PointerEvent('pointermove', at(300)));
wide.dispatchEvent(new PointerEvent('pointerup', at(300)));
say('pulled:', zoom() > 8);
await new Promise(done => setTimeout(done, 0));
wide.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1, clientX: view.left + 200, clientY: view.top + 50 }));
say('chosen:', /at=[\d.]+/.test(location.hash), !$('moment').hidden);
frame.dispatchEvent(new KeyboardEvent('keydown', { key: '0' }));
say('all:', zoom());
`))
}

func TestClientsCanBeFilteredZoomedAndShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(path, []byte(invalidPage(t)), 0o644))
	const common = `
const $ = id => document.getElementById(id), form = $('clients-filter');
await until(() => !$('clients').classList.contains('waiting'));
const set = (name, value) => { const c = form.elements[name]; c.value = value; c.dispatchEvent(new Event('input', { bubbles: true })); };
const matching = () => Number($('clients-count').textContent.split(' ')[0].replace(',', ''));
const key = k => $('lanes').dispatchEvent(new KeyboardEvent('keydown', { key: k, bubbles: true }));
const rows = () => [...$('clients-table').tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent));
`
	got := chromium.Open(t, "file://"+path).Say(common + `
const all = matching();
set('key', 'k3');
const ofKey = matching();
say('key:', ofKey > 0 && ofKey < all, location.hash);
set('outcome', 'info');
say('info:', matching() > 0 && matching() < ofKey);
set('outcome', ''); set('f', 'cas');
$('clients-list').open = true;
await until(() => rows().length);
say('listed:', rows().every(r => r[2] === 'k3' && r[3].startsWith('cas')), $('clients-more').hidden === (matching() <= 200));
$('clients-clear').click();
say('cleared:', matching() === all);
set('client', '4');
say('one client:', rows().length > 0 && rows().every(r => Number(r[1]) % 10 === 4));
set('client', ''); set('q', 'connection refused');
say('searched:', matching() > 0 && rows().every(r => r[4].includes('connection refused')));
set('q', '');
key('+'); key('+');
const width = () => { const [from, to] = new URLSearchParams(location.hash.slice(1)).get('t').split('-').map(Number); return [from, to - from]; };
const [from, wide] = width();
say('zoomed:', Math.abs(wide - 7.5) < 0.6);
key('ArrowRight');
say('moved:', width()[0] > from, Math.abs(width()[1] - wide) < 0.01);
key('n');
say('next:', !$('operation').hidden);
say('address ' + location.hash + ' ' + $('operation-text').textContent.split('\n')[0]);`)
	lines := strings.Split(got, "\n")
	last := lines[len(lines)-1]
	require.Equal(t, strings.TrimSpace(`
key: true #view=clients&key=k3
info: true
listed: true true
cleared: true
one client: true
searched: true
zoomed: true
moved: true true
next: true`), strings.Join(lines[:len(lines)-1], "\n"))

	address, operation, _ := strings.Cut(strings.TrimPrefix(last, "address "), " ")
	got = chromium.Open(t, "file://"+path+address).Say(common + `say($('operation-text').textContent.split('\n')[0]); say(location.hash);`)
	require.Equal(t, operation+"\n"+address, got, "a colleague sees the same")
}

// Of twenty thousand clients as many are drawn as can be seen; each can be found.
func TestVeryManyClients(t *testing.T) {
	const clients = 20_000
	in := report.Input{Test: store.Test{Name: "many", Clients: clients}, Events: func(yield func(history.Event, error) bool) {
		for process := range clients {
			at := time.Duration(process) * time.Millisecond
			call := history.Event{Time: at, Process: process, Type: history.Invoke, F: "get", Key: fmt.Sprint("k", process), Index: 2 * process}
			done := history.Event{Time: at + time.Millisecond/2, Process: process, Type: history.OK, F: "get", Key: call.Key, Index: 2*process + 1}
			if !yield(call, nil) || !yield(done, nil) {
				return
			}
		}
	}}
	require.Equal(t, strings.TrimSpace(`
all: 20,000 operations; drawn 100 of 20,000 clients
drawn: true true
one: 1 of 20,000 operations match; drawn 1 of 20,000 clients
a link: true 15.000 s`), open(t, write(t, in), `
const $ = id => document.getElementById(id), canvas = $('lanes'), counted = () => $('clients-count').textContent.split(':')[0];
await until(() => !$('clients').classList.contains('waiting'));
say('all:', counted());
await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
say('drawn:', canvas.clientHeight < 1500, canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(v => v !== 0));
const form = $('clients-filter');
form.elements.client.value = '12345'; form.elements.client.dispatchEvent(new Event('input', { bubbles: true }));
say('one:', counted());
location.hash = '#view=clients&op=30000';
await until(() => $('operation-text').textContent.includes('process 15000'));
const [from, to] = new URLSearchParams(location.hash.slice(1)).get('t').split('-').map(Number);
say('a link:', from < 15 && to > 15, $('operation-text').textContent.includes('called 15.000000 s') && '15.000 s');`))
}

func TestTheCanvasSaysWhatIsThere(t *testing.T) {
	require.Equal(t, "found true\nchosen true\nempty true", open(t, invalidPage(t), `
const $ = id => document.getElementById(id), canvas = $('lanes');
await until(() => !$('clients').classList.contains('waiting'));
location.hash = '#view=clients&t=10-10.2';
await until(() => $('clients-count').textContent.includes('10.000 s to 10.200 s'));
const box = canvas.getBoundingClientRect();
const at = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, { bubbles: true, button: 0, pointerId: 1, clientX: box.left + x, clientY: box.top + y }));
let found = null, empty = false;
for (let y = 45; y < box.height - 20 && !(found && empty); y += 26) for (let x = 70; x < box.width; x += 7) {
  at('pointermove', x, y);
  const text = $('tip').textContent;
  if (text.startsWith('process')) found ||= [x, y, text]; else empty ||= /^10\.\d+ s/.test(text);
}
say('found', /of the history/.test(found[2]));
at('pointerdown', found[0], found[1]); at('pointerup', found[0], found[1]);
say('chosen', $('operation-text').textContent === found[2]);
say('empty', empty);`))
}

// A page that is printed gets no frame to draw in later, and paper does not scroll.
func TestAPrintedPageIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(path, []byte(invalidPage(t)), 0o644))
	page := chromium.Open(t, "file://"+path)
	page.Do(chromedp.EmulateViewport(740, 1000))
	page.Say(`
const canvas = document.getElementById('lanes');
await until(() => !document.getElementById('clients').classList.contains('waiting'));
globalThis.drawn = null;
matchMedia('print').addEventListener('change', () => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  globalThis.drawn = data.some(v => v !== 0);
});`)
	page.Media("print")
	require.Equal(t, "drawn true\nfits true\nno controls true", page.Say(`
await until(() => globalThis.drawn !== null);
say('drawn', drawn);
say('fits', document.documentElement.scrollWidth <= innerWidth);
say('no controls', [...document.querySelectorAll('button, input, select')].every(e => !e.checkVisibility() || e.closest('table')));`))
}

func TestTheLogsAreShownAroundTheEvidence(t *testing.T) {
	require.Equal(t, "the evidence begins\nbefore true after true", open(t, invalidPage(t), `
const now = await until(() => document.getElementById('log-now')), at = Number(document.getElementById('logs').dataset.from);
say(now.querySelector('strong').textContent);
const second = row => Number(/second=(\d+)/.exec(row.textContent)[1]);
say('before', second(now.previousElementSibling) <= at, 'after', second(now.nextElementSibling) >= at);`))
}

func TestPorcupinesPictures(t *testing.T) {
	require.Equal(t, "first true allow-scripts\nsecond true true", open(t, invalidPage(t), `
const $ = id => document.getElementById(id), picture = $('porcupine');
$('picture').scrollIntoView();
await until(() => picture.srcdoc);
say('first', picture.srcdoc.includes('Porcupine'), picture.getAttribute('sandbox'));
const before = picture.srcdoc, button = await until(() => [...document.querySelectorAll('#key-table button')].filter(b => b.textContent === 'picture')[1]);
button.click();
await until(() => picture.srcdoc !== before);
say('second', picture.srcdoc.includes('Porcupine'), location.hash.startsWith('#view=picture&picture=' + $('picture-name').textContent));`))
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
			require.Equal(t, "0 images, 5 scripts, title kept true drawn true", open(t, page, `
for (const d of document.querySelectorAll('details')) d.open = true;
await until(() => !document.getElementById('clients').classList.contains('waiting'));
say(document.images.length, 'images,', document.scripts.length, 'scripts, title kept', document.title !== 'owned',
  'drawn', document.querySelectorAll('#plots svg').length >= 3);`))
		})
	}
}

// BenchmarkMillionOperations measures the page of a long run: its size, the time to its first view, and that until all of it
// answers.
func BenchmarkMillionOperations(b *testing.B) {
	path := filepath.Join(b.TempDir(), "page.html")
	for b.Loop() {
		page := millionPage(b)
		require.NoError(b, os.WriteFile(path, []byte(page), 0o644))
		b.ReportMetric(float64(len(page))/1e6, "MB")
	}
	said := chromium.Open(b, "file://"+path).Say(`
await until(() => performance.getEntriesByName('first-contentful-paint').length);
const view = performance.getEntriesByName('first-contentful-paint')[0].startTime;
await until(() => !document.getElementById('clients').classList.contains('waiting'));
say(view, performance.now());`)
	var view, whole float64
	_, err := fmt.Sscan(said, &view, &whole)
	require.NoError(b, err)
	b.ReportMetric(view, "ms-to-view")
	b.ReportMetric(whole, "ms-to-whole")
}
