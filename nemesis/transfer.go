package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

func (n *Nemesis) injectTransfer(ctx context.Context, f *fault, e *Event) {
	err := n.transfer(ctx, f, e)
	f.took = err == nil
	e.Took = f.took
	if err != nil {
		e.observe("did not take hold: " + err.Error())
	}
}

// transfer hands leadership over, and returns once another node leads a later term.
func (n *Nemesis) transfer(ctx context.Context, f *fault, e *Event) error {
	to := f.step.Targets[0]
	err := n.members.TransferLeadership(ctx, to)
	e.Done = n.now()
	if err != nil {
		return err
	}
	after, err := n.await(ctx, transferAwaited, func(v view) error {
		if v.Term <= f.before.Term || v.leader == f.before.leader {
			return fmt.Errorf("%s leads term %d, as %s did term %d", v.leader, v.Term, f.before.leader, f.before.Term)
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.observe(fmt.Sprintf("%s led term %d, %s leads term %d", f.before.leader, f.before.Term, after.leader, after.Term))
	return nil
}

// healTransfer has nothing to do: a transfer is over at once.
func (n *Nemesis) healTransfer(f *fault, e *Event) {
	e.Done = n.now()
	e.Stood, e.Took = f.took, true
	e.observe("a transfer is over at once: there is nothing to heal")
}

// chooseHeir draws another voter than the leader.
func (n *Nemesis) chooseHeir(ctx context.Context, id int) (view, plan, error) {
	v, err := n.await(ctx, leaderAwaited, func(v view) error {
		if len(v.Voters) < 2 {
			return fmt.Errorf("%s is the only voter", v.leader)
		}
		return nil
	})
	if err != nil {
		return v, plan{}, err
	}
	others := slices.DeleteFunc(slices.Clone(v.Voters), func(node string) bool { return node == v.leader })
	to := others[rand.New(rand.NewPCG(n.schedule.Seed, uint64(id))).IntN(len(others))]
	return v, plan{targets: []string{to}, text: fmt.Sprintf("transfer from %s to %s", v.leader, to)}, nil
}
