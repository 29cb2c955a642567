package agent

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseStat(t *testing.T) {
	for line, want := range map[string]procStat{
		"15 (ordeal-node) S 1 15 15 0":    {'S', 1},
		"15 (a) b (c) d) T 7 15 15 0":     {'T', 7},
		"15 (new\nline) Z 1 15 15 0 -1 4": {'Z', 1},
	} {
		got, err := parseStat([]byte(line))
		require.NoError(t, err, line)
		require.Equal(t, want, got, line)
	}
	for _, line := range []string{"", "15 ordeal S 1", "15 (x", "15 (x) S", "15 (x) SS 1", "15 (x) S one"} {
		_, err := parseStat([]byte(line))
		require.Error(t, err, line)
	}
	self, err := readStat("/proc/self/stat")
	require.NoError(t, err)
	require.Equal(t, os.Getppid(), self.parent)
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("15 (a) b) T 7 15"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = parseStat(b) })
}

func TestListening(t *testing.T) {
	ports, err := parseListening(strings.NewReader(`  sl  local_address rem_address   st tx_queue
   0: 0100007F:1B5A 00000000:0000 0A 00000000:00000000
   1: 0100007F:1B5B 0100007F:9C40 01 00000000:00000000
   2: 00000000000000000000000000000000:1B59 00000000000000000000000000000000:0000 0A 0
`))
	require.NoError(t, err)
	require.Equal(t, []int{7002, 7001}, ports)
	_, err = parseListening(strings.NewReader("header\n 0: 0100007F 0 0A"))
	require.ErrorContains(t, err, "has no port")
	_, err = parseListening(strings.NewReader("header\n 0: 0100007F:XYZ 0 0A"))
	require.ErrorContains(t, err, "invalid syntax")

	for _, address := range []string{"127.0.0.1:0", "[::]:0"} {
		l, err := net.Listen("tcp", address)
		require.NoError(t, err)
		defer l.Close()
		ports, err = listening()
		require.NoError(t, err)
		require.Contains(t, ports, l.Addr().(*net.TCPAddr).Port)
	}
}

func FuzzParseListening(f *testing.F) {
	f.Add("header\n   0: 0100007F:1B5A 00000000:0000 0A 0\n")
	f.Fuzz(func(t *testing.T, s string) {
		ports, _ := parseListening(strings.NewReader(s))
		for _, p := range ports {
			require.True(t, p >= 0 && p < 1<<16, "port %d", p)
		}
	})
}
