package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MembershipChange removes voters, and adds them again.
const MembershipChange = "membership"

type membership struct{ basic }

var changing = membership{basic{title: MembershipChange, of: toChangeMembers, ways: []mode{
	{name: "shrink", needs: 3, help: "a random voter is removed, and added again", choose: removing(1)},
	{name: "leader", needs: 3, help: "the current leader is"},
	{name: "two", needs: 5, help: "two random voters are, in one change", choose: removing(2)},
}}}

func removing(size int) func(draw) plan {
	return func(d draw) plan { return removalPlan(some(d, func(int) int { return size })) }
}

func removalPlan(targets []string) plan {
	return plan{targets: targets, text: "remove " + words(targets)}
}

// checkPlan wants somebody left to vote.
func (membership) checkPlan(s Step, nodes int) error {
	if len(s.Targets) >= nodes { // no node is named twice
		return fmt.Errorf("it removes all %d nodes: no voter would be left", nodes)
	}
	return nil
}

// removedEnd is how the process of a removed node ends.
const removedEnd = "exit status 0"

func (membership) inject(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	n.repay(ctx, e)
	targets := f.step.Targets
	after, err := n.remove(ctx, f, e)
	e.Done = n.now()
	if err == nil {
		err = n.checkRemoved(ctx, targets, after.leader, e)
	}
	f.took = err == nil
	e.Took = f.took
	if err != nil {
		e.observe("did not take hold: " + err.Error())
	}
}

// resolve is the plan to remove who leads.
func (membership) resolve(ctx context.Context, n *Nemesis, _ *fault) (plan, error) {
	v, err := n.await(ctx, leaderAwaited, func(view) error { return nil })
	return removalPlan([]string{v.leader}), err
}

// remove has the targets removed, and returns once the change is done, with what is seen then.
func (n *Nemesis) remove(ctx context.Context, f *fault, e *Event) (view, error) {
	targets := f.step.Targets
	seen, err := n.await(ctx, leaderAwaited, func(v view) error {
		if f.out != nil && !containsAny(v.Voters, targets) {
			return nil // it was taken, though the answer said something else or was lost
		}
		for _, node := range targets {
			if !slices.Contains(v.Voters, node) {
				return fmt.Errorf("%s is no voter (%s)", node, v.Membership.text())
			}
		}
		if f.out == nil {
			e.observe("before: " + v.text())
		}
		f.out = targets // whatever is said of it: it may take place yet
		return n.abilities.Members.ChangeMembers(ctx, nil, targets)
	})
	if err != nil {
		return seen, err
	}
	after, err := n.await(ctx, changeAwaited, func(v view) error {
		if !v.settled() || containsAny(v.Voters, targets) {
			return fmt.Errorf("the change is not done (%s)", v.Membership.text())
		}
		return nil
	})
	if err == nil {
		e.observe("after: " + after.text())
	}
	return after, err
}

func containsAny(list, of []string) bool {
	return slices.ContainsFunc(of, func(node string) bool { return slices.Contains(list, node) })
}

// checkRemoved gathers evidence that the removed nodes have stopped by themselves. One that is down anyway, or cut off from
// the leader, who could tell it, need not.
func (n *Nemesis) checkRemoved(ctx context.Context, nodes []string, leader string, e *Event) error {
	var against []error
	end := n.now() + endAwaited
	for _, node := range nodes {
		state, err := n.ended(ctx, node, leader, end)
		switch {
		case err != nil:
			against = append(against, fmt.Errorf("%s cannot be asked: %w", node, err))
		case state.Running && n.cutOff(node, leader):
			e.observe(fmt.Sprintf("%s: pid %d runs on: a partition keeps it from %s, who could tell it", node, state.PID, leader))
		case state.Running && state.Paused:
			e.observe(fmt.Sprintf("%s: pid %d is out and stands still: it is paused", node, state.PID))
		case state.Running:
			against = append(against, fmt.Errorf("%s is out and still runs as pid %d", node, state.PID))
		case state.Ended == removedEnd:
			e.observe(fmt.Sprintf("%s: pid %d stopped by itself, %s", node, state.PID, state.Ended))
		case n.heldDown(node):
			e.observe(fmt.Sprintf("%s is down already (%s)", node, ended(state)))
		default:
			against = append(against, fmt.Errorf("%s did not stop by itself: %s", node, ended(state)))
		}
	}
	return errors.Join(against...)
}

// ended waits for the end of the node's process, unless the leader cannot tell it to end.
func (n *Nemesis) ended(ctx context.Context, node, leader string, end time.Duration) (ProcessState, error) {
	for {
		state, err := n.world.Process(ctx, node)
		if err != nil || !state.Running || state.Paused || n.cutOff(node, leader) || n.now() >= end {
			return state, err
		}
		if err := n.options.Clock.Sleep(ctx, memberPoll); err != nil {
			return state, err
		}
	}
}

// cutOff reports whether a partition that stands cuts the node off from the leader, in either direction.
func (n *Nemesis) cutOff(node, leader string) bool {
	cut := n.cutLinks(nil)
	return slices.Contains(cut, Link{From: node, To: leader}) || slices.Contains(cut, Link{From: leader, To: node})
}

// heldDown reports whether a fault that stands has killed the node.
func (n *Nemesis) heldDown(node string) bool {
	return slices.ContainsFunc(n.standing(), func(f *fault) bool { return f.holdsDown(node) })
}

// isOut reports whether the node is, or may be, out of the cluster by a change of ours.
func (n *Nemesis) isOut(node string) bool {
	return slices.Contains(n.owed, node) || slices.ContainsFunc(n.standing(), func(f *fault) bool { return slices.Contains(f.out, node) })
}

func (membership) heal(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	e.Disturbs = true
	e.Stood = f.took && n.stillOut(ctx, f.out, e)
	out := f.out
	if len(out) == 0 {
		e.Done = n.now()
		e.observe("there is nobody to bring back: it removed nobody")
		e.Took = true
		return
	}
	f.out = nil
	patience := returnAwaited
	if len(n.standing()) > 1 { // what stands may be in the way, and must not wait for its own heal for long
		patience = hurriedAwaited
	}
	err := n.bringBack(ctx, out, patience, e)
	e.Done = n.now()
	e.Took = err == nil
	if err != nil {
		n.owed = append(n.owed, out...)
		e.observe("is not healed, and tried again later: " + err.Error())
	}
}

// stillOut tells whether the nodes are no members right before they are brought back.
func (n *Nemesis) stillOut(ctx context.Context, nodes []string, e *Event) bool {
	v, err := n.look(ctx)
	if err == nil && slices.ContainsFunc(nodes, v.member) {
		err = fmt.Errorf("a removed node is a member again (%s)", v.Membership.text())
	}
	if err != nil && !errors.Is(err, errNobodyLeads) {
		e.observe("did not stand to its end: " + err.Error())
		return false
	}
	return true // without a leader nothing has changed
}

// repay brings back the nodes that could not be brought back when their fault was healed.
func (n *Nemesis) repay(ctx context.Context, e *Event) {
	if len(n.owed) == 0 {
		return
	}
	if err := n.bringBack(ctx, n.owed, returnAwaited, e); err != nil {
		e.observe("still not brought back: " + err.Error())
		return
	}
	n.owed = nil
}

// bringBack makes the nodes voters that run. The change is asked for first, and a node's process started when the leader takes
// it for a member: one that starts before is told that it is out, and stops. It still may hear so from one who does
// not know better, and is then started again.
func (n *Nemesis) bringBack(ctx context.Context, nodes []string, patience time.Duration, e *Event) error {
	for _, node := range nodes {
		if n.heldDown(node) {
			return fmt.Errorf("%s was killed by a fault that stands", node)
		}
	}
	v, err := n.await(ctx, patience, func(v view) error {
		var missing []string
		for _, node := range nodes {
			if !slices.Contains(v.Voters, node) {
				missing = append(missing, node)
			}
		}
		var refused error
		if len(missing) > 0 {
			refused = n.abilities.Members.ChangeMembers(ctx, missing, nil)
		}
		switch down, err := n.startMembers(ctx, nodes, v); {
		case err != nil:
			return err
		case refused != nil:
			return refused
		case len(missing) > 0 || !v.settled():
			return fmt.Errorf("the change is not done (%s)", v.Membership.text())
		case len(down) > 0:
			return fmt.Errorf("%s do not run yet", words(down))
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.observe("brought back: " + v.text())
	return n.checkRunning(ctx, nodes, e)
}

// startMembers starts those of the nodes that are members in v and do not run, and tells which nodes did not run.
func (n *Nemesis) startMembers(ctx context.Context, nodes []string, v view) ([]string, error) {
	var down []string
	for _, node := range nodes {
		state, err := n.world.Process(ctx, node)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be asked: %w", node, err)
		}
		if state.Running {
			continue
		}
		down = append(down, node)
		if !v.member(node) {
			continue
		}
		if err := n.world.Start(ctx, node); err != nil {
			return nil, fmt.Errorf("start %s: %w", node, err)
		}
	}
	return down, nil
}

func (n *Nemesis) checkRunning(ctx context.Context, nodes []string, e *Event) error {
	var against []string
	for _, node := range nodes {
		state, err := n.world.Process(ctx, node)
		switch {
		case err != nil:
			against = append(against, fmt.Sprintf("%s cannot be asked: %v", node, err))
		case !state.Running:
			against = append(against, fmt.Sprintf("%s does not run (%s)", node, ended(state)))
		default:
			e.observe(fmt.Sprintf("%s: pid %d runs, its process number %d", node, state.PID, state.Starts))
		}
	}
	if len(against) > 0 {
		return errors.New(strings.Join(against, "; "))
	}
	return nil
}

func (membership) closed() string { return "all nodes vote" }

// close makes every node a voter. Those who may not be out are started first: without a majority nobody comes back.
func (membership) close(ctx context.Context, n *Nemesis, e *Event) error {
	for _, node := range n.world.Nodes() {
		if n.isOut(node) {
			continue
		}
		if err := n.revive(ctx, node, e); err != nil {
			e.observe(fmt.Sprintf("%s: %v", node, err))
		}
	}
	return n.bringBack(ctx, n.world.Nodes(), closingAwaited, e)
}
