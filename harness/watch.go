package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

const watchEvery = 200 * time.Millisecond

// processWatch notices nodes that end without having been killed by the nemesis: a crash is a finding, whatever clients
// saw.
type processWatch struct {
	cluster Cluster
	now     func() time.Duration

	mu      sync.Mutex
	crashes []string
	foreign []string         // kills that were not the nemesis's
	killed  map[string]int   // node to the number of the start that the nemesis killed
	removed map[string]bool  // nodes that the nemesis has removed, true once it has asked for them again
	ailing  map[string]int   // node to the number of the last start that had a bad disk, whatever was done about it
	term    uint64           // the latest that a node has told of
	paused  map[string]int   // node to how many looks in a row have found it stopped
	pausing map[string]bool  // nodes that the nemesis has stopped
	noted   map[string]int   // node to the number of the start whose end was noted
	blind   map[string]error // nodes whose process could not be looked at the last time
}

func newProcessWatch(c Cluster, now func() time.Duration) *processWatch {
	return &processWatch{cluster: c, now: now, killed: map[string]int{}, removed: map[string]bool{}, ailing: map[string]int{}, paused: map[string]int{}, pausing: map[string]bool{}, noted: map[string]int{}, blind: map[string]error{}}
}

// How a process ends that somebody killed, and one that stops by itself because it was removed from the cluster.
const (
	killed  = "signal: killed"
	stopped = "exit status 0"

	exited   = "exit status "
	panicked = "exit status 2" // as Go's runtime does
)

func (w *processWatch) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.lookAll(ctx)
		pause(ctx, watchEvery)
	}
}

func (w *processWatch) lookAll(ctx context.Context) {
	for _, node := range w.cluster.Nodes() {
		w.look(ctx, node)
	}
}

func (w *processWatch) look(ctx context.Context, node string) {
	state, err := w.cluster.Process(ctx, node)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.blind[node] = err
		return
	}
	delete(w.blind, node)
	w.lookForPause(node, state)
	if state.Running || state.Ended == "" || w.noted[node] == state.Starts {
		return
	}
	w.noted[node] = state.Starts
	at := w.now().Round(time.Millisecond)
	_, removed := w.removed[node]
	switch {
	case removed && state.Ended == stopped:
	case state.Starts <= w.ailing[node] && state.Ended != panicked && strings.HasPrefix(state.Ended, exited): // a node may stop over a bad disk
	case state.Ended == stopped:
		w.foreign = append(w.foreign, fmt.Sprintf("%s stopped in good order before %v, and was not asked to by ordeal: did somebody send it a signal?", node, at))
	case state.Ended != killed:
		w.crashes = append(w.crashes, fmt.Sprintf("%s ended by itself before %v (%s); its log says why", node, at, state.Ended))
	case w.killed[node] != state.Starts:
		w.foreign = append(w.foreign, fmt.Sprintf("%s was killed before %v, and not by the nemesis: did the machine run out of memory?", node, at))
	}
}

// lookForPause notes a node that somebody has stopped. One look is not enough: a process that is just being killed can
// look so for a moment.
func (w *processWatch) lookForPause(node string, state nemesis.ProcessState) {
	if !state.Running || !state.Paused || w.pausing[node] {
		w.paused[node] = 0
		return
	}
	if w.paused[node]++; w.paused[node] == 2 {
		w.foreign = append(w.foreign, fmt.Sprintf("%s was stopped (SIGSTOP) before %v, and not by the nemesis", node, w.now().Round(time.Millisecond)))
	}
}

// kills notes that the nemesis is about to kill the node's process, if it runs.
func (w *processWatch) kills(ctx context.Context, node string) {
	state, err := w.cluster.Process(ctx, node)
	if err != nil || !state.Running {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.killed[node] = state.Starts
}

// pauses notes that the nemesis is about to stop the node's process, or has let it go on.
func (w *processWatch) pauses(node string, paused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pausing[node] = paused
	w.paused[node] = 0
}

// changes notes that the nemesis is about to ask for a change of members.
func (w *processWatch) changes(add, remove []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, node := range remove {
		w.removed[node] = false
	}
	for _, node := range add {
		if _, was := w.removed[node]; was {
			w.removed[node] = true
		}
	}
}

// tells takes in what a node says of the members. A node that was asked for again counts as one that may not stop once the
// latest leader has it as a voter and no change is under way.
func (w *processWatch) tells(m nemesis.Membership) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.term = max(w.term, m.Term)
	if !m.Leads || m.Term < w.term || m.Joint || len(m.Learners) > 0 {
		return
	}
	for node, asked := range w.removed {
		if asked && slices.Contains(m.Voters, node) {
			delete(w.removed, node)
		}
	}
}

// found are the crashes so far, in words.
func (w *processWatch) found() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.crashes)
}

// doubts are what keeps the watch from vouching for the processes.
func (w *processWatch) doubts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	doubts := slices.Clone(w.foreign)
	for _, node := range w.cluster.Nodes() {
		if err := w.blind[node]; err != nil {
			doubts = append(doubts, fmt.Sprintf("nobody can tell whether %s ended by itself: %v", node, err))
		}
	}
	return doubts
}

// watched is the cluster as the nemesis gets it. A node that ended by itself is noted before it is started again, since
// nothing is left to be seen of it after.
type watched struct {
	nemesis.World
	watch *processWatch
}

func (w watched) Kill(ctx context.Context, node string) error {
	w.watch.kills(ctx, node)
	return w.World.Kill(ctx, node)
}

func (w watched) Start(ctx context.Context, node string) error {
	w.watch.look(ctx, node)
	return w.World.Start(ctx, node)
}

// watchedAbilities are the abilities as the nemesis gets them.
func watchedAbilities(a nemesis.Abilities, watch *processWatch) nemesis.Abilities {
	if a.Members != nil {
		a.Members = watchedMembers{a.Members, watch}
	}
	if a.Pauser != nil {
		a.Pauser = watchedPauser{a.Pauser, watch}
	}
	if a.Containers != nil {
		a.Containers = watchedContainers{a.Containers, watch}
	}
	if a.Disks != nil {
		a.Disks = watchedDisks{a.Disks, watch}
	}
	return a
}

// watchedPauser is the pauser as the nemesis gets it: who is paused by it is not stopped by somebody else.
type watchedPauser struct {
	nemesis.Pauser
	watch *processWatch
}

func (w watchedPauser) Pause(ctx context.Context, node string) error {
	w.watch.pauses(node, true)
	return w.Pauser.Pause(ctx, node)
}

func (w watchedPauser) Resume(ctx context.Context, node string) error {
	err := w.Pauser.Resume(ctx, node)
	if err == nil {
		w.watch.pauses(node, false)
	}
	return err
}

// watchedContainers are the containers as the nemesis gets them.
type watchedContainers struct {
	nemesis.Containers
	watch *processWatch
}

func (w watchedContainers) KillContainer(ctx context.Context, node string) error {
	w.watch.kills(ctx, node)
	return w.Containers.KillContainer(ctx, node)
}

func (w watchedContainers) StartContainer(ctx context.Context, node string) error {
	w.watch.look(ctx, node)
	return w.Containers.StartContainer(ctx, node)
}

// watchedMembers are the members as the nemesis gets them. A removed node ends by itself, and that is no crash.
type watchedMembers struct {
	nemesis.Members
	watch *processWatch
}

func (w watchedMembers) Membership(ctx context.Context, node string) (nemesis.Membership, error) {
	m, err := w.Members.Membership(ctx, node)
	if err == nil {
		w.watch.tells(m)
	}
	return m, err
}

func (w watchedMembers) ChangeMembers(ctx context.Context, add, remove []string) error {
	w.watch.changes(add, remove)
	return w.Members.ChangeMembers(ctx, add, remove)
}

// ails notes that the node's disk is bad, or was a moment ago: the process that it has now may end over that, and so may one that
// begins while it is bad.
func (w *processWatch) ails(ctx context.Context, node string, begins int) {
	state, err := w.cluster.Process(ctx, node)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ailing[node] = max(w.ailing[node], state.Starts+begins)
}

// watchedDisks are the disks as the nemesis gets them. A node that ends over a bad disk does what it should.
type watchedDisks struct {
	nemesis.Disks
	watch *processWatch
}

func (w watchedDisks) SetDisk(ctx context.Context, node string, fault nemesis.DiskFault) error {
	if fault.FailSyncs || fault.Full {
		w.watch.ails(ctx, node, 0)
	} else if state, err := w.Disk(ctx, node); err == nil && (state.Fault.FailSyncs || state.Fault.Full) {
		w.watch.ails(ctx, node, 0) // which may have been started meanwhile
	}
	return w.Disks.SetDisk(ctx, node, fault)
}

func (w watchedDisks) FlipBit(ctx context.Context, node, pattern string, seed uint64) (nemesis.Flip, error) {
	w.watch.ails(ctx, node, 1) // it is down: the next process finds the bit
	return w.Disks.FlipBit(ctx, node, pattern, seed)
}

func (w watchedDisks) RestoreBits(ctx context.Context, node string) ([]nemesis.Flip, error) {
	w.watch.ails(ctx, node, 0)
	return w.Disks.RestoreBits(ctx, node)
}
