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
	"sync"
	"syscall"
	"time"
)

// Version of the protocol.
const Version = 1

const (
	longestLine = 16 << 20 // bytes of an answer
	lastWords   = 2000     // bytes of what the program said last, in an error
	helloTime   = 30 * time.Second
	endTime     = 5 * time.Second        // for the program to end once its input has
	pipeTime    = 500 * time.Millisecond // for what an ended program has written to be read, where its nodes hold its pipes open
)

// Program is a running program. It implements managed.Manager.
type Program struct {
	command []string
	cmd     *exec.Cmd
	hello   answer
	lines   chan []byte   // to its input
	quit    chan struct{} // closed when no more is to be sent
	ended   chan struct{} // closed when it has ended and all that it said was read
	stderr  words

	mu      sync.Mutex
	next    uint64
	clients uint64
	pending map[uint64]chan answer
	why     error // that it has ended
	closing sync.Once
}

// Start starts the program and greets it. It is ended by Teardown.
func Start(ctx context.Context, command []string) (*Program, error) {
	if len(command) == 0 || command[0] == "" {
		return nil, errors.New("name a program: exec:PROGRAM")
	}
	p := &Program{command: command, lines: make(chan []byte), quit: make(chan struct{}), ended: make(chan struct{}), pending: map[uint64]chan answer{}}
	if err := p.start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
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
	if err := scanner.Err(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, os.ErrClosed) {
		p.kill()
		return fmt.Errorf("reading what it wrote: %w", err)
	}
	return nil
}

// wait waits for the program's end and for all that it has said, and tells everybody who waits for an answer.
func (p *Program) wait(out *os.File, said <-chan error) {
	waited := p.cmd.Wait()
	_ = out.SetReadDeadline(time.Now().Add(pipeTime)) // its nodes may hold the pipe
	wrong := <-said
	_ = out.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case wrong != nil:
		p.why = wrong
	case waited != nil && !errors.Is(waited, exec.ErrWaitDelay):
		p.why = fmt.Errorf("it has ended: %w", waited)
	default:
		p.why = errors.New("it has ended")
	}
	if last := p.stderr.last(); last != "" {
		p.why = fmt.Errorf("%w; it said last:\n%s", p.why, last)
	}
	close(p.ended)
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
	select {
	case p.lines <- append(line, '\n'):
	case <-p.ended:
		return answer{}, notSent{p.reason()}
	case <-p.quit:
		return answer{}, notSent{errors.New("it is being ended")}
	case <-ctx.Done():
		return answer{}, notSent{ctx.Err()}
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
	}
}

func (p *Program) forget(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, id)
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
