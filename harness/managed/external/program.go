// Package external lets a program of the user's, in any language, run the nodes of a test and talk to them: `--system exec:PROGRAM`. It and the
// harness exchange lines of JSON on the program's standard input and output (docs/exec-protocol.md).
package external

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/harness/local"
)

// Version of the protocol.
const Version = 1

const (
	longestLine = 16 << 20               // bytes of an answer
	lastWords   = 2000                   // bytes of what the program said last, in an error
	endTime     = 5 * time.Second        // for the program to end once its input has
	pipeTime    = 500 * time.Millisecond // for what an ended program has written to be read, where its nodes hold its pipes open
)

// patience is how long a question may be left unanswered. A program that leaves one longer is ended: nobody can tell what its nodes do, and whoever asks
// next would wait as long. An operation of a client's is given up at its own time-out, and the program goes on.
type patience struct {
	begin time.Duration // for setup and start
	other time.Duration
}

var usualPatience = patience{begin: 2 * time.Minute, other: 30 * time.Second}

// bound is that of a question; 0: whoever asks gives it up.
func (p patience) bound(do string) time.Duration {
	switch do {
	case "invoke":
		return 0
	case "setup", "start":
		return p.begin
	}
	return p.other
}

// Program is a running program. It implements managed.Manager.
type Program struct {
	command []string
	bounds  patience
	cmd     *exec.Cmd
	hello   answer
	lines   chan []byte   // to its input
	quit    chan struct{} // closed when no more is to be sent
	gone    chan struct{} // closed when its process has ended
	ended   chan struct{} // closed when it has ended and all that it said was read
	stderr  words
	release func() error // what clean-up would know of it

	mu      sync.Mutex
	next    uint64
	clients uint64
	pending map[uint64]chan answer
	killed  error // why the harness has ended it; nil: it has not
	why     error // that it has ended
	over    error // the same in one line
	closing sync.Once
}

// Start starts the program and greets it. It is ended by Teardown.
func Start(ctx context.Context, command []string) (*Program, error) {
	return launch(ctx, command, usualPatience)
}

func launch(ctx context.Context, command []string, bounds patience) (*Program, error) {
	if len(command) == 0 || command[0] == "" {
		return nil, errors.New("name a program: exec:PROGRAM")
	}
	p := &Program{command: command, bounds: bounds, lines: make(chan []byte), quit: make(chan struct{}), gone: make(chan struct{}), ended: make(chan struct{}), pending: map[uint64]chan answer{}}
	if err := p.start(); err != nil {
		return nil, err
	}
	var err error
	if p.hello, err = p.ask(ctx, request{Do: "hello", Protocol: Version}); err == nil {
		err = p.hello.checkHello()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: hello: %w", command[0], err), p.Teardown(ctx))
	}
	return p, nil
}

func (p *Program) start() error {
	// A context must not end the program: it runs nodes, and whoever gives up a question has not given up those.
	p.cmd = exec.Command(p.command[0], p.command[1:]...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for the harness
	p.cmd.Stderr, p.cmd.WaitDelay = &p.stderr, pipeTime
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd.Stdout = theirs
	err = p.cmd.Start()
	_ = theirs.Close() // theirs alone now
	if err != nil {
		_ = out.Close()
		return fmt.Errorf("%s: %w", p.command[0], err)
	}
	if p.release, err = local.Adopt(p.command[0], p.cmd.Process.Pid); err != nil {
		p.kill()
		_, _, _ = out.Close(), in.Close(), p.cmd.Wait()
		return fmt.Errorf("putting %s on record: %w", p.command[0], err)
	}
	said := make(chan error, 1)
	go func() { said <- p.listen(out) }()
	go p.talk(in)
	go p.wait(out, said)
	return nil
}

// talk writes what there is to be said until nothing more is.
func (p *Program) talk(in io.WriteCloser) {
	defer in.Close()
	for {
		select {
		case line := <-p.lines:
			if _, err := in.Write(line); err != nil {
				return // it has ended, or closed its input; whoever waits for an answer is told when it has ended
			}
		case <-p.quit:
			return
		case <-p.ended:
			return
		}
	}
}

// listen reads answers to the end of the program's output.
func (p *Program) listen(out io.Reader) error {
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, longestLine)
	for scanner.Scan() {
		line := bytes.TrimSpace(scanner.Bytes())
		if len(line) == 0 {
			continue
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil || a.ID == 0 {
			p.kill()
			return fmt.Errorf("it wrote a line that is no answer (what is for people belongs on its standard error): %.200s", line)
		}
		p.mu.Lock()
		asker := p.pending[a.ID] // nil: it has given up
		delete(p.pending, a.ID)
		known := a.ID <= p.next
		p.mu.Unlock()
		if asker != nil {
			asker <- a
		}
		if !known {
			p.kill()
			return fmt.Errorf("it answered question %d, which nobody has asked: %.200s", a.ID, line)
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		p.kill()
		return fmt.Errorf("it wrote a line of more than %d MiB: end every answer with a line feed", longestLine>>20)
	}
	if err := scanner.Err(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, os.ErrClosed) {
		p.kill()
		return fmt.Errorf("reading what it wrote: %w", err)
	}
	p.mute()
	return nil
}

// mute gives up a program that can say no more and does not end.
func (p *Program) mute() {
	select {
	case <-p.gone:
	case <-p.quit: // Teardown ends it
	case <-time.After(endTime):
		p.giveUp(errors.New("it closed its standard output, where its answers belong, and went on running: leave it open"))
	}
}

// wait waits for the program's end and for all that it has said, and tells everybody who waits for an answer.
func (p *Program) wait(out *os.File, said <-chan error) {
	waited := p.cmd.Wait()
	close(p.gone)
	_ = out.SetReadDeadline(time.Now().Add(pipeTime)) // its nodes may hold the pipe
	wrong := <-said
	_ = out.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.killed != nil:
		p.why = p.killed
	case wrong != nil:
		p.why = wrong
	case waited != nil && !errors.Is(waited, exec.ErrWaitDelay):
		p.why = fmt.Errorf("it has ended: %w", waited)
	default:
		p.why = errors.New("it has ended")
	}
	p.over = p.why
	if last := p.stderr.last(); last != "" {
		p.over = fmt.Errorf("%w; it said last: %s", p.why, last[strings.LastIndexByte(last, '\n')+1:])
		p.why = fmt.Errorf("%w; it said last:\n%s", p.why, last)
	}
	close(p.ended)
}

// giveUp ends the program for a reason, which everybody is told who waits for an answer.
func (p *Program) giveUp(why error) {
	p.mu.Lock()
	if p.killed == nil {
		p.killed = why
	}
	p.mu.Unlock()
	p.kill()
}

// silence is a program's that leaves a question unanswered.
func (p *Program) silence(q request, bound time.Duration) error {
	about := ""
	if q.Node != "" {
		about = " about " + q.Node
	}
	return fmt.Errorf("it left %q%s unanswered for %v, and was ended for it: have it answer, if only with an \"error\", and no slow operation hold up its other answers (docs/exec-protocol.md)",
		q.Do, about, bound)
}

// kill ends the program and what it has started in its process group.
func (p *Program) kill() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// notSent is an error of a question that never left.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// ask puts a question and waits for its answer. An error of the answer's own is an error.
func (p *Program) ask(ctx context.Context, q request) (answer, error) {
	asker := make(chan answer, 1)
	p.mu.Lock()
	p.next++
	q.ID = p.next
	p.pending[q.ID] = asker
	p.mu.Unlock()
	defer p.forget(q.ID)
	line, err := json.Marshal(q)
	if err != nil {
		return answer{}, notSent{err}
	}
	var late <-chan time.Time // never, where there is no bound
	bound := p.bounds.bound(q.Do)
	if bound > 0 {
		timer := time.NewTimer(bound)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case p.lines <- append(line, '\n'):
	case <-p.ended:
		return answer{}, notSent{p.reason()}
	case <-p.quit:
		return answer{}, notSent{errors.New("it is being ended")}
	case <-ctx.Done():
		return answer{}, notSent{fmt.Errorf("%q could not be asked: %w", q.Do, ctx.Err())}
	case <-late:
		p.giveUp(p.silence(q, bound))
		return answer{}, notSent{p.silence(q, bound)}
	}
	select {
	case a := <-asker:
		if a.Error != "" && a.Type == "" {
			return a, errors.New(a.Error)
		}
		return a, nil
	case <-p.ended:
		return answer{}, p.reason()
	case <-ctx.Done():
		return answer{}, fmt.Errorf("no answer to %q: %w", q.Do, ctx.Err())
	case <-late:
		p.giveUp(p.silence(q, bound))
		return answer{}, p.silence(q, bound)
	}
}

func (p *Program) forget(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, id)
}

// Over tells in a line why the program has ended; nil: it has not.
func (p *Program) Over() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over == nil {
		return nil
	}
	return fmt.Errorf("the program %s is gone: %w", p.command[0], p.over)
}

func (p *Program) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// words keeps all that the program says on its standard error, up to a bound, and the end of it.
type words struct {
	mu  sync.Mutex
	all []byte
}

const mostWords = 4 << 20

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, b...)
	if len(w.all) > mostWords {
		w.all = append(w.all[:0], w.all[len(w.all)-mostWords/2:]...)
	}
	return len(b), nil
}

func (w *words) text() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.all)
}

func (w *words) last() string {
	all := bytes.TrimSpace(w.text())
	return string(all[max(0, len(all)-lastWords):])
}
