package harness

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// A run of a store that keeps its promise, with faults that took hold, is valid; its folder has all there is to know,
// and the same comes out when it is checked again.
func TestRunOfAFaithfulStoreIsValid(t *testing.T) {
	t.Parallel()
	c := newMemoryCluster(t, 3)
	test := memoryTest(t, &memoryStore{}, "kill:one,partition:one")
	o, err := Run(t.Context(), test, c)
	require.NoError(t, err)
	require.Equal(t, checker.Valid, o.Verdict.Verdict, o.Verdict.Reason)
	require.NotZero(t, o.Verdict.Operations.OK)
	c.isGone()

	for _, file := range []string{store.TestFile, store.VerdictFile, store.ReportFile, store.ObservationsFile, store.SealedHistoryFile,
		store.HarnessLogFile, store.ScheduleFile, "nodes/n1.log"} {
		require.FileExists(t, o.Run.Path(file))
	}
	text, err := os.ReadFile(o.Run.Path(store.ScheduleFile))
	require.NoError(t, err)
	var kept nemesis.Schedule
	require.NoError(t, json.Unmarshal(text, &kept))
	drawn, err := nemesis.NewSchedule(test.Faults, c.Nodes(), test.Seed, test.Duration)
	require.NoError(t, err)
	require.Equal(t, drawn, kept)
	definition, err := o.Run.Test()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"ground": "memory"}, definition.Machine)

	again, err := Recheck(t.Context(), o.Run, checker.Options{})
	require.NoError(t, err)
	require.Equal(t, o.Verdict.Reason, again.Verdict.Reason)
	require.Equal(t, checker.Valid, again.Verdict.Verdict)
	// Without the harness's verdict nobody knows whether it was content.
	require.NoError(t, os.Remove(o.Run.Path(store.VerdictFile)))
	again, err = Recheck(t.Context(), o.Run, checker.Options{})
	require.NoError(t, err)
	require.Equal(t, checker.Unknown, again.Verdict.Verdict)
	require.Contains(t, again.Verdict.Reason, "did not finish")
}

// What is wrong with the store or with the cluster shows in the verdict.
func TestRunJudges(t *testing.T) {
	info := systems.Completion{Type: history.Info, Error: "no answer"}
	for _, test := range []struct {
		name    string
		faults  string
		script  func() func(context.Context, workloads.Operation) (systems.Completion, bool)
		spoil   func(c *memoryCluster)
		verdict checker.Verdict
		reason  string
	}{
		{name: "a store that lies", verdict: checker.Invalid, reason: "key",
			script: func() func(context.Context, workloads.Operation) (systems.Completion, bool) {
				var gets atomic.Int64
				return func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
					lies := op.F == "get" && strings.HasPrefix(op.Key, "r") && gets.Add(1) == 50
					return systems.Completion{Type: history.OK, Output: history.Int(777)}, lies
				}
			}},
		{name: "a store that never answers", verdict: checker.Unknown, reason: "did not serve",
			script: func() func(context.Context, workloads.Operation) (systems.Completion, bool) {
				return func(ctx context.Context, _ workloads.Operation) (systems.Completion, bool) {
					<-ctx.Done()
					return info, true
				}
			}},
		{name: "a store whose every write fails", verdict: checker.Unknown, reason: "nothing was written",
			script: func() func(context.Context, workloads.Operation) (systems.Completion, bool) {
				return func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
					return systems.Completion{Type: history.Fail, Error: "read only"}, op.F != "get"
				}
			}},
		{name: "a client that forgets to say what became of it", verdict: checker.Unknown, reason: "of ",
			script: func() func(context.Context, workloads.Operation) (systems.Completion, bool) {
				return func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
					return systems.Completion{}, op.F == "cas"
				}
			}},
		{name: "last reads that are not answered", verdict: checker.Unknown, reason: "could not be read a last time",
			script: func() func(context.Context, workloads.Operation) (systems.Completion, bool) {
				var puts atomic.Int64
				return func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
					if op.F == "put" {
						puts.Add(1)
					}
					return info, op.F == "get" && op.Key == "r0" && puts.Load() > 50
				}
			}},
		{name: "cuts that do nothing", faults: "partition:one", spoil: func(c *memoryCluster) { c.deafCuts = true },
			verdict: checker.Unknown, reason: "no partition one is known to have taken hold"},
		{name: "cuts that are refused", faults: "partition:one",
			spoil: func(c *memoryCluster) {
				c.hook = func(call, _ string) error {
					if call == "cut" {
						return errors.New("no right to")
					}
					return nil
				}
			},
			verdict: checker.Unknown, reason: "not known to have been whole"},
		{name: "a node that cannot be started again", faults: "kill:one",
			spoil: func(c *memoryCluster) {
				c.hook = func(call, _ string) error {
					if call == "start" {
						return errors.New("no memory")
					}
					return nil
				}
			},
			verdict: checker.Unknown, reason: "not known to have been whole"},
		{name: "nobody leads", faults: "kill:leader", verdict: checker.Unknown, reason: "no kill leader is known"},
		{name: "a node that crashes and is started again by the nemesis", faults: "kill:one",
			spoil: func(c *memoryCluster) {
				var once sync.Once
				c.hook = func(call, node string) error {
					if call == "kill" { // the others crash unseen, a moment before the nemesis looks after them
						once.Do(func() { c.end(otherThan(c, node), "exit status 2") })
					}
					return nil
				}
			},
			verdict: checker.Invalid, reason: "ended by itself before"},
		{name: "a node that somebody else kills", faults: "kill:one",
			spoil: func(c *memoryCluster) {
				var once sync.Once
				c.hook = func(call, node string) error {
					if call == "kill" {
						once.Do(func() { c.end(otherThan(c, node), killed) })
					}
					return nil
				}
			},
			verdict: checker.Unknown, reason: "not by the nemesis"},
		{name: "processes that cannot be seen", spoil: func(c *memoryCluster) {
			c.hook = func(call, _ string) error {
				if call == "process" {
					return errors.New("no /proc")
				}
				return nil
			}
		}, verdict: checker.Unknown, reason: "nobody can tell whether n1 ended by itself"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newMemoryCluster(t, 3)
			s := &memoryStore{}
			if test.script != nil {
				s.script = test.script()
			}
			if test.spoil != nil {
				test.spoil(c)
			}
			o, err := Run(t.Context(), memoryTest(t, s, test.faults), c)
			require.NoError(t, err)
			require.Equal(t, test.verdict, o.Verdict.Verdict, o.Verdict.Reason)
			require.Contains(t, o.Verdict.Reason, test.reason)
			c.isGone()
			again, err := Recheck(t.Context(), o.Run, checker.Options{})
			require.NoError(t, err)
			require.Equal(t, test.verdict, again.Verdict.Verdict, again.Verdict.Reason)
		})
	}
}

func otherThan(c *memoryCluster, node string) string {
	if c.names[0] != node {
		return c.names[0]
	}
	return c.names[1]
}

// Whatever breaks in the harness, the cluster is gone, the history is closed, and the folder tells why there is no verdict
// to rely on.
func TestRunOutlivesItsOwnFailures(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(test *Test, s *memoryStore, c *memoryCluster)
		want  string
	}{
		{"set-up fails", func(_ *Test, _ *memoryStore, c *memoryCluster) { c.hook = failing("setup") }, "setting up the memory cluster: setup is broken"},
		{"set-up panics", func(_ *Test, _ *memoryStore, c *memoryCluster) { c.hook = panicking("setup") }, "the run panicked: setup is broken"},
		{"the nemesis panics", func(_ *Test, _ *memoryStore, c *memoryCluster) { c.hook = panicking("kill") }, "the nemesis panicked: kill is broken"},
		{"the logs panic", func(_ *Test, s *memoryStore, c *memoryCluster) {
			c.hook, s.open = panicking("logs"), errors.New("no client today")
		}, "no client today"},
		{"a watch panics", func(_ *Test, _ *memoryStore, c *memoryCluster) { c.hook = panicking("process") }, "panicked: process is broken"},
		{"take-down fails", func(_ *Test, _ *memoryStore, c *memoryCluster) { c.hook = failing("teardown") }, "`ordeal cleanup` tries again"},
		{"a client panics", func(_ *Test, s *memoryStore, _ *memoryCluster) {
			var puts atomic.Int64
			s.script = func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
				if op.F == "put" && puts.Add(1) == 20 {
					panic("index out of range")
				}
				return systems.Completion{}, false
			}
		}, "panicked: index out of range"},
		{"the progress panics", func(test *Test, _ *memoryStore, _ *memoryCluster) {
			test.Progress = scriptedProgress{show: func() { panic("no terminal") }}
		}, "the progress panicked: no terminal"},
		{"the disk is full", func(test *Test, _ *memoryStore, _ *memoryCluster) {
			test.createHistory = func(string) (*history.Writer, error) { return history.NewWriter(&fullDisk{room: 20_000}), nil }
		}, "no space left on device; is the disk full? --out names another folder"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, s := newMemoryCluster(t, 3), &memoryStore{}
			definition := memoryTest(t, s, "kill:one")
			test.spoil(&definition, s, c)
			o, err := Run(t.Context(), definition, c)
			require.ErrorContains(t, err, test.want)
			require.NotEqual(t, checker.Valid, o.Verdict.Verdict)
			c.isGone()

			folder, err := store.Open(o.Run.Folder)
			require.NoError(t, err, "the folder is a run's")
			again, err := Recheck(t.Context(), folder, checker.Options{})
			if path, none := folder.History(); none == nil {
				require.NoError(t, err, "the history at %s can be read", path)
			}
			if definition.createHistory == nil {
				require.NoError(t, err)
				require.Equal(t, checker.Unknown, again.Verdict.Verdict)
				require.Contains(t, again.Verdict.Reason, "the harness failed: ")
				require.FileExists(t, folder.Path(store.ReportFile))
			}
		})
	}
}

func failing(call string) func(string, string) error {
	return func(c, _ string) error {
		if c == call {
			return errors.New(call + " is broken")
		}
		return nil
	}
}

func panicking(call string) func(string, string) error {
	return func(c, _ string) error {
		if c == call {
			panic(call + " is broken")
		}
		return nil
	}
}

// A failed take-down does not hide what the history shows.
func TestRunTellsOfAViolationEvenWhenTheTakeDownFails(t *testing.T) {
	t.Parallel()
	c := newMemoryCluster(t, 3)
	c.hook = failing("teardown")
	s := &memoryStore{script: func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
		return systems.Completion{Type: history.OK, Output: history.Int(777)}, op.F == "get"
	}}
	o, err := Run(t.Context(), memoryTest(t, s, ""), c)
	require.ErrorContains(t, err, "teardown is broken")
	require.Equal(t, checker.Invalid, o.Verdict.Verdict)
}

// fullDisk takes a number of bytes and no more.
type fullDisk struct{ room int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, syscall.ENOSPC
	}
	return len(b), nil
}

var _ io.Writer = (*fullDisk)(nil)

// A client that does not come back from an operation holds up nothing for ever, and its operation stays open in the history.
func TestRunGivesUpOnAClientThatHangs(t *testing.T) {
	t.Parallel()
	c := newMemoryCluster(t, 3)
	release := make(chan struct{})
	defer close(release)
	var puts atomic.Int64
	s := &memoryStore{script: func(_ context.Context, op workloads.Operation) (systems.Completion, bool) {
		if op.F == "put" && puts.Add(1) == 20 {
			<-release
		}
		return systems.Completion{}, false
	}}
	test := memoryTest(t, s, "")
	test.bounds.stuck = 200 * time.Millisecond
	o, err := Run(t.Context(), test, c)
	require.NoError(t, err)
	require.Equal(t, checker.Unknown, o.Verdict.Verdict)
	require.Contains(t, o.Verdict.Reason, "did not return within")
	c.isGone()
	open := 0
	for _, op := range o.History.Operations {
		if op.Type == history.Info {
			open++
		}
	}
	require.NotZero(t, open)
}

// scriptedProgress calls back.
type scriptedProgress struct {
	phase func(string)
	show  func()
}

func (p scriptedProgress) Phase(text string) {
	if p.phase != nil {
		p.phase(text)
	}
}

func (p scriptedProgress) Show(Snapshot) {
	if p.show != nil {
		p.show()
	}
}

// An interruption at any moment leaves no cluster and a folder that tells of it; a run whose clients were not cut short is
// judged as usual.
func TestRunInterrupted(t *testing.T) {
	for _, test := range []struct {
		phase   string
		verdict checker.Verdict
		reason  string
		err     string
	}{
		{"bringing up", checker.Unknown, "interrupted", "interrupted"},
		{"waiting until", checker.Unknown, "interrupted before it began", ""},
		{"running", checker.Unknown, "the run was interrupted after", ""},
		{"reading everything", checker.Valid, "operations are linearizable", ""},
		{"taking the cluster down", checker.Valid, "operations are linearizable", ""},
		{"checking", checker.Valid, "operations are linearizable", ""},
	} {
		t.Run(test.phase, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := newMemoryCluster(t, 3)
			definition := memoryTest(t, &memoryStore{}, "")
			seen := false
			definition.Progress = scriptedProgress{phase: func(text string) {
				if strings.HasPrefix(text, test.phase) {
					seen = true
					cancel()
				}
			}}
			o, err := Run(ctx, definition, c)
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.err)
			}
			require.True(t, seen)
			require.Equal(t, test.verdict, o.Verdict.Verdict, o.Verdict.Reason)
			require.Contains(t, o.Verdict.Reason, test.reason)
			c.isGone()
		})
	}
}

// Members are removed and added, and leadership goes round, where the system lets that be done. That removed nodes stop by
// themselves is no crash.
func TestRunChangesMembers(t *testing.T) {
	t.Parallel()
	c := newMemoryCluster(t, 3)
	s := &administeredStore{members: newMemoryMembers(c)}
	test := memoryTest(t, &s.memoryStore, "membership:shrink,leader")
	test.System = s
	o, err := Run(t.Context(), test, c)
	require.NoError(t, err)
	require.Equal(t, checker.Valid, o.Verdict.Verdict, o.Verdict.Reason)
	require.Equal(t, c.names, s.members.voters)
	var took []string
	for _, f := range o.Verdict.Faults {
		if f.Took {
			took = append(took, f.Fault)
		}
	}
	require.Contains(t, took, nemesis.MembershipChange)
	require.Contains(t, took, nemesis.Leadership)
	c.isGone()
}

// A removed node that ends in another way is a crash.
func TestRunOfARemovedNodeThatCrashes(t *testing.T) {
	t.Parallel()
	c := newMemoryCluster(t, 3)
	s := &administeredStore{members: newMemoryMembers(c)}
	s.members.end = "exit status 255"
	test := memoryTest(t, &s.memoryStore, "membership:shrink")
	test.System = s
	o, err := Run(t.Context(), test, c)
	require.NoError(t, err)
	require.Equal(t, checker.Invalid, o.Verdict.Verdict)
	require.Contains(t, o.Verdict.Reason, "(exit status 255); its log says why")
}

func TestRunRefusesWhatItCannotRun(t *testing.T) {
	good := memoryTest(t, &memoryStore{}, "")
	for _, test := range []struct {
		change func(*Test)
		want   string
	}{
		{func(t *Test) { t.Clients = 0 }, "--clients 0"},
		{func(t *Test) { t.Clients = 10_001 }, "--clients 10001"},
		{func(t *Test) { t.Rate = -1 }, "--rate -1"},
		{func(t *Test) { t.Rate = zero / zero }, "--rate NaN"},
		{func(t *Test) { t.Rate = 1 / zero }, "--rate +Inf"},
		{func(t *Test) { t.Duration = 0 }, "--time 0s"},
		{func(t *Test) { t.OperationTimeout = 0 }, "--timeout 0s"},
		{func(t *Test) { t.OperationTimeout = 2 * longestTimeout }, "--timeout 2m0s"},
		{func(t *Test) { t.Workload = "chess" }, "--workload chess"},
		{func(t *Test) { t.System = nil }, "needs a system"},
		{func(t *Test) { t.Faults = []nemesis.Spec{{Fault: nemesis.Leadership}} }, "--faults leader: nobody knows how to change the members of memory"},
	} {
		bad := good
		test.change(&bad)
		o, err := Run(t.Context(), bad, newMemoryCluster(t, 3))
		require.ErrorContains(t, err, test.want)
		require.Nil(t, o)
	}
	left, err := os.ReadDir(good.Results)
	require.NoError(t, err)
	require.Empty(t, left)

	// A file in the place of the folder for results.
	bad := good
	bad.Results = filepath.Join(good.Results, "file")
	require.NoError(t, os.WriteFile(bad.Results, nil, 0o644))
	c := newMemoryCluster(t, 3)
	o, err := Run(t.Context(), bad, c)
	require.ErrorContains(t, err, "making the run's folder")
	require.Nil(t, o)
	require.Zero(t, c.teardowns, "nothing was begun")
}

var zero float64

// Two runs into one folder at once keep apart.
func TestRunsSideBySide(t *testing.T) {
	t.Parallel()
	first := memoryTest(t, &memoryStore{}, "")
	second := first
	second.System, second.Seed = &memoryStore{}, 2
	outcomes := make([]*Outcome, 2)
	var group sync.WaitGroup
	for i, test := range []Test{first, second} {
		group.Go(func() {
			o, err := Run(t.Context(), test, newMemoryCluster(t, 3))
			if err != nil {
				t.Error(err)
			}
			outcomes[i] = o
		})
	}
	group.Wait()
	require.NotEqual(t, outcomes[0].Run.Folder, outcomes[1].Run.Folder)
	for i, o := range outcomes {
		require.Equal(t, checker.Valid, o.Verdict.Verdict, o.Verdict.Reason)
		test, err := o.Run.Test()
		require.NoError(t, err)
		require.EqualValues(t, i+1, test.Seed)
	}
}

// A run of one fault alone owes every mode of it, and says which it missed; also when it is checked again.
func TestRunOfOneFaultOwesEveryMode(t *testing.T) {
	t.Parallel()
	o, err := Run(t.Context(), memoryTest(t, &memoryStore{}, "kill"), newMemoryCluster(t, 3))
	require.NoError(t, err)
	require.Equal(t, checker.Unknown, o.Verdict.Verdict)
	require.Contains(t, o.Verdict.Reason, "no kill all is known to have taken hold")
	require.NotContains(t, o.Verdict.Reason, "container", "this cluster has none")
	again, err := Recheck(t.Context(), o.Run, checker.Options{})
	require.NoError(t, err)
	require.Equal(t, o.Verdict.Reason, again.Verdict.Reason)
}

// What the cluster cannot do is refused, and the cluster is gone.
func TestRunRefusesFaultsThatTheClusterCannotDo(t *testing.T) {
	t.Parallel()
	c := newMemoryCluster(t, 3)
	_, err := Run(t.Context(), memoryTest(t, &memoryStore{}, "kill:container"), c)
	unable := new(nemesis.UnableError)
	require.ErrorAs(t, err, &unable)
	c.isGone()
}
