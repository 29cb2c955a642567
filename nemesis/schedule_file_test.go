package nemesis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// everything asks for all faults there are.
func everything() []Spec {
	var specs []Spec
	for _, k := range kinds {
		for _, m := range k.modes() {
			specs = append(specs, Spec{Fault: k.name(), Mode: m.name})
		}
	}
	return specs
}

// What NewSchedule draws, ReadSchedule takes, and nothing of it is lost.
func TestReadSchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := everything()
		if rapid.Bool().Draw(t, "a sequence") {
			for i := range all {
				all[i].Stage = rapid.IntRange(1, 4).Draw(t, "stage")
			}
		}
		s, err := NewSchedule(all, nodeNames(rapid.IntRange(5, 7).Draw(t, "nodes")), rapid.Uint64().Draw(t, "seed"),
			time.Duration(rapid.IntRange(10, 600).Draw(t, "seconds"))*time.Second)
		require.NoError(t, err)
		text, err := json.MarshalIndent(s, "", "  ")
		require.NoError(t, err)
		back, err := ReadSchedule(bytes.NewReader(text))
		require.NoError(t, err)
		require.True(t, reflect.DeepEqual(s, back))
		for _, spec := range back.Specs() {
			_, err := ParseFaults(spec.String())
			require.NoError(t, err)
		}
	})
}

const plainSchedule = `{"nodes":["n1","n2","n3"],"seed":1,"duration_ns":9000000000,"steps":[
 {"at_ns":1000000000,"id":1,"fault":"kill","mode":"one","phase":"inject","targets":["n1"],"text":"kill n1"},
 {"at_ns":2000000000,"id":2,"fault":"disk","mode":"fsync-slow","phase":"inject","parameters":{"nodes":"one","delay":"20ms"},"targets":["n2"],"text":"disk of n2"},
 {"at_ns":3000000000,"id":1,"fault":"kill","mode":"one","phase":"heal"},
 {"at_ns":4000000000,"id":2,"fault":"disk","mode":"fsync-slow","phase":"heal"}]}`

// Each slip has an error that names the place and what is wanted.
func TestReadScheduleErrors(t *testing.T) {
	_, err := ReadSchedule(strings.NewReader(plainSchedule))
	require.NoError(t, err)
	for _, test := range []struct{ old, new, want string }{
		{`{"nodes"`, `nodes`, `schedule: line 1: invalid character 'o' in literal null (expecting 'u')`},
		{`"seed":1`, `"sead":1`, `schedule: json: unknown field "sead"`},
		{`"seed":1`, `"seed":"one"`, `schedule: line 1: json: cannot unmarshal string into Go struct field Schedule.seed of type uint64`},
		{`]}`, `]}{}`, `schedule: there is more behind the schedule`},
		{`"n3"],`, `"n4"],`, `schedule: nodes[2] is "n4"; nodes are called n1, n2, ... in this order`},
		{`["n1","n2","n3"]`, `[]`, `schedule: 0 nodes; want 1 to 100`},
		{`"duration_ns":9000000000`, `"duration_ns":-1`, `schedule: duration_ns is -1; want 0 to 3600000000000000`},
		{`"duration_ns":9000000000`, `"duration_ns":1500000000`, `schedule: steps[1] (at 2s): at_ns is 2000000000; steps come in order, within the duration`},
		{`"at_ns":2000000000`, `"at_ns":500000000`, `schedule: steps[1] (at 500ms): at_ns is 500000000; steps come in order, within the duration`},
		{`"id":2,"fault":"disk","mode":"fsync-slow","phase":"inject"`, `"id":1,"fault":"disk","mode":"fsync-slow","phase":"inject"`, `schedule: steps[1] (at 2s): fault 1 is injected twice`},
		{`"id":1,"fault":"kill","mode":"one","phase":"heal"`, `"id":3,"fault":"kill","mode":"one","phase":"heal"`, `schedule: steps[2] (at 3s): fault 3 does not stand, and its phase is "heal"`},
		{`"id":1,"fault":"kill","mode":"one","phase":"heal"`, `"id":1,"fault":"kill","mode":"all","phase":"heal"`, `schedule: steps[2] (at 3s): fault 1 is a kill one, and is a kill all later`},
		{`"id":1,"fault":"kill","mode":"one","phase":"inject"`, `"id":0,"fault":"kill","mode":"one","phase":"inject"`, `schedule: steps[0] (at 1s): id is 0; faults are numbered from 1`},
		{`"fault":"kill","mode":"one"`, `"fault":"kil","mode":"one"`, `schedule: step at 1s: there is no fault "kil"; there are: ` + kindNames()},
		{`"fault":"kill","mode":"one"`, `"fault":"kill","mode":"two"`, `schedule: step at 1s: kill has no mode "two"; it has: leader, one, minority, majority, all, container`},
		{`,"text":"kill n1"`, ``, `schedule: step at 1s: it names targets or links, and has no text for people`},
		{`"targets":["n1"],`, ``, `schedule: step at 1s: it names neither targets nor links`},
		{`["n1"],"text"`, `["n9"],"text"`, `schedule: step at 1s: there is no node "n9"; the cluster has [n1 n2 n3]`},
		{`["n1"],"text"`, `["n1","n1"],"text"`, `schedule: step at 1s: it names n1 twice`},
		{`"delay":"20ms"`, `"delay":"soon"`, `schedule: step at 2s: disk: delay=soon: want a duration of 1ms to 10s, such as 150ms`},
		{`,"delay":"20ms"`, ``, `schedule: step at 2s: disk:fsync-slow without the parameter "delay"`},
		{`"delay":"20ms"`, `"torn":"yes"`, `schedule: step at 2s: disk:fsync-slow has no parameter "torn", which is for power-loss`},
	} {
		text := plainSchedule
		require.Contains(t, text, test.old)
		if test.old == `"id":1,"fault":"kill","mode":"one","phase":"heal"` {
			text = strings.Replace(text, test.old, test.new, 1)
		} else if strings.Contains(test.old, `"fault":"kill"`) && !strings.Contains(test.old, "phase") {
			text = strings.ReplaceAll(text, test.old, test.new)
		} else {
			text = strings.Replace(text, test.old, test.new, 1)
		}
		_, err := ReadSchedule(strings.NewReader(text))
		require.EqualError(t, err, test.want, "%s in place of %s", test.new, test.old)
	}
}

// An injection that would do nothing, or leave nobody to vote, is refused, and one that has all it needs is taken.
func TestReadScheduleInjections(t *testing.T) {
	const link, text = `"links":[{"from":"n1","to":"n2"}]`, `"text":"for people"`
	for _, test := range []struct{ fault, mode, rest, want string }{
		{PacketTrouble, delayMode, link + `,"parameters":{"delay":"30ms"}`, ``},
		{PacketTrouble, delayMode, link + `,"parameters":{"delay":"30ms","jitter":"5ms"}`, ``},
		{PacketTrouble, lossMode, link + `,"parameters":{"share":"0.5"}`, ``},
		{PacketTrouble, bandwidthMode, link + `,"parameters":{"rate":"20"}`, ``},
		{PacketTrouble, Duplication, link + `,"parameters":{"share":"0.5"}`, ``},
		{PacketTrouble, Reordering, link + `,"parameters":{"share":"0.5","delay":"5ms"}`, ``},
		{PacketTrouble, delayMode, `"targets":["n1"],"parameters":{"delay":"30ms"}`, `it shapes no links: name those by which its targets send`},
		{PacketTrouble, delayMode, `"targets":["n1","n2","n3"],"parameters":{"delay":"30ms"}`, `it shapes no links: name those by which its targets send`},
		{PacketTrouble, delayMode, link, `packet:delay without the parameter "delay"`},
		{PacketTrouble, delayMode, link + `,"parameters":{"jitter":"5ms"}`, `packet:delay without the parameter "delay"`},
		{PacketTrouble, lossMode, link, `packet:loss without the parameter "share"`},
		{PacketTrouble, bandwidthMode, link, `packet:bandwidth without the parameter "rate"`},
		{PacketTrouble, Duplication, link, `packet:duplicate without the parameter "share"`},
		{PacketTrouble, Reordering, link + `,"parameters":{"share":"0.5"}`, `packet:reorder without the parameter "delay"`},
		{PacketTrouble, Reordering, link + `,"parameters":{"delay":"5ms"}`, `packet:reorder without the parameter "share"`},
		{Partition, "one", `"targets":["n1"],` + link, ``},
		{Partition, "one", `"targets":["n1"]`, `it cuts no links`},
		{Partition, "one", `"links":[{"from":"n1","to":"n2"},{"from":"n2","to":"n1"},{"from":"n1","to":"n2"}]`, `it names the link from n1 to n2 twice`},
		{Partition, ClientsMode, `"targets":["n1"]`, ``},
		{Partition, ClientsMode, link, `it keeps clients off no node: name targets`},
		{MembershipChange, "shrink", `"targets":["n1","n2"]`, ``},
		{MembershipChange, "shrink", `"targets":["n1","n2","n3"]`, `it removes all 3 nodes: no voter would be left`},
		{Kill, "one", `"targets":["n1"]`, ``},
		{Kill, "one", link, `kill hurts no links: name targets`},
		{Leadership, "transfer", `"targets":["n1"]`, ``},
		{Leadership, "transfer", `"targets":["n1","n2"]`, `leadership is handed to one node, and it names 2`},
		{Leadership, "transfer", link, `leader hurts no links: name targets`},
	} {
		step := fmt.Sprintf(`{"at_ns":1000000000,"id":1,"fault":%q,"mode":%q,"phase":"inject",%s,%s}`, test.fault, test.mode, test.rest, text)
		_, err := ReadSchedule(strings.NewReader(`{"nodes":["n1","n2","n3"],"seed":1,"duration_ns":9000000000,"steps":[` + step + `]}`))
		if test.want == "" {
			require.NoError(t, err, step)
			continue
		}
		require.EqualError(t, err, "schedule: step at 1s: "+test.want, step)
	}
}

// Whatever is taken can be run: New does not refuse it, and nothing is left after.
func FuzzReadSchedule(f *testing.F) {
	f.Add([]byte(plainSchedule))
	f.Add([]byte(`{"nodes":["n1"],"seed":0,"duration_ns":0,"steps":null}`))
	for _, faults := range []string{"kill,partition", "disk,pause>membership>leader"} {
		specs, err := ParseFaults(faults)
		require.NoError(f, err)
		s, err := NewSchedule(specs, nodeNames(5), 1, 20*time.Second)
		require.NoError(f, err)
		text, err := json.Marshal(s)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ReadSchedule(bytes.NewReader(text))
		if err != nil || len(s.Steps) > 100 {
			return
		}
		world := newModelWorld(&fakeClock{}, s.Nodes, "")
		n, err := New(world, s, Options{Clock: world.clock, Leader: func() string { return world.leader }})
		require.NoError(t, err)
		events := n.Run(t.Context())
		require.Equal(t, Closing, events[len(events)-1].Fault)
		require.Empty(t, world.whole())
	})
}

// The faults of one stage stand together, stages come one after the other and again.
func TestSequence(t *testing.T) {
	specs, err := ParseFaults("kill:one,partition:bridge>pause:one>disk:power-loss:nodes=all")
	require.NoError(t, err)
	require.Equal(t, "kill:one,partition:bridge>pause:one>disk:power-loss:nodes=all", FormatFaults(specs))
	for _, seconds := range []int{5, 30, 120} {
		s, err := NewSchedule(specs, nodeNames(5), 3, time.Duration(seconds)*time.Second)
		require.NoError(t, err)
		var order []string
		standing := map[string]bool{}
		for _, step := range s.Steps {
			if step.Phase == PhaseHeal {
				delete(standing, step.Fault)
				continue
			}
			standing[step.Fault] = true
			if step.Fault == Kill || step.Fault == Partition {
				if len(standing) == 2 {
					order = append(order, "both")
				}
				continue
			}
			require.Len(t, standing, 1)
			order = append(order, step.Fault)
		}
		require.GreaterOrEqual(t, len(order), 3)
		for i, what := range order {
			require.Equal(t, []string{"both", Pause, DiskFailure}[i%3], what)
		}
	}
}

// The same fault with other parameters is another fault asked for, and parameters choose among modes.
func TestParametersChooseModes(t *testing.T) {
	specs, err := ParseFaults("disk:delay=20ms,disk:power-loss:nodes=all,disk:power-loss:nodes=one:torn=yes")
	require.NoError(t, err)
	s, err := NewSchedule(specs, nodeNames(5), 1, time.Minute)
	require.NoError(t, err)
	seen := map[string]int{}
	for _, step := range s.Steps {
		if step.Phase == PhaseInject {
			seen[step.Mode+" "+step.Parameters[nodesParameter]+" "+step.Parameters[delayParameter]]++
		}
	}
	require.Positive(t, seen["power-loss all "])
	require.Positive(t, seen["power-loss one "])
	for what := range seen {
		require.Contains(t, []string{"power-loss all ", "power-loss one ", "fsync-slow leader 20ms", "fsync-slow minority 20ms", "fsync-slow all 20ms"}, what)
	}
	_, err = NewSchedule([]Spec{{Fault: DiskFailure, Parameters: map[string]string{tornParameter: "yes", delayParameter: "1s"}}}, nodeNames(5), 1, time.Minute)
	require.EqualError(t, err, "faults: disk:delay=1s:torn=yes: no mode that suits 5 nodes takes all these parameters")
}
