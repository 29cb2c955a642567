package external

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/managed"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// request is a line to the program.
type request struct {
	ID       uint64      `json:"id"`
	Do       string      `json:"do"`
	Protocol int         `json:"protocol,omitempty"`
	Nodes    []string    `json:"nodes,omitempty"`
	Node     string      `json:"node,omitempty"`
	Links    [][2]string `json:"links,omitempty"`
	Client   uint64      `json:"client,omitempty"`
	Op       *operation  `json:"op,omitempty"`
	Timeout  int64       `json:"timeout_ms,omitempty"`
}

type operation struct {
	Object string        `json:"object,omitempty"`
	F      string        `json:"f"`
	Key    string        `json:"key"`
	Value  history.Value `json:"value"`
}

// answer is a line from it.
type answer struct {
	ID    uint64 `json:"id"`
	Error string `json:"error"`

	Protocol  int               `json:"protocol"`  // hello
	Name      string            `json:"name"`      // hello
	Abilities managed.Abilities `json:"abilities"` // hello

	Running bool `json:"running"` // state
	Paused  bool `json:"paused"`
	PID     int  `json:"pid"`

	Crossed []bool `json:"crossed"` // probe

	Leads   bool   `json:"leads"` // status
	Term    uint64 `json:"term"`
	Commit  uint64 `json:"commit"`
	Applied uint64 `json:"applied"`

	Type  string        `json:"type"` // invoke
	Value history.Value `json:"value"`
	Node  string        `json:"node"`
	Index uint64        `json:"index"`
}

func (a answer) checkHello() error {
	if a.Protocol != Version {
		return fmt.Errorf("it speaks protocol %d, and this program %d: answer {\"protocol\":%d,...}", a.Protocol, Version, Version)
	}
	if a.Name == "" || strings.ContainsAny(a.Name, "\n\r") {
		return errors.New("it does not say what the system is called: answer {\"name\":...}")
	}
	for _, w := range a.Abilities.Workloads {
		if !slices.Contains(workloads.Names(), w) {
			return fmt.Errorf("there is no workload %q; there are %s", w, strings.Join(workloads.Names(), ", "))
		}
	}
	return nil
}

// Name implements managed.Manager.
func (p *Program) Name() string { return p.hello.Name }

// Abilities implements managed.Manager. A program that names no workload knows the register.
func (p *Program) Abilities() managed.Abilities {
	a := p.hello.Abilities
	if len(a.Workloads) == 0 {
		a.Workloads = []string{"register"}
	}
	return a
}

// Setup implements managed.Manager.
func (p *Program) Setup(ctx context.Context, nodes []string) error {
	_, err := p.ask(ctx, request{Do: "setup", Nodes: nodes})
	if err != nil {
		return fmt.Errorf("%s: setup: %w", p.Name(), err)
	}
	return nil
}

func (p *Program) node(ctx context.Context, do, node string) error {
	_, err := p.ask(ctx, request{Do: do, Node: node})
	return err
}

// Start implements managed.Manager.
func (p *Program) Start(ctx context.Context, node string) error { return p.node(ctx, "start", node) }

// Kill implements managed.Manager.
func (p *Program) Kill(ctx context.Context, node string) error { return p.node(ctx, "kill", node) }

// Pause implements managed.Manager.
func (p *Program) Pause(ctx context.Context, node string) error { return p.node(ctx, "pause", node) }

// Resume implements managed.Manager.
func (p *Program) Resume(ctx context.Context, node string) error { return p.node(ctx, "resume", node) }

// State implements managed.Manager.
func (p *Program) State(ctx context.Context, node string) (managed.State, error) {
	a, err := p.ask(ctx, request{Do: "state", Node: node})
	return managed.State{Running: a.Running, Paused: a.Paused, PID: a.PID}, err
}

func pairs(links []nemesis.Link) [][2]string {
	all := [][2]string{}
	for _, l := range links {
		all = append(all, [2]string{l.From, l.To})
	}
	return all
}

// Cut implements managed.Manager.
func (p *Program) Cut(ctx context.Context, links []nemesis.Link) error {
	_, err := p.ask(ctx, request{Do: "cut", Links: pairs(links)})
	return err
}

// Probe implements managed.Manager.
func (p *Program) Probe(ctx context.Context, links []nemesis.Link) ([]bool, error) {
	a, err := p.ask(ctx, request{Do: "probe", Links: pairs(links)})
	return a.Crossed, err
}

// Status implements managed.Manager.
func (p *Program) Status(ctx context.Context, node string) (systems.Status, error) {
	a, err := p.ask(ctx, request{Do: "status", Node: node})
	return systems.Status{Leads: a.Leads, Term: a.Term, Commit: a.Commit, Applied: a.Applied}, err
}

// Logs writes what the program has said on its standard error.
func (p *Program) Logs(_ context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "program.log"), p.stderr.text(), 0o644)
}

// Teardown asks the program to end its nodes, ends its input, and kills what is left of it after a while.
func (p *Program) Teardown(ctx context.Context) error {
	var told error
	p.closing.Do(func() {
		asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		select {
		case <-p.ended: // there is nobody to ask
		default:
			_, told = p.ask(asked, request{Do: "teardown"})
		}
		close(p.quit)
	})
	select {
	case <-p.ended:
	case <-time.After(endTime):
	}
	p.kill() // what it has left in its process group too
	<-p.ended
	if told != nil {
		told = fmt.Errorf("%s: teardown: %w", p.command[0], told)
	}
	return errors.Join(told, p.release())
}

// Open implements managed.Manager.
func (p *Program) Open(node string) (systems.Client, error) {
	p.mu.Lock()
	p.clients++
	c := &client{program: p, number: p.clients, node: node}
	p.mu.Unlock()
	if _, err := p.ask(context.Background(), request{Do: "open", Client: c.number, Node: node}); err != nil {
		return nil, fmt.Errorf("%s: open: %w", p.Name(), err)
	}
	return c, nil
}

type client struct {
	program *Program
	number  uint64
	node    string
}

// Close lets the program know, and does not wait long for an answer: one that hangs would be waited for by each client in turn.
func (c *client) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, _ = c.program.ask(ctx, request{Do: "close", Client: c.number}) // there is nothing to be done where it fails
}

// Invoke implements systems.Client. An answer that does not say what became of the operation leaves it unknown.
func (c *client) Invoke(ctx context.Context, op workloads.Operation) systems.Completion {
	q := request{Do: "invoke", Client: c.number, Op: &operation{Object: string(op.Object), F: op.F, Key: op.Key, Value: op.Input}}
	if deadline, ok := ctx.Deadline(); ok {
		q.Timeout = max(1, time.Until(deadline).Milliseconds())
	}
	a, err := c.program.ask(ctx, q)
	if err != nil {
		out := systems.Completion{Type: history.Info, Node: c.node, Error: err.Error()}
		if errors.As(err, &notSent{}) {
			out.Type = history.Fail
		}
		return out
	}
	out := systems.Completion{Output: a.Value, Node: a.Node, LogIndex: a.Index, Error: a.Error}
	if out.Node == "" {
		out.Node = c.node
	}
	switch a.Type {
	case "ok":
		out.Type = history.OK
	case "fail":
		out.Type = history.Fail
	case "info":
		out.Type = history.Info
	default:
		out.Type, out.Error = history.Info, fmt.Sprintf("the program answers with the type %q; want ok, fail or info", a.Type)
	}
	if out.Type != history.OK {
		out.Output = history.Nil
	}
	return out
}
