package nemesis

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseFaults(t *testing.T) {
	for text, want := range map[string][]Spec{
		"":                                 nil,
		"none":                             nil,
		"kill":                             {{Fault: "kill"}},
		"kill,partition":                   {{Fault: "kill"}, {Fault: "partition"}},
		" partition:bridge , kill:leader ": {{Fault: "partition", Mode: "bridge"}, {Fault: "kill", Mode: "leader"}},
		"kill:one,kill:all,kill:one":       {{Fault: "kill", Mode: "one"}, {Fault: "kill", Mode: "all"}},
	} {
		got, err := ParseFaults(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestParseFaultsErrors(t *testing.T) {
	for text, want := range map[string]string{
		"kil":                           `faults: there is no fault "kil"; there are: ` + kindNames(),
		"cloc:rate=1.5":                 `faults: there is no fault "cloc"; there are: ` + kindNames(),
		"kill,,partition":               `faults: an empty name between commas; there are: ` + kindNames(),
		"membership:grow":               `faults: membership has no mode "grow"; it has: shrink, leader, two`,
		"kill,none":                     `faults: "none" stands alone or not at all`,
		"kill:nobody":                   `faults: kill has no mode "nobody"; it has: leader, one, minority, majority, all, container`,
		"partition:":                    `faults: partition has no mode ""; it has: primary, minority, majority, bridge, one-way, one, ring, flapping, one-way-data, clients, halves`,
		"partition:bridge:one":          `faults: partition has two modes, "bridge" and "one"; write partition:bridge,partition:one for both`,
		"disk:fsync-slow:delay=0s":      "faults: disk: delay=0s: want a duration of 1ms to 10s, such as 150ms",
		"disk:power-loss:delay=5ms":     `faults: disk:power-loss has no parameter "delay", which is for fsync-slow`,
		"disk:full:nodes=n1":            "faults: disk: nodes=n1: want leader, one, minority, majority, all",
		"disk:full:nodes=one:nodes=one": `faults: disk has the parameter "nodes" twice`,
		"kill>":                         `faults: an empty name between commas; there are: ` + kindNames(),
		"partition:bridge:width=3":      `faults: partition has no parameter "width"; it has none`,
	} {
		_, err := ParseFaults(text)
		require.EqualError(t, err, want, text)
	}
}

func FuzzParseFaults(f *testing.F) {
	for _, seed := range []string{"kill,partition", "partition:bridge,clock:rate=1.5,kill:leader", "none", ",", ":", "kill:one:a=b", "kill>disk:fsync-slow:delay=20ms>kill,pause"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		specs, err := ParseFaults(text)
		if err != nil {
			return
		}
		again, err := ParseFaults(FormatFaults(specs))
		require.NoError(t, err)
		require.Equal(t, specs, again)
	})
}

func TestFaultHelpNamesEveryMode(t *testing.T) {
	help := strings.Join(FaultHelp(), "\n")
	for _, k := range kinds {
		for _, m := range k.modes() {
			require.Contains(t, help, k.name()+":"+m.name+" ")
		}
	}
}
