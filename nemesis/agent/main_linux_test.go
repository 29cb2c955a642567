package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// childMode makes this test's program a child to be supervised.
const childMode = "ORDEAL_AGENT_TEST_CHILD"

func TestMain(m *testing.M) {
	switch mode := os.Getenv(childMode); mode {
	case "":
		os.Exit(m.Run())
	case "run": // until killed
		fmt.Printf("child runs, secret %q\n", os.Getenv(SecretVariable))
		time.Sleep(time.Hour)
	case "graceful": // ends by itself at SIGTERM
		terms := make(chan os.Signal, 1)
		signal.Notify(terms, syscall.SIGTERM)
		fmt.Println("child runs")
		<-terms
		fmt.Println("child ends")
		os.Exit(3)
	case "stubborn": // does not
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("child runs")
		time.Sleep(time.Hour)
	case "flood": // prints numbered lines and ends
		for i := range 20_000 {
			fmt.Printf("line %d of the flood\n", i)
		}
	case "parent": // leaves an orphan behind that lives on for a moment
		orphan := exec.Command("/proc/self/exe")
		orphan.Env = []string{childMode + "=orphan"}
		if err := orphan.Start(); err != nil {
			panic(err)
		}
		fmt.Printf("orphan %d\n", orphan.Process.Pid)
	case "orphan":
		time.Sleep(50 * time.Millisecond)
	case "subreaper":
		subreaper()
	default:
		panic(mode)
	}
}

// subreaper is a process that adopts orphans as PID 1 does. It ends well once none of them is left.
func subreaper() {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	var output lockedBuffer
	s, beside := childOf("parent", &output), childOf("parent", &output)
	s.beside = []*supervisor{beside}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go s.reapOrphans(ctx)
	for range 5 {
		for _, one := range []*supervisor{s, beside} {
			if err := one.start(); err != nil {
				panic(err)
			}
		}
		<-s.child.reaped
		<-beside.child.reaped
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if strings.Count(output.String(), "orphan") == 10 && noChildren() {
			fmt.Printf("no child is left, ended: %s, %s\n", s.child.ended, beside.child.ended)
			return
		}
		if time.Now().After(deadline) {
			panic(fmt.Sprintf("zombies: %v, output %q", zombies(os.Getpid()), output.String()))
		}
	}
}

// noChildren asks the kernel, without reaping anything.
func noChildren() bool {
	err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == unix.ECHILD
}

// childOf gives a supervisor of this program in one of its modes.
func childOf(mode string, output io.Writer) *supervisor {
	return &supervisor{argv: []string{"/proc/self/exe"}, env: []string{childMode + "=" + mode}, output: output}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// supervise gives a supervisor whose child has printed its first line.
func supervise(t *testing.T, mode string) (*supervisor, *lockedBuffer) {
	t.Helper()
	output := &lockedBuffer{}
	s := childOf(mode, output)
	t.Cleanup(func() { _ = s.kill(context.Background()) })
	require.NoError(t, s.start())
	waitFor(t, output, "child runs")
	return s, output
}

func waitFor(t *testing.T, output *lockedBuffer, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(output.String(), text) }, 30*time.Second, time.Millisecond)
}

const testSecret = "a secret of this test"

// serve gives a client of a whole agent but for its signals, whose child is this program in the mode.
func serve(t *testing.T, mode string) (*Client, *server) {
	t.Helper()
	log, err := openChildLog(t.TempDir(), minLogLimit)
	require.NoError(t, err)
	p, err := newProber("127.0.0.1:0")
	require.NoError(t, err)
	go p.run()
	out := &tee{stdout: io.Discard, log: log}
	a := &agent{config: Config{Name: "n1"}, output: out}
	s := &server{
		health: Health{Name: "n1", ProbePort: p.port()}, supervisor: childOf(mode, out), prober: p, log: log, note: a.note,
		kept: filepath.Join(t.TempDir(), keptRules),
	}
	h := httptest.NewServer(s.handler(testSecret))
	c := NewClient("n1", strings.TrimPrefix(h.URL, "http://"), testSecret)
	t.Cleanup(func() {
		c.Close()
		h.Close()
		p.close()
		s.filter.Close()
		_ = s.supervisor.kill(context.Background())
		require.NoError(t, log.close())
	})
	return c, s
}
