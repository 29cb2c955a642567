package agent

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/stretchr/testify/require"
)

// A killed child is gone, says how it ended, and runs again only when told to.
func TestKillAndStart(t *testing.T) {
	s, output := supervise(t, "run")
	first := s.state()
	require.True(t, first.Running)
	require.ErrorIs(t, s.start(), errRunning)

	require.NoError(t, s.kill(t.Context()))
	require.Equal(t, nemesis.ProcessState{PID: first.PID, Starts: 1, Ended: "signal: killed"}, s.state())
	require.ErrorIs(t, syscall.Kill(first.PID, 0), syscall.ESRCH)
	require.ErrorIs(t, s.kill(t.Context()), errNotRunning)
	require.ErrorIs(t, s.pause(t.Context()), errNotRunning)

	require.NoError(t, s.start())
	second := s.state()
	require.True(t, second.Running)
	require.Equal(t, 2, second.Starts)
	waitFor(t, output, "child runs, secret \"\"\nchild runs")
}

// Pause and resume return when the kernel shows it; a stopped child can be killed.
func TestPauseAndResume(t *testing.T) {
	s, _ := supervise(t, "run")
	for range 20 {
		require.NoError(t, s.pause(t.Context()))
		require.True(t, s.state().Paused)
		require.NoError(t, s.resume(t.Context()))
		require.False(t, s.state().Paused)
	}
	require.NoError(t, s.pause(t.Context()))
	require.NoError(t, s.kill(t.Context()))
	require.False(t, s.state().Running)
}

// A child may end by itself; the supervisor stays.
func TestChildEndsByItself(t *testing.T) {
	output := &lockedBuffer{}
	s := childOf("flood", output)
	require.NoError(t, s.start())
	<-s.child.drained
	<-s.child.reaped
	require.Equal(t, "exit status 0", s.state().Ended)
	require.Contains(t, output.String(), "line 19999 of the flood\n")
}

// SIGTERM is passed on, also to a child that is paused; one that does not heed it is killed after the grace period.
func TestShutDown(t *testing.T) {
	graceful, output := supervise(t, "graceful")
	require.NoError(t, graceful.pause(t.Context()))
	graceful.shutDown(syscall.SIGTERM, time.Minute)
	require.Equal(t, "exit status 3", graceful.state().Ended)
	require.Contains(t, output.String(), "child ends\n")

	stubborn, _ := supervise(t, "stubborn")
	stubborn.shutDown(syscall.SIGTERM, 10*time.Millisecond)
	require.Equal(t, "signal: killed", stubborn.state().Ended)
	stubborn.shutDown(syscall.SIGTERM, time.Minute) // nothing to end
}

func TestStartFails(t *testing.T) {
	s := &supervisor{argv: []string{"/nowhere/ordeal-node", "--id=1"}, output: &lockedBuffer{}}
	require.ErrorContains(t, s.start(), "start /nowhere/ordeal-node --id=1: fork/exec /nowhere/ordeal-node: no such file")
	require.Equal(t, nemesis.ProcessState{}, s.state())
	require.ErrorIs(t, (&supervisor{}).start(), errNoCommand)
}

// A kill that cannot be seen done in time is an error, not a success.
func TestOrdersAreBounded(t *testing.T) {
	s, _ := supervise(t, "run")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.pause(ctx); err != nil { // it may be quick enough
		require.ErrorIs(t, err, context.Canceled)
	}
}

// As PID 1 does, the agent reaps orphans and leaves its own child to the one who waits for it.
func TestOrphansAreReaped(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childMode+"=subreaper")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "no child is left, ended: exit status 0, exit status 0", strings.TrimSpace(string(out)))
}
