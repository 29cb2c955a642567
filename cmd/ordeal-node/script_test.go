package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this test's binary be the command ordeal-node, for the scripts and for whoever starts it by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ordeal-node": main})
}

// The command line, as scripts. Beside the usual commands there are
//
//	exits CODE PROGRAM ARGS...   runs a program that must end with CODE
//	up ADDRESS                   waits until the node with this HTTP address serves and knows a leader
//	http PATTERN URL             waits until the page matches
//
// the addresses $PEER, $CLIENT, $HTTP, $OTHER1, $OTHER2, $OTHER3 and, of four nodes, $PEER1 to $HTTP4, on which nobody listens,
// and $ORDEAL, the program whose ctl talks to nodes.
func TestScripts(t *testing.T) {
	ordeal := filepath.Join(t.TempDir(), "ordeal")
	if out, err := exec.Command("go", "build", "-o", ordeal, "../ordeal").CombinedOutput(); err != nil {
		t.Fatalf("building ordeal: %v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ORDEAL", ordeal)
			for _, name := range []string{"PEER", "CLIENT", "HTTP", "OTHER1", "OTHER2", "OTHER3"} {
				e.Setenv(name, freeAddress())
			}
			for i := range 4 {
				for _, name := range []string{"PEER", "CLIENT", "HTTP"} {
					e.Setenv(fmt.Sprint(name, i+1), freeAddress())
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "up": up, "http": page},
	})
}

func page(ts *testscript.TestScript, _ bool, args []string) {
	pattern, last := regexp.MustCompile("(?m)"+args[0]), ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		r, err := http.Get(args[1])
		ts.Check(err)
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		ts.Check(err)
		if pattern.Match(text) {
			return
		}
		last = string(text)
	}
	ts.Fatalf("%s answers:\n%s", args[1], last)
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("%v ended with code %d, not %d", args[1:], code, want)
	}
}

func up(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		r, err := http.Get("http://" + args[0] + "/healthz")
		if err != nil {
			continue
		}
		r.Body.Close()
		if r.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("nobody serves at %s", args[0])
}

// freeAddress is a host:port that nobody listens on, below the ports that outgoing connections take, so that it stays
// free while a node is down.
func freeAddress() string {
	for {
		address := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(22_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
}
