package node

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/raft"
)

// catchUpLag is how many entries a learner may lack and still become a voter, catchUpTimeout how long it may take to get there.
const (
	catchUpLag     = 64
	catchUpTimeout = 30 * time.Second
)

// membershipChange is a change to another set of voters under way: new servers catch up as learners first (thesis 4.2.1), then
// the voters change by joint consensus (paper section 6).
type membershipChange struct {
	target   raft.Configuration
	began    time.Duration
	promoted bool // the second step was taken
	done     func(error)
}

// ErrUnknownChange is why nobody can tell whether a change of members takes place.
var ErrUnknownChange = errors.New("leadership was lost during the change: it may or may not take place; ask for the status")

// ChangeMembers begins the change to the voters in target, whose addresses it must have. done is called, from the driver's
// thread, when C-new is committed or the change has failed.
func (d *Driver) ChangeMembers(target raft.Configuration, done func(error)) {
	if d.change != nil {
		done(raft.ErrChangeInProgress)
		return
	}
	change := &membershipChange{target: target, began: d.now, done: done}
	now, _ := d.core.Configuration()
	learners := newcomers(now, target)
	var err error
	if len(learners) == 0 {
		err = d.promote(change)
	} else {
		slices.Sort(learners)
		err = d.core.ChangeMembership(raft.Configuration{Voters: now.Voters, Learners: learners, Addresses: raft.MergeAddresses(target.Addresses, now.Addresses)})
	}
	if err != nil {
		done(err)
		return
	}
	d.change = change
}

// newcomers are the voters of target that are learners yet, or nothing.
func newcomers(now, target raft.Configuration) []raft.NodeID {
	var ids []raft.NodeID
	for _, id := range target.Voters {
		if !slices.Contains(now.Voters, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (d *Driver) promote(change *membershipChange) error {
	change.promoted = true
	return d.core.ChangeMembership(change.target)
}

// continueChange takes the next step of a change when its time has come.
func (d *Driver) continueChange() {
	change := d.change
	if change == nil {
		return
	}
	now, _ := d.core.Configuration()
	switch finished := !d.core.Changing() && slices.Equal(now.Voters, change.target.Voters); {
	case change.promoted && finished:
		d.endChange(nil)
	case d.core.Status().Role != raft.Leader:
		d.endChange(ErrUnknownChange)
	case change.promoted || d.core.Changing():
	case d.caughtUp(newcomers(now, change.target), change.began):
		if err := d.promote(change); err != nil {
			d.endChange(err)
		}
	case d.now-change.began > catchUpTimeout:
		d.endChange(fmt.Errorf("the new servers %v did not catch up within %v and stay learners: see that they run with --join, and ask again, or remove them", newcomers(now, change.target), catchUpTimeout))
	}
}

// caughtUp reports whether the learners have answered since the change began and lack little. A short log alone is no sign: a
// server that is down lacks no more of it than one that has just caught up.
func (d *Driver) caughtUp(ids []raft.NodeID, since time.Duration) bool {
	heard := map[raft.NodeID]bool{}
	for _, p := range d.core.Status().Peers {
		heard[p.ID] = p.LastHeard > since && d.core.CaughtUp(p.ID, catchUpLag)
	}
	return !slices.ContainsFunc(ids, func(id raft.NodeID) bool { return !heard[id] })
}

func (d *Driver) endChange(err error) {
	done := d.change.done
	d.change = nil
	done(err)
}

// TransferLeadership hands leadership to another voter; 0: the one with the most complete log (thesis 3.10).
func (d *Driver) TransferLeadership(to raft.NodeID) error {
	if to == 0 {
		to = d.core.Heir()
	}
	return d.core.TransferLeadership(to)
}
