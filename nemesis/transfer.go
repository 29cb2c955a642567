package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Leadership hands leadership over.
const Leadership = "leader"

type leadership struct{ basic }

var leading = leadership{basic{title: Leadership, of: toChangeMembers, ways: []mode{
	{name: "transfer", needs: 2, instant: true, help: "leadership is handed to a random other voter"},
}}}

func (leadership) inject(ctx context.Context, n *Nemesis, f *fault, e *Event) {
	err := n.transfer(ctx, f, e)
	f.took = err == nil
	e.Took = f.took
	if err != nil {
		e.observe("did not take hold: " + err.Error())
	}
}

// checkPlan wants one node to hand leadership to.
func (leadership) checkPlan(s Step, _ int) error {
	if s.Text != "" && len(s.Targets) != 1 {
		return fmt.Errorf("leadership is handed to one node, and it names %d", len(s.Targets))
	}
	return nil
}

// transfer hands leadership over, and returns once it is where it was to go in a later term: at the node that the schedule names, or
// where that is drawn, at any other than before.
func (n *Nemesis) transfer(ctx context.Context, f *fault, e *Event) error {
	to := f.step.Targets[0]
	named := f.before.leader == "" // not by resolve, which looks who leads
	if named {
		var err error
		if f.before, err = n.await(ctx, leaderAwaited, func(view) error { return nil }); err != nil {
			return err
		}
		if f.before.leader == to {
			return fmt.Errorf("%s leads term %d already", to, f.before.Term)
		}
	}
	err := n.abilities.Members.TransferLeadership(ctx, to)
	e.Done = n.now()
	if err != nil {
		return err
	}
	after, err := n.await(ctx, transferAwaited, func(v view) error {
		if v.Term <= f.before.Term || v.leader == f.before.leader {
			return fmt.Errorf("%s leads term %d, as %s did term %d", v.leader, v.Term, f.before.leader, f.before.Term)
		}
		if named && v.leader != to {
			return fmt.Errorf("%s leads term %d, and leadership was handed to %s", v.leader, v.Term, to)
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.observe(fmt.Sprintf("%s led term %d, %s leads term %d", f.before.leader, f.before.Term, after.leader, after.Term))
	return nil
}

// heal has nothing to do: a transfer is over at once.
func (leadership) heal(_ context.Context, n *Nemesis, f *fault, e *Event) {
	e.Done = n.now()
	e.Stood, e.Took = f.took, true
	e.observe("a transfer is over at once: there is nothing to heal")
}

// resolve draws another voter than the leader, of those that no fault which stands keeps from taking over: one that is down or cut off
// never would.
func (leadership) resolve(ctx context.Context, n *Nemesis, f *fault) (plan, error) {
	v, err := n.await(ctx, leaderAwaited, func(v view) error {
		if len(v.Voters) < 2 {
			return fmt.Errorf("%s is the only voter", v.leader)
		}
		return nil
	})
	if err != nil {
		return plan{}, err
	}
	f.before = v
	others := slices.DeleteFunc(slices.Clone(v.Voters), func(node string) bool {
		return node == v.leader || n.keptFrom(node, v.leader)
	})
	if len(others) == 0 {
		return plan{}, fmt.Errorf("the faults that stand keep every other voter from %s, which leads", v.leader)
	}
	to := others[rand.New(rand.NewPCG(n.schedule.Seed, uint64(f.step.ID))).IntN(len(others))]
	return plan{targets: []string{to}, text: fmt.Sprintf("transfer from %s to %s", v.leader, to)}, nil
}

// keptFrom reports whether a fault that stands keeps the node from taking part under the leader.
func (n *Nemesis) keptFrom(node, leader string) bool {
	return n.isOut(node) || n.cutOff(node, leader) || slices.ContainsFunc(n.standing(), func(f *fault) bool {
		takes := impactOf(f)
		return slices.Contains(takes.Down, node) || slices.Contains(takes.Cut, Link{node, leader}) || slices.Contains(takes.Cut, Link{leader, node})
	})
}
