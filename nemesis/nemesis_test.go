package nemesis

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Each transcript is a whole run over a cluster in memory, on fake time.
func TestRunTranscripts(t *testing.T) {
	datadriven.RunTest(t, "testdata/run", func(t *testing.T, d *datadriven.TestData) string {
		a := scan(t, d)
		s, err := a.schedule()
		require.NoError(t, err)
		r := newRun(t, a, s)
		var b strings.Builder
		r.options.Report = func(e Event) { write(&b, e) }
		r.run(t)
		if left := r.world.whole(); left != "" {
			fmt.Fprintf(&b, "left: %s\n", left)
		}
		return b.String()
	})
}

// run is a nemesis over a model.
type run struct {
	world    *modelWorld
	schedule Schedule
	options  Options
	ctx      context.Context
}

// tester is what a *testing.T and a *rapid.T have in common.
type tester interface {
	require.TestingT
	Cleanup(func())
}

func newRun(t tester, a arguments, s Schedule) *run {
	clock := &fakeClock{at: map[time.Duration]func(){}}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	if a.cancel > 0 {
		clock.at[a.cancel] = cancel
	}
	r := &run{world: newModelWorld(clock, s.Nodes, a.breakage), schedule: s, ctx: ctx}
	r.options = Options{Clock: clock, Leader: func() string { return a.leader }}
	return r
}

func (r *run) run(t require.TestingT) []Event {
	n, err := New(r.world, r.schedule, r.options)
	require.NoError(t, err)
	return n.Run(r.ctx)
}

func write(b *strings.Builder, e Event) {
	state := "took"
	if !e.Took {
		state = "DID NOT TAKE"
	}
	if e.Phase == PhaseHeal && e.ID > 0 && !e.Stood {
		state += ", DID NOT STAND"
	}
	fmt.Fprintf(b, "%.3fs %s %d %s %s: %s: %s\n", e.Start.Seconds(), e.Phase, e.ID, e.Fault, e.Mode, e.Text, state)
	for _, line := range e.Evidence {
		fmt.Fprintf(b, "  %s\n", line)
	}
}

// Whatever the seed, on a cluster that works every fault takes, stands and is healed, and nothing is left.
func TestEveryFaultTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A fault of a node that another one of its kind holds cannot happen here: faults of one kind do not overlap.
		s := drawScheduleOf(t, expanded(t, 3, rapid.SampledFrom([][]string{{Kill}, {Partition}, {Pause}, {Kill, Partition}, {Pause, Partition}, {ClockSkew}, {ClockSkew, Partition}, {PacketTrouble}, {PacketTrouble, Partition}, {Kill, PacketTrouble}}).Draw(t, "faults")...))
		r := newRun(t, arguments{leader: "n2"}, s)
		events := r.run(t)
		require.Len(t, events, toldSteps(s)+1)
		for _, e := range events {
			require.True(t, e.Took, "%+v", e)
			require.NotEmpty(t, e.Evidence)
			require.LessOrEqual(t, e.Start, e.Done)
			require.LessOrEqual(t, e.Done, e.End)
			if e.Phase == PhaseHeal && e.ID > 0 {
				require.True(t, e.Stood, "%+v", e)
			}
		}
		require.Empty(t, r.world.whole())
	})
}

// toldSteps counts the steps that events tell of.
func toldSteps(s Schedule) int {
	n := 0
	for _, step := range s.Steps {
		if step.Phase != PhaseTurn {
			n++
		}
	}
	return n
}

// A pause and a kill of one node stand and heal in any order. Only where nobody is left to be paused the pause does not take.
func TestPausesAmongKills(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t, arguments{leader: "n2"}, drawScheduleOf(t, expanded(t, 3, Kill, Pause)))
		took := map[int]bool{}
		for _, e := range r.run(t) {
			last := e.Evidence[len(e.Evidence)-1]
			switch {
			case e.Phase == PhaseInject && e.Fault == Pause && !e.Took:
				require.Contains(t, last, "nobody was there to be paused")
			case e.Phase == PhaseInject:
				require.True(t, e.Took, "%+v", e)
				took[e.ID] = true
			default:
				require.True(t, e.Took, "%+v", e)
				require.True(t, e.ID == 0 || e.Stood || !took[e.ID], "%+v", e)
			}
		}
		require.Empty(t, r.world.whole())
	})
}

// Called off at any moment, it heals everything and says so.
func TestCancelHealsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScheduleOf(t, expanded(t, 3, Kill, Partition, Pause, ClockSkew, PacketTrouble))
		at := time.Duration(rapid.Int64Range(1, int64(s.Duration)+1).Draw(t, "cancel"))
		r := newRun(t, arguments{leader: "n1", cancel: at}, s)
		events := r.run(t)
		require.Empty(t, r.world.whole())
		healed := map[int]bool{}
		for _, e := range events {
			if e.Phase == PhaseHeal {
				require.True(t, e.Took, "%+v", e)
				healed[e.ID] = true
			}
		}
		for _, e := range events {
			require.True(t, healed[e.ID], "%+v is not healed", e)
		}
		require.Equal(t, Closing, events[len(events)-1].Fault)
	})
}

// The same of changes of members and transfers, on their own and one among the other.
func TestEveryChangeTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs := []Spec{{Fault: MembershipChange}, {Fault: Leadership}}[:rapid.IntRange(1, 2).Draw(t, "kinds")]
		s := drawScheduleOf(t, specs)
		r := newRun(t, arguments{leader: "n2"}, s)
		r.options.Leader = func() string { return r.world.leader }
		events := r.run(t)
		require.Len(t, events, len(s.Steps)+1)
		for _, e := range events {
			require.True(t, e.Took, "%+v", e)
			require.LessOrEqual(t, e.Start, e.Done)
			require.LessOrEqual(t, e.Done, e.End)
			if e.Phase == PhaseHeal && e.ID > 0 {
				require.True(t, e.Stood, "%+v", e)
			}
		}
		require.Empty(t, r.world.whole())
	})
}

// Among kills and partitions a change may fail for good reasons. Called off or not, in the end every node votes and runs.
func TestChangesAmongOtherFaultsLeaveNothing(t *testing.T) {
	took := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawScheduleOf(t, expanded(t, 3, Kill, Partition, Pause, ClockSkew, PacketTrouble, MembershipChange, Leadership))
		var a arguments
		if rapid.Bool().Draw(t, "called off") {
			a.cancel = time.Duration(rapid.Int64Range(1, int64(s.Duration)+1).Draw(t, "cancel"))
		}
		r := newRun(t, a, s)
		r.options.Leader = func() string { return r.world.leader }
		events := r.run(t)
		closing := events[len(events)-1]
		require.True(t, closing.Took, "%+v", closing)
		require.Empty(t, r.world.whole())
		require.Empty(t, r.world.hopeless, "leadership is handed to nodes that can take it")
		for _, e := range events {
			require.NotEmpty(t, e.Evidence)
			if e.Took && e.Phase == PhaseInject {
				took[e.Fault]++
			}
		}
	})
	require.Len(t, took, 7, "%v", took)
}

// A cluster that does nothing of what it is told never yields a fault that counts.
func TestNothingTakesOnADeadWorld(t *testing.T) {
	for _, breakage := range []string{"cut does nothing", "cut fails", "cut forgets a link", "cut cuts all", "probe fails"} {
		s, err := NewSchedule(expanded(t, 5, Partition), nodeNames(5), 1, 30*time.Second)
		require.NoError(t, err)
		for _, e := range newRun(t, arguments{leader: "n1", breakage: breakage}, s).run(t) {
			if e.Mode == ClientsMode && breakage != "cut does nothing" && breakage != "cut cuts all" {
				continue // it is done and probed in another way
			}
			if e.Mode == dataMode && strings.HasPrefix(breakage, "cut ") && breakage != "cut does nothing" {
				continue
			}
			if e.Phase == PhaseInject {
				require.False(t, e.Took, "%s: %+v", breakage, e)
				require.Contains(t, e.Evidence[len(e.Evidence)-1], "did not take hold: ")
			}
		}
	}
	for _, breakage := range []string{"clock does nothing", "clock cannot be set", "clock cannot be read", "process cannot be asked"} {
		s, err := NewSchedule([]Spec{{Fault: ClockSkew}}, nodeNames(5), 1, 30*time.Second)
		require.NoError(t, err)
		for _, e := range newRun(t, arguments{leader: "n1", breakage: breakage}, s).run(t) {
			if e.Phase == PhaseInject {
				require.False(t, e.Took, "%s: %+v", breakage, e)
			}
		}
	}
	for _, breakage := range []string{"shape fails", "shape does nothing", "shape forgets a link", "shape is not felt", "shape cannot be read"} {
		s, err := NewSchedule([]Spec{{Fault: PacketTrouble}}, nodeNames(5), 1, 30*time.Second)
		require.NoError(t, err)
		for _, e := range newRun(t, arguments{leader: "n1", breakage: breakage}, s).run(t) {
			if e.Phase == PhaseInject {
				require.False(t, e.Took, "%s: %+v", breakage, e)
			}
		}
	}
	for _, breakage := range []string{"pause does nothing", "process cannot be asked"} {
		s, err := NewSchedule([]Spec{{Fault: Pause}}, nodeNames(5), 1, 30*time.Second)
		require.NoError(t, err)
		for _, e := range newRun(t, arguments{leader: "n1", breakage: breakage}, s).run(t) {
			if e.Phase == PhaseInject {
				require.False(t, e.Took, "%s: %+v", breakage, e)
			}
		}
	}
	for _, breakage := range []string{"kill does nothing", "kill reports an error", "killed process is restarted", "process cannot be asked"} {
		s, err := NewSchedule([]Spec{{Fault: Kill}}, nodeNames(5), 1, 30*time.Second)
		require.NoError(t, err)
		for _, e := range newRun(t, arguments{leader: "n1", breakage: breakage}, s).run(t) {
			if e.Phase == PhaseInject {
				require.False(t, e.Took, "%s: %+v", breakage, e)
			}
		}
	}
}

// Likewise one whose members do not change, or change in another way than they ought to.
func TestNoChangeTakesOnADeadWorld(t *testing.T) {
	for breakage, want := range map[string]string{
		"change does nothing":      "the change is not done",
		"change is refused":        "another change of the configuration is under way",
		"nobody tells the members": "no node says that it leads",
		"removed node runs on":     "is out and still runs as pid",
		"removed node crashes":     "did not stop by itself: exit status 2",
		"process cannot be asked":  "agent does not answer",
	} {
		s, err := NewSchedule([]Spec{{Fault: MembershipChange}}, nodeNames(5), 1, 30*time.Second)
		require.NoError(t, err)
		injected := 0
		for _, e := range newRun(t, arguments{leader: "n1", breakage: breakage}, s).run(t) {
			if e.Phase == PhaseInject {
				injected++
				require.False(t, e.Took, "%s: %+v", breakage, e)
			}
			if injected == 1 && e.Phase == PhaseInject {
				require.Contains(t, e.Evidence[len(e.Evidence)-1], want, breakage)
			}
		}
		require.Positive(t, injected)
	}
	for breakage, want := range map[string]string{
		"transfer does nothing":    "n1 leads term 1, as n1 did term 1",
		"transfer is refused":      "another change of the configuration is under way",
		"nobody tells the members": "no node says that it leads",
	} {
		s, err := NewSchedule([]Spec{{Fault: Leadership}}, nodeNames(5), 1, 10*time.Second)
		require.NoError(t, err)
		for _, e := range newRun(t, arguments{breakage: breakage}, s).run(t) {
			if e.Phase == PhaseInject {
				require.False(t, e.Took, "%s: %+v", breakage, e)
				require.Contains(t, e.Evidence[len(e.Evidence)-1], want, breakage)
			}
		}
	}
}

// Nodes that do not come back are told of by the heal and by the closing.
func TestNodesThatStayOut(t *testing.T) {
	for _, breakage := range []string{"add does nothing", "learners never vote", "start fails"} {
		s, err := NewSchedule([]Spec{{Fault: MembershipChange, Mode: "shrink"}}, nodeNames(5), 1, 5*time.Second)
		require.NoError(t, err)
		events := newRun(t, arguments{breakage: breakage}, s).run(t)
		require.True(t, events[0].Took, "%+v", events[0])
		require.Equal(t, PhaseHeal, events[1].Phase)
		for _, e := range events[1:] {
			if e.Fault == Closing || e.ID == 1 {
				require.False(t, e.Took, "%s: %+v", breakage, e)
			}
		}
	}
}

// A change that was made although the answer to it was lost counts.
func TestAnswersThatAreLost(t *testing.T) {
	s, err := NewSchedule([]Spec{{Fault: MembershipChange}}, nodeNames(5), 1, 20*time.Second)
	require.NoError(t, err)
	r := newRun(t, arguments{leader: "n1", breakage: "answer is lost"}, s)
	r.options.Leader = func() string { return r.world.leader }
	for _, e := range r.run(t) {
		require.True(t, e.Took, "%+v", e)
	}
}

// A cluster without Members is refused a schedule that needs them.
func TestNewRefusesChangesWithoutMembers(t *testing.T) {
	for _, fault := range []string{MembershipChange, Leadership} {
		s, err := NewSchedule([]Spec{{Fault: fault}}, nodeNames(3), 1, 10*time.Second)
		require.NoError(t, err)
		plain := struct{ World }{newModelWorld(&fakeClock{}, s.Nodes, "")}
		_, err = New(plain, s, Options{})
		require.ErrorContains(t, err, fault+" needs a cluster whose members can be changed")
	}
}

// A process that cannot be continued is told of by the heal and by the closing.
func TestPausesThatStay(t *testing.T) {
	s, err := NewSchedule([]Spec{{Fault: Pause, Mode: "one"}}, nodeNames(3), 1, 3*time.Second)
	require.NoError(t, err)
	events := newRun(t, arguments{breakage: "resume does nothing"}, s).run(t)
	require.True(t, events[0].Took)
	require.True(t, events[1].Stood)
	require.False(t, events[1].Took)
	require.Contains(t, events[1].Evidence[1], "still stands still")
	require.False(t, events[2].Took)
}

// A link that keeps its shape is told of by the heal and by the closing.
func TestShapesThatStay(t *testing.T) {
	s, err := NewSchedule([]Spec{{Fault: PacketTrouble, Mode: lossMode}}, nodeNames(5), 1, 3*time.Second)
	require.NoError(t, err)
	for _, e := range newRun(t, arguments{leader: "n1", breakage: "shape stays"}, s).run(t) {
		if e.Phase == PhaseHeal {
			require.False(t, e.Took, "%+v", e)
		}
	}
}

// A clock that cannot be set right is told of by the heal and by the closing.
func TestClocksThatStayWrong(t *testing.T) {
	for _, mode := range []string{rateMode, aheadMode, backMode, strobeMode} {
		s, err := NewSchedule([]Spec{{Fault: ClockSkew, Mode: mode}}, nodeNames(3), 1, 3*time.Second)
		require.NoError(t, err)
		events := newRun(t, arguments{leader: "n1", breakage: "clock stays wrong"}, s).run(t)
		require.Len(t, events, 3)
		require.True(t, events[0].Took, "%+v", events[0])
		require.True(t, events[1].Stood, "%+v", events[1])
		require.False(t, events[1].Took, "%+v", events[1])
		require.False(t, events[2].Took, "%+v", events[2])
	}
}

// A partition that is to come and go, and stays, did not stand to its end.
func TestFlapsThatStick(t *testing.T) {
	s, err := NewSchedule([]Spec{{Fault: Partition, Mode: flappingMode}}, nodeNames(3), 1, 8*time.Second)
	require.NoError(t, err)
	for breakage, stands := range map[string]bool{"": true, "heal does nothing": false} {
		r := newRun(t, arguments{breakage: breakage}, s)
		cuts := 0
		for _, e := range r.run(t) {
			if e.Phase == PhaseHeal && e.ID > 0 {
				require.Equal(t, stands, e.Stood, "%+v", e)
			}
		}
		for _, call := range r.world.calls {
			if strings.HasPrefix(call, "cut n") {
				cuts++
			}
		}
		require.Greater(t, cuts, len(s.Steps)/3)
	}
}

func TestActive(t *testing.T) {
	s, err := NewSchedule([]Spec{{Fault: Kill, Mode: "one"}}, nodeNames(3), 1, 5*time.Second)
	require.NoError(t, err)
	r := newRun(t, arguments{}, s)
	var n *Nemesis
	var seen []string
	r.options.Report = func(e Event) { seen = append(seen, fmt.Sprint(e.Phase, n.Active())) }
	n, err = New(r.world, s, r.options)
	require.NoError(t, err)
	n.Run(context.Background())
	require.Equal(t, []string{"inject[kill one: kill n1]", "heal[]", "heal[]"}, seen[len(seen)-3:])
}

// The leader is asked at injection, not before.
func TestLeaderIsResolvedAtInjection(t *testing.T) {
	s, err := NewSchedule([]Spec{{Fault: Kill, Mode: "leader"}}, nodeNames(3), 1, 30*time.Second)
	require.NoError(t, err)
	r := newRun(t, arguments{}, s)
	asked := 0
	r.options.Leader = func() string {
		if asked++; asked <= 3 {
			return "" // nobody leads at first
		}
		return nodeNames(3)[asked%3]
	}
	targets := map[string]bool{}
	for _, e := range r.run(t) {
		if e.Phase == PhaseInject {
			require.Len(t, e.Targets, 1)
			require.Equal(t, "kill "+e.Targets[0], e.Text)
			targets[e.Targets[0]] = true
		}
	}
	require.Greater(t, len(targets), 1)
}

// Two partitions at once cut what either cuts, and the heal of one leaves the other.
func TestOverlappingPartitions(t *testing.T) {
	nodes := nodeNames(4)
	step := func(at, id int, phase string, g Grudge) Step {
		return Step{At: time.Duration(at) * time.Second, ID: id, Fault: Partition, Mode: "one", Phase: phase, Links: g.Links, Text: g.Text}
	}
	first, second := Isolate(nodes, "n1"), Isolate(nodes, "n2")
	r := newRun(t, arguments{}, Schedule{Nodes: nodes, Steps: []Step{
		step(1, 1, PhaseInject, first), step(2, 2, PhaseInject, second), step(3, 1, PhaseHeal, first), step(4, 2, PhaseHeal, second),
	}})
	var cuts []int
	r.options.Report = func(Event) { cuts = append(cuts, len(r.world.cut)) }
	for _, e := range r.run(t) {
		require.True(t, e.Took, "%+v", e)
	}
	require.Equal(t, []int{6, 10, 6, 0, 0}, cuts)
}

// Kills that overlap start only what they themselves killed.
func TestOverlappingKills(t *testing.T) {
	nodes := nodeNames(3)
	step := func(at, id int, phase string, targets ...string) Step {
		p := killPlan(targets)
		return Step{At: time.Duration(at) * time.Second, ID: id, Fault: Kill, Mode: "one", Phase: phase, Targets: p.targets, Text: p.text}
	}
	r := newRun(t, arguments{}, Schedule{Nodes: nodes, Steps: []Step{
		step(1, 1, PhaseInject, "n1"), step(2, 2, PhaseInject, "n1", "n2"), step(3, 2, PhaseHeal), step(4, 1, PhaseHeal),
	}})
	var running []bool
	r.options.Report = func(Event) { running = append(running, r.world.process["n1"].Running) }
	events := r.run(t)
	require.Equal(t, []bool{false, false, false, true, true}, running)
	require.True(t, events[1].Took)
	require.Contains(t, events[1].Evidence[0], "n1 is down already by another fault (signal: killed)")
	require.Empty(t, r.world.whole())
}
