package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ordeal-dev/ordeal/harness/namespaces"
	"github.com/ordeal-dev/ordeal/mutants"
)

func TestMain(m *testing.M) {
	namespaces.Main()
	testscript.Main(m, map[string]func(){"ordeal": main})
}

// Every script runs the program itself, on real nodes where it runs any. No engine is to be had, whatever this machine has.
func TestScripts(t *testing.T) {
	node := filepath.Join(t.TempDir(), "ordeal-node")
	if out, err := exec.Command("go", "build", "-o", node, "../ordeal-node").CombinedOutput(); err != nil {
		t.Fatalf("building the node: %v\n%s", err, out)
	}
	root, err := mutants.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	started := map[string]*program{}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Condition: func(name string) (bool, error) {
			if name != "namespaces" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return namespaces.Probe(context.Background()) == nil, nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("NODE", node)
			env.Setenv("ROOT", root)
			env.Setenv("ORDEAL_STATE", filepath.Join(env.WorkDir, "state"))
			env.Setenv("DOCKER_HOST", "unix://"+filepath.Join(env.WorkDir, "no-engine"))
			for _, name := range []string{"HOME", "GOPATH", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"} { // to build a mutant
				if value := goEnv(name); value != "" {
					env.Setenv(name, value)
				}
			}
			env.Values["environment"] = env
			env.Values["programs"] = started
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "start": start, "await": await, "signal": sendSignal, "ended": ended, "gone": gone, "takes": takes,
		},
	})
}

func goEnv(name string) string {
	if value := os.Getenv(name); value != "" || name == "HOME" {
		return value
	}
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// exits runs a program and wants an exit code, or one of several: exits CODE|CODE.. PROGRAM ARGUMENT...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := exitCodeOf(ts.Exec(args[1], args[2:]...))
	for want := range strings.SplitSeq(args[0], "|") {
		if code == number(ts, want) {
			return
		}
	}
	ts.Fatalf("exit code %d, want %s", code, args[0])
}

// takes runs a program on the address that stands in a file, as its last argument, and wants an exit code: takes CODE FILE PROGRAM
// ARGUMENT...
func takes(ts *testscript.TestScript, _ bool, args []string) {
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(ts.ReadFile(args[1]))
	exits(ts, false, append([]string{args[0]}, append(args[2:], address)...))
}

func exitCodeOf(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

// program is one in the background.
type program struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// start starts a program in the background, with its output in NAME.out and NAME.err: start NAME PROGRAM ARGUMENT...
func start(ts *testscript.TestScript, _ bool, args []string) {
	env := ts.Value("environment").(*testscript.Env)
	path, err := lookPath(ts.Getenv("PATH"), args[1])
	ts.Check(err)
	p := &program{cmd: exec.Command(path, args[2:]...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = env.WorkDir, env.Vars
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	defer out.Close()
	errors, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	defer errors.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, errors
	ts.Check(p.cmd.Start())
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	programs(ts)[env.WorkDir+"/"+args[0]] = p
	ts.Defer(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
}

func programs(ts *testscript.TestScript) map[string]*program {
	return ts.Value("programs").(map[string]*program)
}

func named(ts *testscript.TestScript, name string) *program {
	p := programs(ts)[ts.Value("environment").(*testscript.Env).WorkDir+"/"+name]
	if p == nil {
		ts.Fatalf("no program %s was started", name)
	}
	return p
}

func lookPath(path, name string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("no %s in %s", name, path)
}

const patience = 2 * time.Minute

// await waits until a file has something that matches: await PATTERN FILE
func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[0])
	until(ts, fmt.Sprintf("%s in %s", args[0], args[1]), func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[1]))
		return err == nil && pattern.Match(text)
	})
}

func until(ts *testscript.TestScript, what string, holds func() bool) {
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

var signals = map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}

// sendSignal sends a signal to a program in the background: signal INT NAME
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	s := signals[args[0]]
	if s == syscall.SIGHUP && signal.Ignored(s) {
		s = syscall.SIGTERM // the tests run under nohup, and so does the program: it does not hear of its terminal
	}
	ts.Check(named(ts, args[1]).cmd.Process.Signal(s))
}

// ended waits for the end of a program in the background, and wants an exit code: ended CODE NAME. -1: by a signal.
func ended(ts *testscript.TestScript, _ bool, args []string) {
	p := named(ts, args[1])
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not end", args[1])
	}
	if code, want := exitCodeOf(p.err), number(ts, args[0]); code != want {
		text, _ := os.ReadFile(ts.MkAbs(args[1] + ".err"))
		ts.Fatalf("%s ended with %d, want %d:\n%s", args[1], code, want, text)
	}
}

// gone waits until nothing of the script's runs any more: no process names its folder.
func gone(ts *testscript.TestScript, _ bool, _ []string) {
	work := ts.Value("environment").(*testscript.Env).WorkDir
	until(ts, "the end of all nodes", func() bool {
		cmd := exec.Command("ps", "-A", "-o", "args=")
		if runtime.GOOS == "linux" {
			cmd = exec.Command("ps", "-A", "-ww", "-o", "args=")
		}
		out, err := cmd.Output()
		ts.Check(err)
		return !strings.Contains(string(out), work)
	})
}

// A panic must not end the program with 2, which is the verdict unknown.
func TestPanicIsNoVerdict(t *testing.T) {
	if code := guarded(func() int { panic("a test") }); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if code := guarded(func() int { return exitInvalid }); code != exitInvalid {
		t.Errorf("exit code %d", code)
	}
}

func TestExitCodes(t *testing.T) {
	for err, want := range map[error]int{
		nil:                           exitValid,
		verdictReached{"valid"}:       exitValid,
		verdictReached{"invalid"}:     exitInvalid,
		verdictReached{"unknown"}:     exitUnknown,
		verdictReached{""}:            exitUnknown,
		failure{exitFailed, errTest}:  exitFailed,
		badArgument("x"):              exitArguments,
		errTest:                       exitArguments,
		fmt.Errorf("of: %w", errTest): exitArguments,
		context.Canceled:              exitArguments,
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: exit code %d, want %d", err, got, want)
		}
	}
}

var errTest = errors.New("a test")
