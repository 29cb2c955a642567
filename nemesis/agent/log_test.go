package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func readLog(t require.TestingT, l *childLog) string {
	s, err := l.snapshot()
	require.NoError(t, err)
	defer s.Close()
	b, err := io.ReadAll(s)
	require.NoError(t, err)
	return string(b)
}

// Whatever is written, in whatever pieces and over re-openings: the log holds an unbroken end of it, at least half the
// limit long, and never more than the limit and one piece.
func TestLogKeepsTheNewest(t *testing.T) {
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := filepath.Join(base, fmt.Sprint(run))
		l, err := openChildLog(dir, minLogLimit)
		require.NoError(t, err)
		var all strings.Builder
		const largest = 40 << 10
		for i := range rapid.IntRange(0, 30).Draw(t, "pieces") {
			piece := strings.Repeat(fmt.Sprintf("%03d,", i), rapid.IntRange(0, largest/4).Draw(t, "length"))
			n, err := l.Write([]byte(piece))
			require.NoError(t, err)
			require.Equal(t, len(piece), n)
			all.WriteString(piece)
			if rapid.IntRange(0, 9).Draw(t, "reopen") == 0 {
				require.NoError(t, l.close())
				l, err = openChildLog(dir, minLogLimit)
				require.NoError(t, err)
			}
		}
		got := readLog(t, l)
		require.True(t, strings.HasSuffix(all.String(), got), "not the end of what was written")
		require.GreaterOrEqual(t, len(got), min(all.Len(), minLogLimit/2-largest))
		require.LessOrEqual(t, len(got), minLogLimit+largest)
		require.NoError(t, l.close())
		require.NoError(t, os.RemoveAll(dir))
	})
}

// A reader sees the log as it was when it began, also when it is rotated meanwhile.
func TestLogSnapshotSurvivesRotation(t *testing.T) {
	l, err := openChildLog(t.TempDir(), minLogLimit)
	require.NoError(t, err)
	defer l.close()
	old := strings.Repeat("old ", 10<<10)
	_, err = l.Write([]byte(old))
	require.NoError(t, err)
	s, err := l.snapshot()
	require.NoError(t, err)
	defer s.Close()
	for range 4 {
		_, err = l.Write([]byte(strings.Repeat("new ", 10<<10)))
		require.NoError(t, err)
	}
	b, err := io.ReadAll(s)
	require.NoError(t, err)
	require.Equal(t, old, string(b))
}

func TestLogRefusesASmallLimit(t *testing.T) {
	_, err := openChildLog(t.TempDir(), 10)
	require.ErrorContains(t, err, "log limit of 10 bytes is too small")
}
