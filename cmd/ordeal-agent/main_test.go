package main

import (
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ordeal-agent": main,
		"node":         node,
	})
}

// node is a child that ends by itself at SIGTERM, or at once if it is given an exit code.
func node() {
	fmt.Println("node runs with", os.Args[1:])
	if len(os.Args) > 1 && os.Args[1] == "--fail" {
		os.Exit(7)
	}
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM, syscall.SIGINT)
	fmt.Println("node is ready") // the script waits for it before it sends a signal
	select {
	case <-terms:
		fmt.Println("node ends")
	case <-time.After(time.Minute):
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"waitgrep": waitGrep,
	}})
}

// waitGrep waits until a file has a line that matches: waitgrep PATTERN FILE.
func waitGrep(ts *testscript.TestScript, _ bool, args []string) {
	pattern, path := regexp.MustCompile(args[0]), ts.MkAbs(args[1])
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil && pattern.Match(b) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has no line that matches %s", args[1], args[0])
		}
	}
}
