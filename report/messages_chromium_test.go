package report_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/report/chromium"
	"github.com/ordeal-dev/ordeal/store"
)

// makeTrace gives the run a trace: its operations, with a message and its answer for each, and heartbeats.
func makeTrace(t *testing.T, run *store.Run) {
	path, err := run.History()
	require.NoError(t, err)
	r, err := history.Open(path)
	require.NoError(t, err)
	defer r.Close()
	w, err := run.CreateTrace()
	require.NoError(t, err)
	w.Write(&store.TraceEvent{Kind: store.TraceStarted, Node: "n1"})
	w.Write(&store.TraceEvent{Kind: store.TraceRole, Node: "n1", Term: 1, Text: "leader"})
	for number := uint64(1); ; number++ {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if e.Process == history.NemesisProcess {
			continue
		}
		if e.Type != history.Invoke {
			w.Write(&store.TraceEvent{At: e.Time, Kind: store.TraceCompleted, Number: uint64(e.Process), Index: uint64(e.Index)})
			continue
		}
		w.Write(&store.TraceEvent{At: e.Time, Kind: store.TraceInvoked, Number: uint64(e.Process), Index: uint64(e.Index)})
		m := store.TraceEvent{At: e.Time, Kind: store.TraceSent, Node: "n1", Peer: "n2", Number: number, Term: 1, Label: "append " + e.Key, Class: "append", Minor: number%3 == 0}
		w.Write(&m)
		w.Write(&store.TraceEvent{At: e.Time + time.Microsecond, Kind: store.TraceDelivered, Node: "n1", Peer: "n2", Number: number, Term: 1})
	}
	require.NoError(t, w.Close())
}

func TestFromTheEvidenceToTheMessagesAndBack(t *testing.T) {
	p := defaultPlan()
	p.length, p.stale = 8*time.Second, 4*time.Second
	run := p.makeRun(t, t.TempDir(), "traced")
	makeTrace(t, run)
	require.NoError(t, report.Build(run.Folder))
	page := chromium.Open(t, "file://"+run.Path(store.ReportFile))
	page.Follow(`[...document.querySelectorAll('.proof[open] .go a')].find(a => a.textContent.startsWith('What they told'))`)
	page.Until(`document.getElementById('messages') && !document.getElementById('messages').classList.contains('waiting')`)
	require.Equal(t, strings.TrimSpace(`
names over their lanes true
at true, lanes n1 n2 n3 n4 n5 client 0
evidence in view true
explained part of the evidence
later true
more with heartbeats true
found true put
fewer without clients true`), page.Say(`
const $ = id => document.getElementById(id), at = () => Number(new URLSearchParams(location.hash.slice(1)).get('at')), click = id => $(id).click();
const body = document.querySelector('.sequence-body'), middle = e => { const box = e.getBoundingClientRect(); return box.left + box.width / 2; };
const lifelines = [...new Set([...body.querySelectorAll('.life, rect.leader')].map(l => Math.round(middle(l))))].sort((a, b) => a - b);
say('names over their lanes', [...document.querySelectorAll('.lane-name')].every((l, i) => Math.abs(middle(l) - lifelines[i]) <= 2));
say('at', (at() > 0) + ', lanes', [...document.querySelectorAll('.lane-name')].slice(0, 6).map(l => l.textContent).join(' '));
const proof = document.querySelector('.call.marked');
say('evidence in view', !!proof);
proof.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: 200, clientY: 200 }));
say('explained', $('tip').textContent.split('\n').at(-1));
const before = at(), shown = () => Number(/of ([\d,]+) events/.exec($('told').textContent)[1].replaceAll(',', ''));
click('later');
say('later', at() > before);
const few = shown();
click('minor');
say('more with heartbeats', shown() > few && location.hash.includes('minor=1'));
click('minor');
$('q').value = 'put'; $('q').dispatchEvent(new Event('input'));
click('next');
say('found', document.querySelectorAll('.found').length > 0, new URLSearchParams(location.hash.slice(1)).get('q'));
click('clients');
say('fewer without clients', shown() < few && !document.querySelector('.call'));
click('clients');
document.querySelector('.sequence-body').focus();`))
	page.Keys(kb.ArrowDown)
	page.Keys(kb.ArrowDown)
	require.Equal(t, "true true", page.Say(`
const mark = document.activeElement, tip = document.getElementById('tip');
say(mark.matches('g[data-event]') && mark.getAttribute('aria-label').length > 10, !tip.hidden && tip.textContent === mark.getAttribute('aria-label'));`))
	address := page.Say(`say(location.href)`)
	told := page.Say(`say(document.getElementById('told').textContent)`)
	again := chromium.Open(t, address)
	again.Until(`document.getElementById('told').textContent !== ''`)
	require.Equal(t, told, again.Say(`say(document.getElementById('told').textContent)`), "a colleague sees the same")

	// From an operation to its messages.
	again.Follow(`document.querySelector('.banner a')`)
	again.Until(`document.getElementById('lanes') && !document.getElementById('clients').classList.contains('waiting')`)
	event := again.Say(`
document.querySelector('.proof tbody a').click();
await until(() => !document.getElementById('operation').hidden);
say(new URLSearchParams(location.hash.slice(1)).get('op'));`)
	again.Follow(`document.getElementById('operation-messages')`)
	again.Until(`document.getElementById('told') && document.getElementById('told').textContent !== ''`)
	require.Equal(t, "true", again.Say(`say([...document.querySelectorAll('.call.marked')].some(g => g.querySelector('title').textContent.includes('event `+event+` of the history')))`))
}

func TestHostileMessagesAreShownHarmlessly(t *testing.T) {
	run := hostileRun(t)
	w, err := run.CreateTrace()
	require.NoError(t, err)
	for i, s := range hostile {
		w.Write(&store.TraceEvent{At: time.Duration(i), Kind: store.TraceSent, Node: s, Peer: "n1", Number: uint64(i), Label: s, Class: s})
		w.Write(&store.TraceEvent{At: time.Duration(i), Kind: store.TraceRole, Node: "n1", Text: s, Term: 1<<64 - 1})
		w.Write(&store.TraceEvent{At: time.Duration(i), Kind: store.TraceFaultBegan, Text: s})
		w.Write(&store.TraceEvent{At: time.Duration(i), Kind: store.TraceInvoked, Number: 1<<64 - 1, Index: uint64(i)})
		w.Write(&store.TraceEvent{At: time.Duration(i), Kind: store.TraceViolation, Node: s, Text: s})
	}
	require.NoError(t, w.Close())
	require.NoError(t, report.Build(run.Folder))
	page := chromium.Open(t, "file://"+run.Path(store.MessagesFile))
	page.Until(`document.getElementById('told').textContent !== ''`)
	require.Equal(t, "0 images, 2 scripts, title kept true drawn true", page.Say(`
say(document.images.length, 'images,', document.scripts.length, 'scripts, title kept', document.title !== 'owned', 'drawn', document.querySelectorAll('g[data-event]').length > 20);`))
}
