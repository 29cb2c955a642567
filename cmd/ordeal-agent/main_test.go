package main

import (
	"fmt"
	"os"
	"os/signal"
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
	// The script waits for this file before it sends a signal.
	if err := os.WriteFile("ready", nil, 0o644); err != nil {
		panic(err)
	}
	select {
	case <-terms:
		fmt.Println("node ends")
	case <-time.After(time.Minute):
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"waitfile": waitFile,
	}})
}

// waitFile waits until a file is there.
func waitFile(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not appear", args[0])
		}
	}
}
