package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Membership is what one node says of the cluster's members.
type Membership struct {
	Leads    bool     `json:"leads"`
	Term     uint64   `json:"term"`
	Voters   []string `json:"voters"`
	Learners []string `json:"learners,omitempty"` // receive entries and do not vote (yet)
	Joint    bool     `json:"joint,omitempty"`    // between two sets of voters; Voters is the later one
}

// settled reports whether no change is under way.
func (m Membership) settled() bool { return !m.Joint && len(m.Learners) == 0 }

func (m Membership) text() string {
	text := "voters " + words(m.Voters)
	if len(m.Learners) > 0 {
		text += ", learners " + words(m.Learners)
	}
	if m.Joint {
		text += ", in a joint configuration"
	}
	return text
}

// Members is the part of a cluster that changes of its members and transfers of leadership need. A World may have it.
type Members interface {
	// Membership tells what the node itself says now; an error where it does not answer.
	Membership(ctx context.Context, node string) (Membership, error)
	// ChangeMembers asks the leader to make voters of some nodes and to remove others, in one change. It returns once the change
	// is under way or done, which Membership tells apart, or with why the leader does not take it. A node to be added need
	// not run; the change then waits for it. A removed node's process ends by itself with exit status 0.
	ChangeMembers(ctx context.Context, add, remove []string) error
	// TransferLeadership asks the leader to hand leadership to another voter, and returns once it was asked.
	TransferLeadership(ctx context.Context, to string) error
}

// NeedsMembers reports whether a fault can be injected only where World has Members too.
func NeedsMembers(fault string) bool {
	k, ok := findKind(fault)
	return ok && k.needs() == toChangeMembers
}

// view is what the latest leader that is known says of the members.
type view struct {
	Membership
	leader string
	agree  int // nodes that say the same, the leader included
}

func (v view) text() string {
	return fmt.Sprintf("%s, says %s, which leads term %d; %d say the same", v.Membership.text(), v.leader, v.Term, v.agree)
}

func (v view) member(node string) bool {
	return slices.Contains(v.Voters, node) || slices.Contains(v.Learners, node)
}

var errNobodyLeads = errors.New("no node says that it leads")

// look asks every node for the members.
func (n *Nemesis) look(ctx context.Context) (view, error) {
	var all []Membership
	var latest view
	for _, node := range n.world.Nodes() {
		m, err := n.abilities.Members.Membership(ctx, node)
		if err != nil {
			continue
		}
		all = append(all, m)
		if m.Leads && (latest.leader == "" || m.Term > latest.Term) {
			latest.Membership, latest.leader = m, node
		}
	}
	if latest.leader == "" {
		return view{}, errNobodyLeads
	}
	for _, m := range all {
		if slices.Equal(m.Voters, latest.Voters) && slices.Equal(m.Learners, latest.Learners) && m.Joint == latest.Joint {
			latest.agree++
		}
	}
	return latest, nil
}

// await asks until holds is true of what is seen, or patience is at its end; then the error says what is missing.
func (n *Nemesis) await(ctx context.Context, patience time.Duration, holds func(view) error) (view, error) {
	for end := n.now() + patience; ; {
		v, err := n.look(ctx)
		if err == nil {
			if err = holds(v); err == nil {
				return v, nil
			}
		}
		if n.now() >= end || n.options.Clock.Sleep(ctx, memberPoll) != nil {
			return v, fmt.Errorf("%w, within %v", err, patience)
		}
	}
}

const (
	memberPoll = 50 * time.Millisecond
	// leaderAwaited is how long a change waits for somebody who leads and takes it: a new leader takes none at first.
	leaderAwaited = 2 * time.Second
	// changeAwaited is how long a change may take, and endAwaited how long the end of a removed node's process.
	changeAwaited = 4 * time.Second
	endAwaited    = 4 * time.Second
	// returnAwaited is how long removed nodes may take to be voters again, hurriedAwaited the same while another fault stands,
	// closingAwaited at the end of the run.
	returnAwaited  = 6 * time.Second
	hurriedAwaited = 2500 * time.Millisecond
	closingAwaited = 18 * time.Second
	// transferAwaited is how long another leader is waited for.
	transferAwaited = 2 * time.Second
)
