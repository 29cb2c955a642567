package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/report/chromium"
)

// lostVote is a run in which a node forgets its vote and two servers lead one term.
func lostVote() report.Sequence {
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	return report.Sequence{
		Title: "vote-not-durable · seed 7 · register", Kind: "invariant: election safety",
		Reason:  "servers 1 and 3 both lead term 2",
		Steps:   []string{"n1→n3 RequestVote 4 is lost", "n2 is killed at 0.155 s and started again", "n1 puts 3"},
		Command: []string{"ordeal", "replay", "it's here.json"},
		Facts:   []report.SequenceFact{{Name: "events", Value: "3", Note: "of 214 recorded"}},
		Nodes:   []string{"n1", "n2", "n3"}, Clients: []string{"client 0"},
		Events: []report.SequenceEvent{
			{Kind: report.SequenceStart, Lane: "n1", Label: "starts"},
			{Kind: report.SequenceStart, Lane: "n2", Label: "starts"},
			{Kind: report.SequenceStart, Lane: "n3", Label: "starts"},
			{At: at(150), Kind: report.SequenceRole, Lane: "n1", Role: "candidate", Term: 2, Label: "candidate, term 2"},
			{At: at(150), Kind: report.SequenceMessage, Lane: "n1", To: "n2", Until: 6, Class: "vote", Label: "RequestVote 2"},
			{At: at(150), Kind: report.SequenceLost, Lane: "n1", To: "n3", Class: "vote", Label: "RequestVote 2"},
			{At: at(152), Kind: report.SequenceArrival, Lane: "n2"},
			{At: at(153), Kind: report.SequenceMessage, Lane: "n2", To: "n1", Until: 8, Class: "vote", Label: "vote", Marked: true},
			{At: at(154), Kind: report.SequenceArrival, Lane: "n1"},
			{At: at(154), Kind: report.SequenceRole, Lane: "n1", Role: "leader", Term: 2, Label: "leads term 2"},
			{At: at(154), Kind: report.SequenceMessage, Lane: "n1", To: "n3", Until: 12, Class: "append", Label: "heartbeat", Minor: true},
			{At: at(155), Kind: report.SequenceDown, Lane: "n2", Label: "killed"},
			{At: at(156), Kind: report.SequenceArrival, Lane: "n3"},
			{At: at(157), Kind: report.SequenceOperation, Lane: "client 0", Until: 16, Class: "info", Label: "put 3 <&> → ?"},
			{At: at(160), Kind: report.SequenceFault, Label: "partition n1 | n2 n3", Class: "partition"},
			{At: at(161), Kind: report.SequenceStart, Lane: "n2", Label: "starts"},
			{At: at(162), Kind: report.SequenceArrival, Lane: "client 0"},
			{At: at(170), Kind: report.SequenceRole, Lane: "n3", Role: "leader", Term: 2, Label: "leads term 2", Marked: true},
			{At: at(170), Kind: report.SequenceViolation, Label: "two leaders of term 2"},
		},
	}
}

func writeSequence(t *testing.T, s report.Sequence) string {
	var b strings.Builder
	require.NoError(t, report.WriteSequence(&b, s))
	return b.String()
}

// Arrows, lanes, operations and the violation are where they belong, and nothing is asked of the network.
func TestSequenceIsDrawn(t *testing.T) {
	page := writeSequence(t, lostVote())
	require.NotRegexp(t, `(?:src|href)="(?:http|/)`, page)
	require.Contains(t, page, "ordeal replay &#39;it&#39;\\&#39;&#39;s here.json&#39;")
	require.Equal(t, strings.TrimSpace(`
short: 3 arrows, 1 lost, 1 marked, 2 leaders, 1 operations, 1 violations
whole: 4 arrows, 1 lost, 1 marked, 2 leaders, 1 operations, 1 violations
the vote goes from n2 to n1, downwards: true true
head stays in view: true
put 3 <&> → ?`), open(t, page, `
document.querySelector('details').open = true;
const count = (root, what) => root.querySelectorAll(what).length;
const tell = (name, root) => say(name, count(root, '.message'), 'arrows,', count(root, '.lost'), 'lost,', count(root, '.message.marked'), 'marked,',
  count(root, 'rect.leader'), 'leaders,', count(root, 'rect.operation'), 'operations,', count(root, '.violation'), 'violations');
const [short, whole] = document.querySelectorAll('.sequence');
tell('short:', short); tell('whole:', whole);
const vote = short.querySelector('.message.marked line'), value = name => Number(vote.getAttribute(name));
const lane = name => Number([...short.querySelectorAll('.lane-name')].find(t => t.textContent === name).getAttribute('x'));
say('the vote goes from n2 to n1, downwards:', value('x1') === lane('n2') && value('x2') === lane('n1'), value('y2') > value('y1'));
whole.scrollTop = 100;
say('head stays in view:', Math.abs(whole.querySelector('.sequence-head').getBoundingClientRect().top - whole.getBoundingClientRect().top) < 3);
say(short.querySelector('.said').textContent);`))
}

// Of a long run the last events are drawn, and the page says so; arrows from what is left out are gone.
func TestSequenceIsCut(t *testing.T) {
	s := lostVote()
	first := s.Events[0]
	for range 3000 {
		s.Events = append([]report.SequenceEvent{first}, s.Events...)
	}
	for i := 3000; i < len(s.Events); i++ {
		if s.Events[i].Until > 0 {
			s.Events[i].Until += 3000
		}
	}
	page := writeSequence(t, s)
	require.Contains(t, page, "The 19 events before are in the file of the trace.")
	require.Equal(t, 1, strings.Count(page, `class="message vote marked"`)-strings.Count(page[strings.Index(page, "<details"):], `class="message vote marked"`))
	require.Contains(t, writeSequence(t, report.Sequence{Title: "empty", Kind: "none"}), "What happened")
}

// The marks are reached by the arrow keys and say what they are; on paper the drawing is as wide as the paper.
func TestSequenceByKeyboardAndOnPaper(t *testing.T) {
	s := lostVote()
	s.Facts = append(s.Facts, report.SequenceFact{Name: "Hash", Value: strings.Repeat("8", 40)})
	s.Events[4].Detail = "asks for a vote\nsent 0.150 s"
	path := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(path, []byte(writeSequence(t, s)), 0o644))
	page := chromium.Open(t, "file://"+path)
	page.Say(`document.querySelector('.sequence-body').focus();`)
	for _, says := range []string{"starts", "starts", "starts", "candidate, term 2", "asks for a vote\nsent 0.150 s"} {
		page.Keys(kb.ArrowDown)
		require.Equal(t, says+" true", page.Say(`
const mark = document.activeElement, tip = document.getElementById('tip');
say(mark.getAttribute('aria-label'), !tip.hidden && tip.textContent === mark.getAttribute('aria-label'));`))
	}
	page.Do(chromedp.EmulateViewport(400, 900))
	page.Media("print")
	require.Equal(t, "true true true", page.Say(`
const body = document.querySelector('.sequence-body');
say(document.documentElement.scrollWidth <= innerWidth, body.getBoundingClientRect().right <= innerWidth, [...document.querySelectorAll('.figures strong')].every(e => e.scrollWidth <= e.clientWidth));`))
}
