package agent

import (
	"io"
	"time"
)

// Config is what an agent is started with.
type Config struct {
	Name     string        // of the node, for people
	Command  []string      // of the child; without one the agent only keeps the namespace
	Site     Site          // what the child needs beside itself
	Control  string        // host:port of the control API
	Probe    string        // host:port for probe datagrams
	Secret   string        // of the control API; without one it is off
	Disk     string        // folder to be covered by a disk that can be hurt; empty: none
	LogDir   string        // where the child's output is kept
	LogLimit int64         // bytes of it to keep at most
	Grace    time.Duration // for the child to end by itself at SIGTERM, before SIGKILL
	Stdout   io.Writer     // where the child's output goes besides
}
