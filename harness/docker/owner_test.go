package docker

import (
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A process counts as gone only when that is sure.
func TestOwnerGone(t *testing.T) {
	self := thisProcess()
	require.False(t, self.gone())
	require.Equal(t, self, ownerOf(self.labels("run")))

	sleeper := exec.Command("sleep", "1000")
	require.NoError(t, sleeper.Start())
	other := self
	other.pid, other.start = strconv.Itoa(sleeper.Process.Pid), processStart(sleeper.Process.Pid)
	require.False(t, other.gone())
	require.NoError(t, sleeper.Process.Kill())
	require.Error(t, sleeper.Wait())
	require.True(t, other.gone())

	elsewhere := other
	elsewhere.host = "another machine"
	require.False(t, elsewhere.gone(), "of another machine's processes nothing is known")
	before := self
	before.boot += "x"
	require.True(t, before.gone(), "the machine was booted since")
	reused := self
	reused.start += "0"
	require.True(t, reused.gone(), "the process id is another process's now")
	require.False(t, owner{}.gone(), "no labels tell nothing")
}
