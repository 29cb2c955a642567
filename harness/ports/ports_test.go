package ports_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/harness/ports"
)

const several = 20

// The test binary is also the other process of the tests: it draws ports, says which, and holds them until it is killed.
func TestMain(m *testing.M) {
	if os.Getenv("ORDEAL_TEST_HOLDS") == "" {
		os.Exit(m.Run())
	}
	var held ports.Held
	for range several {
		port, err := held.Draw()
		if err != nil {
			port = -1
		}
		fmt.Println(port)
	}
	select {}
}

func draw(t *testing.T, held *ports.Held) (drawn []int) {
	t.Helper()
	for range several {
		port, err := held.Draw()
		require.NoError(t, err)
		require.NotContains(t, drawn, port)
		drawn = append(drawn, port)
	}
	return drawn
}

func takesNone(t *testing.T, drawn []int) {
	t.Helper()
	var other ports.Held
	for _, port := range drawn {
		require.False(t, other.Take(port), "port %d is held", port)
	}
}

// takesSome waits until some of the ports can be had again: others on this machine may have drawn one or another meanwhile.
func takesSome(t *testing.T, drawn []int) {
	t.Helper()
	var other ports.Held
	defer func() { require.NoError(t, other.Release()) }()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, port := range drawn {
			if other.Take(port) {
				return
			}
		}
	}
	require.Fail(t, "none of the ports came back")
}

// A server on a held port ends and comes back, as often as it likes; nobody else gets the port in between.
func TestAPortIsHeldWhileNobodyListensOnIt(t *testing.T) {
	var held ports.Held
	drawn := draw(t, &held)
	for _, port := range drawn {
		for range 2 {
			takesNone(t, []int{port})
			l, err := net.Listen("tcp", ports.Address(port))
			require.NoError(t, err)
			takesNone(t, []int{port})
			require.NoError(t, l.Close())
		}
	}
	require.NoError(t, held.Release())
	require.NoError(t, held.Release())
	takesSome(t, drawn)
}

func TestAPortOfAnotherServerIsNotTaken(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	takesNone(t, []int{l.Addr().(*net.TCPAddr).Port})
}

// Another process's ports are its own until it is killed.
func TestAnotherProcessHolds(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ORDEAL_TEST_HOLDS=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var drawn []int
	for lines := bufio.NewScanner(out); len(drawn) < several && lines.Scan(); {
		port := 0
		_, err := fmt.Sscan(lines.Text(), &port)
		require.NoError(t, err)
		require.Positive(t, port)
		drawn = append(drawn, port)
	}
	require.Len(t, drawn, several)
	takesNone(t, drawn)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	takesSome(t, drawn)
}
