package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/ordeal-dev/ordeal/harness"
)

// plainEvery is how often a line of progress is printed where there is no terminal.
const plainEvery = 5 * time.Second

// progress shows what goes on: one line that changes on a terminal, plain lines elsewhere, nothing when quiet.
type progress struct {
	w        io.Writer
	quiet    bool
	terminal bool
	start    time.Time

	mu   sync.Mutex    // an interruption is told of from a goroutine of its own
	last time.Duration // elapsed time of the last plain line
	open bool          // the terminal's line is not ended
}

func newProgress(w io.Writer, quiet bool) *progress {
	return &progress{w: w, quiet: quiet, terminal: isTerminal(w), start: time.Now()}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// note prints a line that stays.
func (p *progress) note(format string, args ...any) {
	if !p.quiet {
		p.warn(format, args...)
	}
}

// warn prints a line that stays, also when quiet.
func (p *progress) warn(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLine()
	fmt.Fprintf(p.w, "%5.1fs  %s\n", time.Since(p.start).Seconds(), harmless(fmt.Sprintf(format, args...)))
}

// Phase implements harness.Progress.
func (p *progress) Phase(text string) {
	p.mu.Lock()
	p.last = 0
	p.mu.Unlock()
	p.note("%s", text)
}

// Show implements harness.Progress.
func (p *progress) Show(s harness.Snapshot) {
	p.changing(snapshotLine(s), s.Elapsed)
}

// line shows a line in the place of the one before.
func (p *progress) line(text string) { p.changing(text, time.Since(p.start)) }

// changing shows a line in the place of the one before, or, where there is no terminal, once in a while.
func (p *progress) changing(text string, now time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.quiet:
	case p.terminal:
		p.rewrite(text)
	case now-p.last >= plainEvery:
		p.last = now
		fmt.Fprintf(p.w, "%5.1fs  %s\n", time.Since(p.start).Seconds(), text)
	}
}

// rewrite changes the terminal's line.
func (p *progress) rewrite(text string) {
	width, _, err := term.GetSize(int(p.w.(*os.File).Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	line := []rune(harmless(text))
	if len(line) > width-1 {
		line = line[:width-1]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", string(line))
	p.open = true
}

// end ends the line that changes.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLine()
}

func (p *progress) endLine() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}

func snapshotLine(s harness.Snapshot) string {
	leader := s.Leader
	if leader == "" {
		leader = "none"
	}
	faults := "none"
	if len(s.Faults) > 0 {
		faults = strings.Join(s.Faults, " + ")
	}
	return fmt.Sprintf("%2.0fs of %.0fs  %.0f op/s  ok %d  fail %d  info %d  leader %s  faults: %s", s.Elapsed.Seconds(), s.Duration.Seconds(),
		s.PerSecond, s.OK, s.Fail, s.Info, leader, faults)
}
