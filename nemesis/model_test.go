package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fakeClock moves only when somebody sleeps or works on it.
type fakeClock struct {
	now time.Duration
	at  map[time.Duration]func() // called when the clock reaches the time
}

func (c *fakeClock) Now() time.Duration { return c.now }

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	end := c.now + max(d, 0)
	for t, f := range c.at {
		if t <= end {
			c.now = max(c.now, t)
			delete(c.at, t)
			f()
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	c.now = end
	return ctx.Err()
}

// modelWorld is a cluster in memory. It really keeps links and processes, and each call takes a millisecond. With breakage
// it misbehaves in one scripted way.
type modelWorld struct {
	clock    *fakeClock
	nodes    []string
	cut      map[Link]uint64 // cut links with the packets dropped since
	process  map[string]ProcessState
	nextPID  int
	breakage string
	calls    []string
}

func newModelWorld(clock *fakeClock, nodes []string, breakage string) *modelWorld {
	w := &modelWorld{clock: clock, nodes: nodes, cut: map[Link]uint64{}, process: map[string]ProcessState{}, nextPID: 100, breakage: breakage}
	for _, node := range nodes {
		w.nextPID++
		w.process[node] = ProcessState{Running: true, PID: w.nextPID, Starts: 1}
	}
	return w
}

func (w *modelWorld) broken(how string) bool { return w.breakage == how }

func (w *modelWorld) call(ctx context.Context, format string, args ...any) error {
	w.clock.now += time.Millisecond
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
	return ctx.Err()
}

func (w *modelWorld) Nodes() []string { return w.nodes }

func (w *modelWorld) Cut(ctx context.Context, links []Link) error {
	if err := w.call(ctx, "cut %s", linkWords(links)); err != nil {
		return err
	}
	healing := len(links) < len(w.cut)
	switch {
	case w.broken("cut fails") && len(links) > 0:
		return errors.New("operation not permitted")
	case w.broken("cut does nothing") && !healing, w.broken("heal does nothing") && healing:
		return nil
	case w.broken("cut forgets a link") && len(links) > 0:
		links = links[1:]
	case w.broken("cut cuts all") && len(links) > 0:
		links = allLinks(w.nodes)
	}
	w.cut = map[Link]uint64{}
	for _, l := range links {
		w.cut[l] = 0
	}
	return nil
}

func (w *modelWorld) Probe(ctx context.Context, links []Link) ([]Probe, error) {
	if err := w.call(ctx, "probe"); err != nil {
		return nil, err
	}
	probes := make([]Probe, len(links))
	for i, l := range links {
		probes[i] = Probe{Link: l, Method: "model", Unit: "packets"}
		if w.broken("probe fails") {
			probes[i].Error = "no route to host"
			continue
		}
		dropped, isCut := w.cut[l]
		if isCut {
			dropped++
			w.cut[l] = dropped
		}
		probes[i].Crossed, probes[i].Stopped = !isCut, dropped
	}
	return probes, nil
}

func (w *modelWorld) Kill(ctx context.Context, node string) error {
	if err := w.call(ctx, "kill %s", node); err != nil {
		return err
	}
	s := w.process[node]
	if !s.Running {
		return fmt.Errorf("%s does not run", node)
	}
	if w.broken("kill does nothing") {
		return nil
	}
	s.Running, s.Paused, s.Ended = false, false, "signal: killed"
	w.process[node] = s
	if w.broken("kill reports an error") {
		return errors.New("connection to the agent lost")
	}
	if w.broken("killed process is restarted") {
		return w.Start(ctx, node)
	}
	return nil
}

func (w *modelWorld) Start(ctx context.Context, node string) error {
	if err := w.call(ctx, "start %s", node); err != nil {
		return err
	}
	s := w.process[node]
	if s.Running {
		return fmt.Errorf("%s runs already", node)
	}
	if w.broken("start fails") {
		return errors.New("address already in use")
	}
	w.nextPID++
	s.Running, s.PID, s.Starts, s.Ended = true, w.nextPID, s.Starts+1, ""
	if w.broken("process dies at start") {
		s.Running, s.Ended = false, "exit status 1"
	}
	w.process[node] = s
	return nil
}

func (w *modelWorld) Pause(ctx context.Context, node string) error  { return w.pause(ctx, node, true) }
func (w *modelWorld) Resume(ctx context.Context, node string) error { return w.pause(ctx, node, false) }

func (w *modelWorld) pause(ctx context.Context, node string, paused bool) error {
	if err := w.call(ctx, "pause %s %v", node, paused); err != nil {
		return err
	}
	s := w.process[node]
	s.Paused = paused
	w.process[node] = s
	return nil
}

func (w *modelWorld) Process(_ context.Context, node string) (ProcessState, error) {
	if w.broken("process cannot be asked") {
		return ProcessState{}, errors.New("agent does not answer")
	}
	return w.process[node], nil
}

// whole tells what is left of any fault.
func (w *modelWorld) whole() string {
	var left []string
	for l := range w.cut {
		left = append(left, l.From+"->"+l.To+" is cut")
	}
	for node, s := range w.process {
		if !s.Running || s.Paused {
			left = append(left, node+" does not run")
		}
	}
	slices.Sort(left)
	return strings.Join(left, ", ")
}
