package harness

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/nemesis"
)

func watching(t *testing.T) (*memoryCluster, *processWatch, watched) {
	c := newMemoryCluster(t, 3)
	require.NoError(t, c.Setup(t.Context()))
	w := newProcessWatch(c, func() time.Duration { return 1500 * time.Millisecond })
	return c, w, watched{c, w}
}

func TestWatchTellsCrashesFromKills(t *testing.T) {
	c, w, world := watching(t)
	ctx := t.Context()
	require.NoError(t, world.Kill(ctx, "n1"))
	w.lookAll(ctx)
	require.Empty(t, w.found())
	require.NoError(t, world.Start(ctx, "n1"))

	c.end("n1", "exit status 2")
	w.lookAll(ctx)
	w.lookAll(ctx)
	require.Equal(t, []string{"n1 ended by itself before 1.5s (exit status 2); its log says why"}, w.found(), "noted once")
	require.Empty(t, w.doubts())
}

// A crash that the nemesis repairs before the watch comes by is noted all the same, and so is the next one.
func TestWatchLooksBeforeAStart(t *testing.T) {
	c, w, world := watching(t)
	for range 2 {
		c.end("n2", "signal: aborted")
		require.NoError(t, world.Start(t.Context(), "n2"))
	}
	require.Len(t, w.found(), 2)
}

// A process that had ended by itself before the nemesis came to kill it is not taken for the nemesis's.
func TestWatchOfAKillThatCameTooLate(t *testing.T) {
	c, w, world := watching(t)
	c.end("n3", killed)
	_ = world.Kill(t.Context(), "n3")
	w.lookAll(t.Context())
	require.Empty(t, w.found())
	require.Len(t, w.doubts(), 1)
	require.Contains(t, w.doubts()[0], "n3 was killed before 1.5s, and not by the nemesis")
}

func TestWatchThatSeesNothing(t *testing.T) {
	c, w, _ := watching(t)
	blind := true
	c.hook = func(call, node string) error {
		if blind && call == "process" && node == "n2" {
			return errors.New("no answer")
		}
		return nil
	}
	w.lookAll(t.Context())
	require.Equal(t, []string{"nobody can tell whether n2 ended by itself: no answer"}, w.doubts())
	blind = false
	w.lookAll(t.Context())
	require.Empty(t, w.doubts(), "the last look counts: a process that ended would still be seen")
}

func TestWatchEnds(t *testing.T) {
	_, w, _ := watching(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.run(ctx)
}

// A node that was removed may stop by itself, also when it was started again too early, until it is a voter again. Any other
// end is a crash.
func TestWatchOfRemovedNodes(t *testing.T) {
	c, w, plain := watching(t)
	ctx := t.Context()
	members := newMemoryMembers(c)
	seen := watchedMembers{members, w}
	tell := func() {
		for _, node := range c.Nodes() {
			_, err := seen.Membership(ctx, node)
			require.NoError(t, err)
		}
		w.lookAll(ctx)
	}
	c.end("n2", stopped)
	tell()
	require.Len(t, w.doubts(), 1, "nobody has removed it")
	require.NoError(t, plain.Start(ctx, "n2"))

	require.NoError(t, seen.ChangeMembers(ctx, nil, []string{"n2"}))
	tell()
	require.NoError(t, plain.Start(ctx, "n2"))
	c.end("n2", stopped)
	tell()
	require.Len(t, w.doubts(), 1, "it was removed")
	require.NoError(t, plain.Start(ctx, "n2"))
	c.end("n2", "exit status 255")
	tell()
	require.Len(t, w.found(), 1)

	require.NoError(t, plain.Start(ctx, "n2"))
	require.NoError(t, seen.ChangeMembers(ctx, []string{"n2"}, nil))
	c.end("n2", stopped)
	w.lookAll(ctx)
	require.Len(t, w.doubts(), 1, "it had not heard that it is a voter again")
	require.NoError(t, plain.Start(ctx, "n2"))
	tell()
	c.end("n2", stopped)
	tell()
	require.Len(t, w.doubts(), 2)
}

// A leader that was deposed does not say who is a voter.
func TestWatchBelievesTheLatestLeader(t *testing.T) {
	c, w, _ := watching(t)
	w.changes(nil, []string{"n2"})
	w.changes([]string{"n2"}, nil)
	w.tells(nemesis.Membership{Term: 7, Voters: []string{"n1", "n3"}})
	w.tells(nemesis.Membership{Leads: true, Term: 6, Voters: c.Nodes()})
	w.tells(nemesis.Membership{Leads: true, Term: 7, Voters: c.Nodes(), Learners: []string{"n4"}})
	c.end("n2", stopped)
	w.lookAll(t.Context())
	require.Empty(t, w.found())
}

// A node that somebody else told to stop, or froze, is nobody's crash, but the run was not what it should have been.
func TestWatchDoubtsSignalsFromOutside(t *testing.T) {
	c, w, _ := watching(t)
	c.end("n1", stopped)
	require.NoError(t, c.Pause(t.Context(), "n2"))
	w.lookAll(t.Context())
	require.Len(t, w.doubts(), 1, "a process that is being killed can look stopped for a moment")
	w.lookAll(t.Context())
	w.lookAll(t.Context())
	require.Empty(t, w.found())
	require.Equal(t, []string{
		"n1 stopped in good order before 1.5s, and was not asked to by ordeal: did somebody send it a signal?",
		"n2 was stopped (SIGSTOP) before 1.5s, and not by the nemesis",
	}, w.doubts())
}

// A node that the nemesis stops is no doubt; one that stays stopped after it let it go on is.
func TestWatchKnowsPausesOfTheNemesis(t *testing.T) {
	c, w, _ := watching(t)
	pauser := watchedAbilities(nemesis.AbilitiesOf(c), w).Pauser
	require.NoError(t, pauser.Pause(t.Context(), "n2"))
	w.lookAll(t.Context())
	w.lookAll(t.Context())
	require.Empty(t, w.doubts())
	require.NoError(t, pauser.Resume(t.Context(), "n2"))
	require.NoError(t, c.Pause(t.Context(), "n2"))
	w.lookAll(t.Context())
	w.lookAll(t.Context())
	require.Len(t, w.doubts(), 1)
}
