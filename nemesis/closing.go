package nemesis

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// close leaves the cluster whole, whatever went wrong before: all links open, every process running, and nothing left
// of what the kinds in the schedule do beside.
func (n *Nemesis) close(ctx context.Context) Event {
	e := Event{Fault: Closing, Mode: "all", Phase: PhaseHeal, Text: "all links open, all processes run", Start: n.now()}
	var against []string
	if err := n.cutExactly(ctx, cuts{}); err != nil {
		against = append(against, "heal: "+err.Error())
	}
	for _, c := range n.closers() {
		e.Text += ", " + c.closed()
		if err := c.close(ctx, n, &e); err != nil {
			against = append(against, err.Error())
		}
	}
	running := 0
	for _, node := range n.world.Nodes() {
		if err := n.revive(ctx, node, &e); err != nil {
			against = append(against, fmt.Sprintf("%s: %v", node, err))
			continue
		}
		running++
	}
	e.Done = n.now()
	e.observe(fmt.Sprintf("%d of %d processes run", running, len(n.world.Nodes())))
	if reason := n.checkOpen(ctx, "all", allLinks(n.world.Nodes()), &e); reason != "" {
		against = append(against, reason)
	}
	if n.has(Partition, ClientsMode) {
		if reason := n.checkOpen(ctx, "all clients'", clientLinks(n.world.Nodes()), &e); reason != "" {
			against = append(against, reason)
		}
	}
	e.Took = len(against) == 0
	if !e.Took {
		e.observe("something is left: " + strings.Join(against, "; "))
	}
	return e
}

// closers lists the kinds in the schedule that have something of their own to close, in the catalogue's order.
func (n *Nemesis) closers() []closer {
	var list []closer
	for _, k := range kinds {
		c, ok := k.(closer)
		if ok && slices.ContainsFunc(n.schedule.Steps, func(s Step) bool { return s.Fault == k.name() }) {
			list = append(list, c)
		}
	}
	return list
}

// revive makes the node's process run if it does not.
func (n *Nemesis) revive(ctx context.Context, node string, e *Event) error {
	state, err := n.world.Process(ctx, node)
	if err != nil {
		return err
	}
	if state.Running && state.Paused && n.abilities.Pauser != nil {
		e.observe(node + " was stopped and is continued")
		if err := n.abilities.Pauser.Resume(ctx, node); err != nil {
			return err
		}
	}
	if !state.Running {
		e.observe(fmt.Sprintf("%s was down (%s) and is started", node, ended(state)))
		if err := n.world.Start(ctx, node); err != nil {
			return err
		}
	}
	state, err = n.world.Process(ctx, node)
	if err != nil {
		return err
	}
	if !state.Running || state.Paused {
		return fmt.Errorf("does not run (%s)", ended(state))
	}
	return nil
}
