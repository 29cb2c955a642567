package nemesis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A transfer to a node that the schedule names takes hold when that node leads a later term than before, and in no other case.
func TestTransferToNamedNode(t *testing.T) {
	cutOff := Step{At: time.Second, ID: 2, Fault: Partition, Mode: "one", Phase: PhaseInject, Targets: []string{"n3"}, Text: "n3",
		Links: []Link{{"n1", "n3"}, {"n2", "n3"}, {"n3", "n1"}, {"n3", "n2"}}}
	for name, test := range map[string]struct {
		to, breakage string
		before       []Step
		took         bool
		want         string
	}{
		"it leads after":             {to: "n3", took: true, want: "n1 led term 1, n3 leads term 2"},
		"it is cut off":              {to: "n3", before: []Step{cutOff}, want: "n1 leads term 1, as n1 did term 1"},
		"it leads already":           {to: "n1", want: "n1 leads term 1 already"},
		"another one leads after":    {to: "n3", breakage: "transfer goes to another", want: "n2 leads term 2, and leadership was handed to n3"},
		"nothing happens":            {to: "n3", breakage: "transfer does nothing", want: "n1 leads term 1, as n1 did term 1"},
		"nobody knows who led":       {to: "n3", breakage: "nobody tells the members", want: "no node says that it leads"},
		"the leader does not let go": {to: "n3", breakage: "transfer is refused", want: "another change of the configuration is under way"},
	} {
		t.Run(name, func(t *testing.T) {
			step := Step{At: 2 * time.Second, ID: 1, Fault: Leadership, Mode: "transfer", Phase: PhaseInject, Targets: []string{test.to}, Text: "to " + test.to}
			s := Schedule{Nodes: nodeNames(3), Seed: 1, Duration: 6 * time.Second, Steps: append(test.before, step)}
			for _, e := range newRun(t, arguments{breakage: test.breakage}, s).run(t) {
				if e.Fault == Leadership && e.Phase == PhaseInject {
					require.Equal(t, test.took, e.Took, "%+v", e)
					require.Contains(t, e.Evidence[len(e.Evidence)-1], test.want)
				}
			}
		})
	}
}
