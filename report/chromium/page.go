package chromium

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// stepBound is how long one step with a page may take: far longer than any takes on a loaded machine.
const stepBound = 2 * time.Minute

// Page is a page in a window of its own.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// Open opens the page at the address. When the test ends the window is closed, and the test fails if the page has
// complained of anything.
func Open(t testing.TB, url string) *Page {
	t.Helper()
	p := &Page{t: t}
	ctx, cancel := chromedp.NewContext(ensure(t).ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	p.ctx = ctx
	t.Cleanup(func() {
		cancel()
		for _, c := range p.Complaints() {
			t.Errorf("%.300s complains: %.2000s", url, c)
		}
	})
	late := time.AfterFunc(stepBound, cancel)
	err := chromedp.Do(ctx) // the window lives as long as this context: no deadline of its own
	if !late.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		t.Fatalf("opening a window: %v", err)
	}
	p.Do(chromedp.Navigate(url))
	return p
}

// Do takes steps of chromedp's with the page.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepBound)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("driving the page: %v", err)
	}
}

// Media shows the page as on another medium, such as print, or to somebody with other preferences, such as
// "prefers-color-scheme", "dark".
func (p *Page) Media(medium string, preferences ...string) {
	p.t.Helper()
	params := emulation.SetEmulatedMediaParams{Media: medium}
	for i := 0; i+1 < len(preferences); i += 2 {
		params.Features = append(params.Features, &emulation.MediaFeature{Name: preferences[i], Value: preferences[i+1]})
	}
	p.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, params)
		return err
	}))
}

// Keys presses keys, as kb names those that have no character.
func (p *Page) Keys(keys string) {
	p.t.Helper()
	p.Do(chromedp.KeyEvent(keys))
}

// Say runs a script in the page, the body of an async function, and returns the lines that it said. The script has
//
//	say(...words)        adds a line
//	await until(holds)   waits until the function returns something true, which it passes on
func (p *Page) Say(script string) string {
	p.t.Helper()
	const around = `(async () => {
  const said = globalThis.ordealSaid = [], say = (...words) => { said.push(words.join(' ')); };
  const until = async holds => { for (;;) { const got = await holds(); if (got) return got; await new Promise(done => setTimeout(done, 10)); } };
  %s
  ;return said.join('\n');
})()`
	ctx, cancel := context.WithTimeout(p.ctx, stepBound)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(around, script), chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("the script did not end: %v; it said:\n%s\nthe page complained:\n%s", err, p.saidSoFar(), strings.Join(p.Complaints(), "\n"))
	}
	return got
}

// Follow clicks on what the expression gives, once it gives something, that leads to another page. The click comes after the script
// has ended: what is asked of a page that gives way to another may never be answered.
func (p *Page) Follow(expression string) {
	p.t.Helper()
	p.Say(`const link = await until(() => ` + expression + `); setTimeout(() => link.click(), 0);`)
}

// Until waits until the expression is true in the page, across the pages that it goes on to.
func (p *Page) Until(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepBound)
	defer cancel()
	for {
		// While a page gives way to the next, nothing can be asked: that is no failure yet.
		if holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && holds {
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("it never held: %s\nthe page complained:\n%s", expression, strings.Join(p.Complaints(), "\n"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// saidSoFar is what a script said that did not end.
func (p *Page) saidSoFar() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(globalThis.ordealSaid || []).join('\n')`))
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return got
}

// Complaints are what has shown in the page's console so far.
func (p *Page) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.complaints...)
}

// Forgive takes back the complaints so far that contain the text, for tests of what a page does when it is refused
// something, and tells whether there was one.
func (p *Page) Forgive(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kept []string
	for _, c := range p.complaints {
		if !strings.Contains(c, text) {
			kept = append(kept, c)
		}
	}
	forgiven := len(kept) < len(p.complaints)
	p.complaints = kept
	return forgiven
}

// listen runs on the goroutine that reads the window's messages.
func (p *Page) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		p.complain("console." + string(e.Type) + ": " + arguments(e.Args))
	case *runtime.EventExceptionThrown:
		p.complain(exception(e.ExceptionDetails))
	case *log.EventEntryAdded:
		p.complain(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
	case *network.EventLoadingFailed:
		if !e.Canceled { // a stream that ends with its page is cancelled
			p.complain(fmt.Sprintf("load of a %s failed: %s %s", e.Type, e.ErrorText, e.BlockedReason))
		}
	case *page.EventJavascriptDialogOpening:
		p.complain("a dialog opened: " + e.Message)
	}
}

func (p *Page) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, text)
}

func arguments(args []*runtime.RemoteObject) string {
	var words []string
	for _, a := range args {
		word := string(a.Value)
		if a.Description != "" {
			word = a.Description
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func exception(d *runtime.ExceptionDetails) string {
	return (&chromedp.ExceptionError{ExceptionDetails: d}).Error()
}
