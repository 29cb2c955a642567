package nemesis

import (
	"context"
	"fmt"
	"strings"
)

// Pause stops processes where they are, and lets them go on.
const Pause = "pause"

type pause struct{ basic }

var pausing = pause{basic{title: Pause, of: toPause, ways: []mode{
	{name: "leader", needs: 1, help: "the current leader; it wakes up and does not know that time has passed"},
	{name: "one", needs: 1, help: "a random node", choose: pauseSome(func(int) int { return 1 })},
	{name: "minority", needs: 3, help: "as many random nodes as leave a majority", choose: pauseSome(minoritySize)},
	{name: "majority", needs: 2, help: "as few random nodes as leave no majority", choose: pauseSome(majoritySize)},
	{name: "all", needs: 1, help: "every node", choose: pauseSome(func(n int) int { return n })},
}}}

func pauseSome(size func(nodes int) int) func(draw) plan {
	return func(d draw) plan { return pausePlan(some(d, size)) }
}

func pausePlan(targets []string) plan {
	return plan{targets: targets, text: "pause " + words(targets)}
}

// resolve finds the leader.
func (pause) resolve(ctx context.Context, n *Nemesis, _ *fault) (plan, error) {
	leader, err := n.leader(ctx)
	return pausePlan([]string{leader}), err
}

func (pause) inject(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	f.paused = map[string]ProcessState{}
	var against []string
	for _, node := range f.step.Targets {
		switch state, err := n.world.Process(ctx, node); {
		case err != nil:
			against = append(against, fmt.Sprintf("%s cannot be asked: %v", node, err))
		case !state.Running && n.isDown(node):
			e.observe(fmt.Sprintf("%s is down (%s), and left alone", node, ended(state)))
		case !state.Running:
			against = append(against, fmt.Sprintf("%s does not run (%s)", node, ended(state)))
		case state.Paused:
			against = append(against, node+" stands still already")
		default:
			f.paused[node] = state // also where the call reports an error: it may have been done
			if err := n.abilities.Pauser.Pause(ctx, node); err != nil {
				against = append(against, fmt.Sprintf("pause %s: %v", node, err))
			}
		}
	}
	e.Done = n.now()
	still, reasons := n.standStill(ctx, f, e)
	against = append(against, reasons...)
	if still == 0 && len(against) == 0 {
		against = append(against, "nobody was there to be paused")
	}
	e.Took = len(against) == 0
	if !e.Took {
		e.observe("did not take hold: " + strings.Join(against, "; "))
	}
}

// isDown reports whether a fault that stands keeps the node down.
func (n *Nemesis) isDown(node string) bool { return n.heldDown(node) || n.isOut(node) }

// standStill gathers evidence that the processes that the fault paused stand still, and counts them. One that another fault has
// killed since is no longer this fault's.
func (n *Nemesis) standStill(ctx context.Context, f *fault, e *Event) (still int, against []string) {
	for _, node := range f.step.Targets {
		was, ok := f.paused[node]
		if !ok {
			continue
		}
		switch state, err := n.world.Process(ctx, node); {
		case err != nil:
			against = append(against, fmt.Sprintf("%s cannot be asked: %v", node, err))
		case state.Starts != was.Starts || !state.Running:
			if !n.isDown(node) && state.Starts == was.Starts {
				against = append(against, fmt.Sprintf("%s does not run any more (%s)", node, ended(state)))
			} else {
				e.observe(fmt.Sprintf("%s was killed meanwhile, by another fault", node))
			}
			delete(f.paused, node)
		case !state.Paused:
			against = append(against, fmt.Sprintf("%s goes on, pid %d", node, state.PID))
		default:
			e.observe(fmt.Sprintf("%s: pid %d stands still", node, state.PID))
			still++
		}
	}
	return still, against
}

func (pause) heal(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	paused := len(f.paused) > 0
	_, early := n.standStill(ctx, f, e)
	e.Stood = paused && len(early) == 0
	if len(early) > 0 {
		e.observe("did not stand to its end: " + strings.Join(early, "; "))
	}
	var against []string
	for _, node := range f.step.Targets {
		if _, ok := f.paused[node]; !ok {
			continue
		}
		if err := n.abilities.Pauser.Resume(ctx, node); err != nil {
			against = append(against, fmt.Sprintf("resume %s: %v", node, err))
		}
	}
	e.Done = n.now()
	for _, node := range f.step.Targets {
		if _, ok := f.paused[node]; !ok {
			continue
		}
		switch state, err := n.world.Process(ctx, node); {
		case err != nil:
			against = append(against, fmt.Sprintf("%s cannot be asked: %v", node, err))
		case state.Paused:
			against = append(against, fmt.Sprintf("%s still stands still, pid %d", node, state.PID))
		case !state.Running:
			against = append(against, fmt.Sprintf("%s does not run (%s)", node, ended(state)))
		default:
			e.observe(fmt.Sprintf("%s: pid %d goes on", node, state.PID))
		}
	}
	if !paused {
		e.observe("there is nothing to resume: it paused nothing")
	}
	e.Took = len(against) == 0
	if !e.Took {
		e.observe("is not healed: " + strings.Join(against, "; "))
	}
}
