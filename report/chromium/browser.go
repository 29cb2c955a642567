package chromium

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// attempt is a start of a browser, and how long it may take until it answers.
type attempt struct {
	path  string
	bound time.Duration
}

// attempts are those that are made. A start takes less than a second on an idle machine.
func attempts(path string) []attempt {
	return []attempt{{path, 30 * time.Second}, {path, 2 * time.Minute}}
}

// names are what a Chromium is called on the systems that we know.
var names = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

// shared is the browser of the test program.
var shared struct {
	once    sync.Once
	browser *browser // nil: there is none
	err     error    // why it could not be started; nil without a browser: the machine has none
}

// Main runs the tests and ends the browser that they started. It is for TestMain: os.Exit(chromium.Main(m)).
func Main(m *testing.M) int {
	defer func() {
		if shared.browser != nil {
			shared.browser.stop()
		}
	}()
	return m.Run()
}

// ensure is the test program's browser. It skips the test where the machine has none.
func ensure(t testing.TB) *browser {
	t.Helper()
	shared.once.Do(func() {
		if path := find(); path != "" {
			shared.browser, shared.err = start(attempts(path))
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	if shared.browser == nil {
		t.Skip("no Chromium on this machine: pages are not opened")
	}
	return shared.browser
}

// find is the path of a Chromium, "" where there is none.
func find() string {
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil && exec.Command(path, "--version").Run() == nil { // some are only a hint on how to install it
			return path
		}
	}
	return ""
}

// browser is a running Chromium.
type browser struct {
	ctx  context.Context // chromedp's
	stop func()
}

// start starts a Chromium, and where it does not answer in time another, with a profile of its own.
func start(all []attempt) (*browser, error) {
	var failures []error
	for _, a := range all {
		b, err := startOnce(a.path, a.bound)
		if err == nil {
			return b, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

func startOnce(path string, bound time.Duration) (*browser, error) {
	var said output
	parent, abort := context.WithCancel(context.Background())
	allocator, release := chromedp.NewExecAllocator(parent, options(path, &said)...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(said.note))
	stop := func() { // once: cancel waits for something that comes once
		abort()
		cancel()
		release() // waits for the process and removes its profile
	}
	late := time.AfterFunc(bound, abort)
	err := chromedp.Do(ctx) // no step: it only connects
	if !late.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("%s did not come up within %v: %w; it wrote:\n%s", path, bound, err, said.tail())
	}
	return &browser{ctx: ctx, stop: stop}, nil
}

// options are the browser's flags. The profile is a folder of chromedp's own making, removed at the end.
func options(path string, said *output) []chromedp.ExecAllocatorOption {
	return append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // containers, and root
		chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("hide-scrollbars", true),
		// A sandboxed frame in a process of its own would have a console of its own, which nobody reads.
		chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,IsolateSandboxedIframes"),
		chromedp.WindowSize(1280, 1600),
		// No session bus to be waited for, nor one started.
		chromedp.Env("DBUS_SESSION_BUS_ADDRESS=disabled:", "DBUS_SYSTEM_BUS_ADDRESS=disabled:", "LANG=en_US.UTF-8"),
		chromedp.CombinedOutput(said),
	)
}

const keptOutput = 16 << 10 // bytes

// output keeps the end of what a browser writes.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	if extra := len(o.text) - keptOutput; extra > 0 {
		o.text = bytes.Clone(o.text[extra:])
	}
	return len(b), nil
}

func (o *output) note(format string, args ...any) { fmt.Fprintf(o, format+"\n", args...) }

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
