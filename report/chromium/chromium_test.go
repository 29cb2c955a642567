package chromium

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// serve answers with one page, and nothing else.
func serve(t *testing.T, page string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,">`+page)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestWhatAPageComplainsOfIsSeen(t *testing.T) {
	for name, test := range map[string]struct{ page, complaint string }{
		"a message":                   {`<script>console.log('hello', 7)</script>`, "console.log: \"hello\" 7"},
		"an error":                    {`<script>console.error(new TypeError('bad'))</script>`, "TypeError: bad"},
		"an exception":                {`<script>null.f()</script>`, "Cannot read properties of null"},
		"a promise nobody heeds":      {`<script>Promise.reject(new Error('lost'))</script>`, "lost"},
		"a refused load":              {`<meta http-equiv="Content-Security-Policy" content="img-src 'none'"><img src="http://127.0.0.1:9/x.png">`, "csp"},
		"a script against the policy": {`<meta http-equiv="Content-Security-Policy" content="script-src 'none'"><script>1</script>`, "Content Security Policy"},
		"a load that failed":          {`<script src="http://127.0.0.1:9/x.js"></script>`, "ERR_"},
		"an exception in a frame of an origin of its own": {`<iframe sandbox="allow-scripts" srcdoc="<script>throw new Error('within')</script>"></iframe>`, "within"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Open(t, serve(t, test.page))
			require.Eventually(t, func() bool { return p.Forgive(test.complaint) }, stepBound, 5*time.Millisecond)
			p.Forgive("") // some say it twice
		})
	}
}

func TestAScriptSays(t *testing.T) {
	p := Open(t, serve(t, `<title>here</title><script>setTimeout(() => { document.title = 'there' }, 50)</script>`))
	require.Equal(t, "visible\nthere 2", p.Say(`
say(document.visibilityState);
const title = await until(() => document.title === 'there' && document.title);
say(title, 1 + 1);`))
	require.Empty(t, p.Complaints())
}

func TestWindowsRememberNothingOfEachOther(t *testing.T) {
	address := serve(t, `<title>x</title>`)
	first, second := Open(t, address), Open(t, address)
	first.Do(chromedp.EmulateViewport(400, 800))
	require.Equal(t, "400", first.Say(`localStorage.setItem('a', '1'); say(innerWidth)`))
	require.Equal(t, "0", second.Say(`say(localStorage.length)`))
}

// A browser that fails or hangs at its first start is started again; one that does so always is given up with its words.
func TestABrowserThatDoesNotComeUp(t *testing.T) {
	real := find()
	if real == "" {
		t.Skip("no Chromium on this machine")
	}
	script := func(t *testing.T, text string) string {
		path := filepath.Join(t.TempDir(), "browser")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755))
		return path
	}
	late, ample := 200*time.Millisecond, time.Minute
	for name, first := range map[string]attempt{"ends once": {script(t, "exit 1"), ample}, "hangs once": {script(t, "exec sleep 1000"), late}} {
		t.Run(name, func(t *testing.T) {
			b, err := start([]attempt{first, attempts(real)[1]})
			require.NoError(t, err)
			b.stop()
		})
	}
	t.Run("ends always", func(t *testing.T) {
		_, err := start(attempts(script(t, "echo no display; exit 1")))
		require.Error(t, err)
		each := strings.Split(err.Error(), "it wrote:")[1:]
		require.Len(t, each, 2, "both attempts: %v", err)
		for _, wrote := range each { // beside what is said of the broken pipe to it
			require.Contains(t, wrote, "no display")
		}
	})
	t.Run("hangs always", func(t *testing.T) {
		path := script(t, "exec sleep 1000")
		_, err := start([]attempt{{path, late}, {path, 2 * late}})
		require.ErrorContains(t, err, "did not come up within 200ms")
		require.ErrorContains(t, err, "did not come up within 400ms", "the second attempt")
	})
}
