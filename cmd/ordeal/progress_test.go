package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/harness"
)

func at(seconds int) harness.Snapshot {
	return harness.Snapshot{Elapsed: time.Duration(seconds) * time.Second, Duration: 30 * time.Second, OK: 120, Fail: 3, Info: 1, PerSecond: 41.6,
		Leader: "n2", Faults: []string{"kill one: kill n3", "partition one: n1 | n2 n3"}}
}

// withoutTimes takes the time since the start off each line.
func withoutTimes(text string) string {
	return regexp.MustCompile(`(?m)^ *[0-9.]+s  `).ReplaceAllString(text, "")
}

// Where there is no terminal, progress is plain lines, few of them.
func TestProgressInPlainLines(t *testing.T) {
	var b strings.Builder
	p := newProgress(&b, false)
	p.Phase("running")
	for s := range 12 {
		p.Show(at(s))
	}
	p.Show(harness.Snapshot{Elapsed: 15 * time.Second, Duration: 30 * time.Second})
	p.end()
	require.Equal(t, `running
 5s of 30s  42 op/s  ok 120  fail 3  info 1  leader n2  faults: kill one: kill n3 + partition one: n1 | n2 n3
10s of 30s  42 op/s  ok 120  fail 3  info 1  leader n2  faults: kill one: kill n3 + partition one: n1 | n2 n3
15s of 30s  0 op/s  ok 0  fail 0  info 0  leader none  faults: none
`, withoutTimes(b.String()))
}

// On a terminal one line changes, never wider than the terminal, and is ended before another begins.
func TestProgressOnATerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "tty"))
	require.NoError(t, err)
	defer f.Close()
	p := newProgress(f, false)
	p.terminal = true
	p.Show(at(1))
	p.Show(at(2))
	p.Phase("reading")
	p.end()
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	parts := strings.Split(string(text), "\r\x1b[K")
	require.Len(t, parts, 3)
	require.Len(t, parts[1], 79, "the width of a terminal that does not tell, less one")
	require.Equal(t, "reading\n", withoutTimes(strings.SplitAfterN(parts[2], "\n", 2)[1]))
}

func TestQuietProgressSaysNothingButWarnings(t *testing.T) {
	var b strings.Builder
	p := newProgress(&b, true)
	p.Phase("running")
	p.Show(at(20))
	p.note("by the way")
	require.Empty(t, b.String())
	p.warn("disk at %d%%", 99)
	require.Equal(t, "disk at 99%\n", withoutTimes(b.String()))
}

// The command line that a run's folder keeps is one that the program takes, and says the same again.
func TestTheSavedCommandLineRepeatsTheRun(t *testing.T) {
	f := &runFlags{cluster: "local", nodes: 3, workload: "register", faults: "kill:leader,partition", clients: 7, rate: 12.5, duration: 9 * time.Second,
		timeout: 2 * time.Second, seed: 42, out: "here", name: "mine", mutant: "stale-read", nodeBinary: "a", agentBinary: "b", compose: "c", links: "namespaces",
		nodeFlags: []string{"--heartbeat=1s", "--pre-vote=false"}}
	command := f.command()
	require.Equal(t, []string{"ordeal", "run"}, command[:2])
	again := runCommand()
	require.NoError(t, again.ParseFlags(command[2:]))
	for name, want := range map[string]string{"cluster": "local", "nodes": "3", "faults": "kill:leader,partition", "clients": "7", "rate": "12.5",
		"time": "9s", "timeout": "2s", "seed": "42", "name": "mine", "mutant": "stale-read", "node-binary": "a", "agent-binary": "b",
		"compose-file": "c", "links": "namespaces", "node-flag": "[--heartbeat=1s,--pre-vote=false]"} {
		require.Equal(t, want, again.Flags().Lookup(name).Value.String(), name)
	}
}
