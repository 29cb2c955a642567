package nemesis

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// arguments of the transcripts in testdata.
type arguments struct {
	faults, breakage, leader string
	nodes                    int
	seed                     uint64
	duration                 time.Duration
	cancel                   time.Duration
}

func scan(t *testing.T, d *datadriven.TestData) arguments {
	a := arguments{nodes: 5, seed: 1, duration: 30 * time.Second}
	var duration, cancel string
	d.MaybeScanArgs(t, "faults", &a.faults)
	d.MaybeScanArgs(t, "nodes", &a.nodes)
	d.MaybeScanArgs(t, "seed", &a.seed)
	d.MaybeScanArgs(t, "leader", &a.leader)
	d.MaybeScanArgs(t, "cancel", &cancel)
	a.faults = strings.ReplaceAll(a.faults, "+", ",")
	if d.HasArg("broken") {
		d.ScanArgs(t, "broken", &a.breakage)
		a.breakage = strings.ReplaceAll(a.breakage, "-", " ")
	}
	if d.MaybeScanArgs(t, "duration", &duration) {
		a.duration = parseDuration(t, duration)
	}
	if cancel != "" {
		a.cancel = parseDuration(t, cancel)
	}
	return a
}

func parseDuration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

func (a arguments) schedule() (Schedule, error) {
	specs, err := ParseFaults(a.faults)
	if err != nil {
		return Schedule{}, err
	}
	return NewSchedule(specs, nodeNames(a.nodes), a.seed, a.duration)
}

func TestScheduleTranscripts(t *testing.T) {
	datadriven.RunTest(t, "testdata/schedule", func(t *testing.T, d *datadriven.TestData) string {
		s, err := scan(t, d).schedule()
		if err != nil {
			return err.Error() + "\n"
		}
		var b strings.Builder
		for _, step := range s.Steps {
			if step.Phase != PhaseInject {
				fmt.Fprintf(&b, "%6.3fs %-6s %2d\n", step.At.Seconds(), step.Phase, step.ID)
				continue
			}
			text := step.Text
			if text == "" {
				text = "(whoever leads)"
			}
			fmt.Fprintf(&b, "%6.3fs inject %2d %s %s: %s\n", step.At.Seconds(), step.ID, step.Fault, step.Mode, text)
		}
		return b.String()
	})
}

func drawSchedule(t *rapid.T) Schedule {
	return drawScheduleOf(t, []Spec{{Fault: Kill}, {Fault: Partition}}[:rapid.IntRange(1, 2).Draw(t, "kinds")])
}

// expanded are all modes that a cluster with every ability has.
func expanded(t require.TestingT, nodes int, faults ...string) []Spec {
	var specs []Spec
	for _, fault := range faults {
		specs = append(specs, Spec{Fault: fault})
	}
	w := newModelWorld(&fakeClock{}, nil, "")
	all, left, err := Expand(context.Background(), specs, nodes, w, AbilitiesOf(w))
	require.NoError(t, err)
	require.Empty(t, left)
	return all
}

func drawScheduleOf(t *rapid.T, specs []Spec) Schedule {
	duration := time.Duration(rapid.Int64Range(0, int64(5*time.Minute)).Draw(t, "duration"))
	s, err := NewSchedule(specs, nodeNames(rapid.IntRange(3, 7).Draw(t, "nodes")), rapid.Uint64().Draw(t, "seed"), duration)
	require.NoError(t, err)
	return s
}

// Every injection is healed, later and before the end; steps are in order; faults of one kind never overlap.
func TestScheduleIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t)
		require.NotEmpty(t, s.Steps)
		require.NoError(t, s.Validate(s.Nodes))
		var last time.Duration
		standing := map[string]int{}
		for _, step := range s.Steps {
			require.GreaterOrEqual(t, step.At, last)
			last = step.At
			if step.Phase == PhaseInject {
				require.NotContains(t, standing, step.Fault)
				standing[step.Fault] = step.ID
				continue
			}
			if step.Phase == PhaseTurn {
				require.Equal(t, standing[step.Fault], step.ID)
				continue
			}
			require.Equal(t, standing[step.Fault], step.ID)
			delete(standing, step.Fault)
		}
		require.Empty(t, standing)
		require.LessOrEqual(t, last, s.Duration)
	})
}

func TestScheduleIsAFunctionOfItsSeed(t *testing.T) {
	different := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t)
		specs := []Spec{}
		for _, k := range kinds {
			for _, step := range s.Steps {
				if step.Fault == k.name() {
					specs = append(specs, Spec{Fault: k.name()})
					break
				}
			}
		}
		if len(specs) < 2 {
			return
		}
		again, err := NewSchedule(specs, s.Nodes, s.Seed, s.Duration)
		require.NoError(t, err)
		require.Equal(t, s, again)
		other, err := NewSchedule(specs, s.Nodes, s.Seed+1, s.Duration)
		require.NoError(t, err)
		if fmt.Sprint(other.Steps) != fmt.Sprint(s.Steps) {
			different++
		}
	})
	require.Positive(t, different)
}

// Thirty seconds have room for every mode of both faults, whatever the seed, and for times when two stand at once and when none does.
func TestScheduleCoversEveryMode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := NewSchedule([]Spec{{Fault: Kill}, {Fault: Partition}}, nodeNames(5), rapid.Uint64().Draw(t, "seed"), 30*time.Second)
		require.NoError(t, err)
		seen := map[string]int{}
		standing, both := 0, 0
		var calm, since time.Duration
		for _, step := range s.Steps {
			if standing == 0 {
				calm += step.At - since
			}
			if step.Phase == PhaseInject {
				seen[step.Fault+":"+step.Mode]++
				standing++
			} else if step.Phase == PhaseHeal {
				standing--
			}
			if standing == 2 {
				both++
			}
			since = step.At
		}
		require.Len(t, seen, 13, "%v", seen)
		require.Positive(t, both)
		require.Greater(t, calm, 3*time.Second)
	})
}

// A minute has room for every mode of all faults, no more than two of which stand at a time, but for transfers that come
// amid another fault.
func TestScheduleCoversEveryModeOfAllFaults(t *testing.T) {
	specs := []Spec{{Fault: Kill}, {Fault: Partition}, {Fault: MembershipChange}, {Fault: Leadership}}
	amidst := false
	rapid.Check(t, func(t *rapid.T) {
		s, err := NewSchedule(specs, nodeNames(5), rapid.Uint64().Draw(t, "seed"), time.Minute)
		require.NoError(t, err)
		seen := map[string]int{}
		standing, amid, most := 0, false, 0
		for _, step := range s.Steps {
			if step.Phase == PhaseTurn {
				continue
			}
			if step.Phase == PhaseHeal {
				standing--
				continue
			}
			if step.Fault == Leadership && standing > 0 {
				amid = true
			}
			seen[step.Fault+":"+step.Mode]++
			standing++
			most = max(most, standing)
		}
		require.Len(t, seen, 17, "%v", seen)
		amidst = amidst || amid
		require.LessOrEqual(t, most, 3)
		require.Greater(t, most, 1)
	})
	require.True(t, amidst)
}

// However short the time, every fault asked for comes.
func TestScheduleHasEveryFault(t *testing.T) {
	specs := []Spec{{Fault: Kill}, {Fault: Partition}, {Fault: MembershipChange}, {Fault: Leadership}}
	rapid.Check(t, func(t *rapid.T) {
		s := drawScheduleOf(t, specs)
		seen := map[string]bool{}
		for _, step := range s.Steps {
			seen[step.Fault] = true
		}
		require.Len(t, seen, 4)
	})
}

func TestNoMoreThanOneRoundApart(t *testing.T) {
	s, err := NewSchedule([]Spec{{Fault: Partition}}, nodeNames(5), 3, 10*time.Minute)
	require.NoError(t, err)
	seen := map[string]int{}
	for _, step := range s.Steps {
		if step.Phase == PhaseInject {
			seen[step.Mode]++
		}
		least, most := 1<<30, 0
		for _, mode := range []string{"primary", "minority", "majority", "bridge", "one-way", "one", "ring", "flapping"} {
			least, most = min(least, seen[mode]), max(most, seen[mode])
		}
		require.LessOrEqual(t, most-least, 1)
	}
	require.Len(t, seen, 8)
}

func TestScheduleSurvivesJSON(t *testing.T) {
	s, err := NewSchedule([]Spec{{Fault: Kill}, {Fault: Partition}}, nodeNames(5), 9, time.Minute)
	require.NoError(t, err)
	data, err := json.Marshal(s)
	require.NoError(t, err)
	var back Schedule
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, s, back)
}

func TestValidate(t *testing.T) {
	nodes := nodeNames(3)
	for want, step := range map[string]Step{
		`schedule: step at 1s: there is no fault "cloc"; there are: ` + kindNames(): {At: time.Second, Fault: "cloc", Phase: PhaseInject},
		`schedule: step at 1s: the phase is "hurt"; it must be "inject" or "heal"`:  {At: time.Second, Fault: Kill, Phase: "hurt"},
		`schedule: step at 1s: there is no node "n9"; the cluster has [n1 n2 n3]`:   {At: time.Second, Fault: Kill, Phase: PhaseInject, Targets: []string{"n9"}},
		`schedule: step at 2s: there is no node "n7"; the cluster has [n1 n2 n3]`:   {At: 2 * time.Second, Fault: Partition, Phase: PhaseInject, Links: []Link{{"n1", "n7"}}},
	} {
		_, err := New(newModelWorld(&fakeClock{}, nodes, ""), Schedule{Steps: []Step{step}}, Options{})
		require.EqualError(t, err, want)
	}
}

// What a cluster cannot do is left out, with the reason, unless it was asked for: then it is an error.
func TestExpand(t *testing.T) {
	w := newModelWorld(&fakeClock{}, nodeNames(5), "")
	all, left, err := Expand(t.Context(), []Spec{{Fault: Kill}, {Fault: Partition, Mode: "one"}}, 5, w, Abilities{})
	require.NoError(t, err)
	require.Equal(t, []string{"kill:container: needs a cluster of containers"}, left)
	var texts []string
	for _, s := range all {
		texts = append(texts, s.String())
	}
	require.Equal(t, []string{"kill:leader", "kill:one", "kill:minority", "kill:majority", "kill:all", "partition:one"}, texts)

	for _, spec := range []Spec{{Fault: Pause}, {Fault: Pause, Mode: "one"}, {Fault: Kill, Mode: "container"}, {Fault: Partition, Mode: "one-way-data"}} {
		_, _, err := Expand(t.Context(), []Spec{spec}, 5, w, Abilities{})
		unable := new(UnableError)
		require.ErrorAs(t, err, &unable)
		require.Equal(t, spec, unable.Spec)
		require.ErrorContains(t, err, "faults: "+spec.String()+": needs a cluster")
	}

	barred := limitedWorld{w, "flapping"}
	_, left, err = Expand(t.Context(), []Spec{{Fault: Partition}}, 5, barred, AbilitiesOf(w))
	require.NoError(t, err)
	require.Equal(t, []string{"partition:flapping: this machine has no flaps"}, left)
	_, _, err = Expand(t.Context(), []Spec{{Fault: Partition, Mode: "flapping"}}, 5, barred, AbilitiesOf(w))
	require.EqualError(t, err, "faults: partition:flapping: this machine has no flaps")
	_, _, err = Expand(t.Context(), []Spec{{Fault: Partition}}, 5, limitedWorld{w, "everything"}, Abilities{})
	require.EqualError(t, err, "faults: partition: this machine has no flaps", "the reason is the plainest mode's, not that of one that lacks more")
}

// limitedWorld is on a machine that cannot do one mode.
type limitedWorld struct {
	*modelWorld
	lacks string
}

func (w limitedWorld) Lacks(_ context.Context, fault, mode string) error {
	if mode == w.lacks || w.lacks == "everything" {
		return fmt.Errorf("this machine has no %s", "flaps")
	}
	return nil
}

// Whoever draws what a fault does draws somebody for it to be done to: a minority of one or two nodes is nobody.
func TestEveryFaultIsDoneToSomebody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 4).Draw(t, "nodes")
		k := rapid.SampledFrom(kinds).Draw(t, "kind")
		s, err := NewSchedule([]Spec{{Fault: k.name()}}, nodeNames(nodes), rapid.Uint64().Draw(t, "seed"), 30*time.Second)
		if err != nil {
			return // too few nodes
		}
		require.NoError(t, s.Validate(s.Nodes))
	})
}

func TestASetOfNobodyIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"disk:power-loss:nodes=minority": "faults: disk:power-loss:nodes=minority: a minority of 2 nodes is nobody",
		"packet:nodes=minority":          "faults: packet:nodes=minority: no mode that suits 2 nodes takes all these parameters",
	} {
		specs, err := ParseFaults(text)
		require.NoError(t, err)
		_, err = NewSchedule(specs, nodeNames(2), 1, 30*time.Second)
		require.EqualError(t, err, want)
	}
}
