package nemesis

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Kill ends processes with SIGKILL, and starts them again.
const Kill = "kill"

const containerMode = "container"

type kill struct{ basic }

var killing = kill{basic{title: Kill, ways: []mode{
	{name: "leader", needs: 1, help: "the current leader"},
	{name: "one", needs: 1, help: "a random node", choose: killSome(func(int) int { return 1 })},
	{name: "minority", needs: 3, help: "as many random nodes as leave a majority", choose: killSome(minoritySize)},
	{name: "majority", needs: 2, help: "as few random nodes as leave no majority", choose: killSome(majoritySize)},
	{name: "all", needs: 1, help: "every node", choose: killSome(func(n int) int { return n })},
	{name: containerMode, needs: 1, of: toKillContainers, help: "a random node's whole container, network and all", choose: killContainer},
}}}

func killContainer(d draw) plan {
	p := killPlan(some(d, func(int) int { return 1 }))
	p.text = "kill the container of " + words(p.targets)
	return p
}

func killSome(size func(nodes int) int) func(draw) plan {
	return func(d draw) plan { return killPlan(some(d, size)) }
}

// some draws as many nodes as size says.
func some(d draw, size func(nodes int) int) []string {
	drawn, _ := divide(d.nodes, size(len(d.nodes)), d.rng)
	return drawn
}

func killPlan(targets []string) plan {
	return plan{targets: targets, text: "kill " + words(targets)}
}

// resolve finds the leader.
func (kill) resolve(ctx context.Context, n *Nemesis, _ *fault) (plan, error) {
	leader, err := n.leader(ctx)
	return killPlan([]string{leader}), err
}

func (kill) inject(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	f.killed = map[string]ProcessState{}
	before := map[string]ProcessState{}
	var against []string
	for _, node := range f.step.Targets {
		if n.isOut(node) && len(f.step.Targets) > 1 {
			e.observe(node + " is out of the cluster, and left alone")
			continue
		}
		state, err := n.world.Process(ctx, node)
		if err != nil {
			against = append(against, fmt.Sprintf("%s cannot be asked: %v", node, err))
			continue
		}
		if !state.Running && n.heldDownBesides(node, f) {
			e.observe(fmt.Sprintf("%s is down already by another fault (%s)", node, ended(state)))
			continue
		}
		if !state.Running {
			against = append(against, fmt.Sprintf("%s was down already (%s)", node, ended(state)))
			continue
		}
		before[node] = state
		if err := f.killOne(ctx, n, node); err != nil {
			against = append(against, fmt.Sprintf("kill %s: %v", node, err))
		}
	}
	e.Done = n.now()
	// What is gone is this fault's to start again, even where the kill reported an error.
	for _, node := range f.step.Targets {
		was, ok := before[node]
		if !ok {
			continue
		}
		state, err := n.world.Process(ctx, node)
		switch {
		case err != nil:
			against = append(against, fmt.Sprintf("%s cannot be asked: %v", node, err))
			f.killed[node] = was
		case state.Running:
			against = append(against, fmt.Sprintf("%s still runs as pid %d", node, state.PID))
		default:
			e.observe(fmt.Sprintf("%s: pid %d is gone, %s", node, was.PID, ended(state)))
			f.killed[node] = was
		}
	}
	if len(f.killed) == 0 && len(against) == 0 {
		against = append(against, "nobody was there to be killed")
	}
	e.Took = len(against) == 0
	if !e.Took {
		e.observe("did not take hold: " + strings.Join(against, "; "))
	}
}

func (f *fault) killOne(ctx context.Context, n *Nemesis, node string) error {
	if f.step.Mode == containerMode {
		return n.abilities.Containers.KillContainer(ctx, node)
	}
	return n.world.Kill(ctx, node)
}

func (f *fault) startOne(ctx context.Context, n *Nemesis, node string) error {
	if f.step.Mode == containerMode {
		return n.abilities.Containers.StartContainer(ctx, node)
	}
	return n.world.Start(ctx, node)
}

func (kill) heal(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	var early, against []string
	down := slices.DeleteFunc(slices.Clone(f.step.Targets), func(node string) bool { _, ok := f.killed[node]; return !ok })
	stood := len(down) > 0
	for _, node := range down {
		state, err := n.world.Process(ctx, node)
		switch {
		case err != nil:
			early = append(early, fmt.Sprintf("%s cannot be asked: %v", node, err))
		case state.Running:
			early = append(early, fmt.Sprintf("%s runs again as pid %d", node, state.PID))
			continue
		case n.isOut(node):
			e.observe(node + " was removed meanwhile: it stays down until it is brought back")
			delete(f.killed, node)
			continue
		case n.heldDownBesides(node, f):
			e.observe(node + " is down by another fault too, and left to that")
			delete(f.killed, node)
			continue
		}
		if err := f.startOne(ctx, n, node); err != nil {
			against = append(against, fmt.Sprintf("start %s: %v", node, err))
		}
	}
	e.Done = n.now()
	e.Stood = len(early) == 0 && stood
	down = slices.DeleteFunc(down, func(node string) bool { _, ok := f.killed[node]; return !ok })
	if len(early) > 0 {
		e.observe("did not stand to its end: " + strings.Join(early, "; "))
	}
	for _, node := range down {
		state, err := n.world.Process(ctx, node)
		switch {
		case err != nil:
			against = append(against, fmt.Sprintf("%s cannot be asked: %v", node, err))
		case !state.Running:
			against = append(against, fmt.Sprintf("%s does not run (%s)", node, ended(state)))
		case state.Starts <= f.killed[node].Starts:
			against = append(against, fmt.Sprintf("%s is still process %d, pid %d", node, state.Starts, state.PID))
		default:
			e.observe(fmt.Sprintf("%s: pid %d runs, its process number %d", node, state.PID, state.Starts))
		}
	}
	if !stood {
		e.observe("there is nothing to start: it killed nothing")
	}
	e.Took = len(against) == 0
	if !e.Took {
		e.observe("is not healed: " + strings.Join(against, "; "))
	}
}

func ended(s ProcessState) string {
	if s.Ended == "" {
		return "nothing known of how it ended"
	}
	return s.Ended
}
