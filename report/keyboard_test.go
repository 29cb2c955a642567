package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/report/chromium"
)

// The whole page can be walked through with the Tab key, and the marks of each drawing with the arrow keys; each says what it is.
func TestThePageByKeyboard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(path, []byte(invalidPage(t)), 0o644))
	page := chromium.Open(t, "file://"+path)
	page.Say(`
await until(() => !document.getElementById('clients').classList.contains('waiting') && document.querySelector('#key-table tbody a') && document.getElementById('log-now'));
globalThis.where = () => {
  const e = document.activeElement, drawing = e.closest('svg.draw');
  if (drawing) return (drawing.closest('#plots') ? 'plot ' : 'evidence ') + [...document.querySelectorAll('svg.draw')].indexOf(drawing);
  return e === document.body ? 'end' : e.id || e.getAttribute('href') || e.name || e.className || e.tagName;
};`)
	arrow := func(keys string) string {
		page.Keys(keys)
		return page.Say(`
const e = document.activeElement, tip = document.getElementById('tip'), style = getComputedStyle(e.matches('g') ? e.querySelector('rect') : e);
say(e.matches('svg.draw') ? 'still the drawing' : e.getAttribute('aria-label') === tip.textContent && !tip.hidden ? 'says what it is' : 'silent',
  e.matches('g') ? parseFloat(style.strokeWidth) >= 2 : style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2);
`) + " " + page.Say(`say(document.getElementById('tip').textContent.split('\n')[0])`)
	}
	visited := map[string]int{}
	drawings := 0
	for at := ""; at != "end"; {
		page.Keys(kb.Tab)
		at = page.Say(`say(where())`)
		visited[at]++
		require.Less(t, len(visited), 500, "the walk comes to an end")
		require.Less(t, visited[at], 120, "nothing holds the focus: %s", at)
		plot := strings.HasPrefix(at, "plot ")
		if !plot && !strings.HasPrefix(at, "evidence ") {
			continue
		}
		drawings++
		require.Regexp(t, "says what it is true .", arrow(kb.ArrowRight), at)
		first := page.Say(`say(document.activeElement.getAttribute('aria-label'))`)
		require.Regexp(t, "says what it is true .", arrow(kb.ArrowRight), at)
		require.NotEqual(t, first, page.Say(`say(document.activeElement.getAttribute('aria-label'))`), at)
		require.Regexp(t, "says what it is true .", arrow(kb.Home), at)
		require.Equal(t, first, page.Say(`say(document.activeElement.getAttribute('aria-label'))`), at)
		require.Regexp(t, "says what it is true .", arrow(kb.ArrowDown), at)
		if plot {
			page.Keys(kb.Enter)
			require.Equal(t, "true", page.Say(`say(/at=[\d.]+/.test(location.hash) && !document.getElementById('moment').hidden)`), at)
		}
	}
	require.GreaterOrEqual(t, drawings, 6, "evidence, faults, throughput, latency, leaders, commit index: %v", visited)
	for _, stop := range []string{"#main", "#evidence", "#time", "to-evidence", "plots", "key", "client", "f", "outcome", "q", "clients-in", "lanes", "log-grep", "log-lines", "key-search", "key-verdict", "picture-key"} {
		require.Positive(t, visited[stop], "%s: %v", stop, visited)
	}
}
