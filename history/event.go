package history

import (
	"encoding/json"
	"time"
)

// Type says what an event tells about its operation (Jepsen's terms).
type Type uint8

const (
	// Invoke: the process is about to send the operation.
	Invoke Type = iota + 1
	// OK: the operation took effect, and its output is known.
	OK
	// Fail: the operation surely had no effect, now or later.
	Fail
	// Info: nobody knows; it may have taken effect, or may at any later time. Its process number is never used again.
	Info
)

// NemesisProcess is the process number of the nemesis; clients count from 0.
const NemesisProcess = -1

// Event is one line of a history: an invocation or its completion. A process has at most one open operation.
type Event struct {
	Index   int           // position in the history, from 0
	Time    time.Duration // since the start of the test, on the harness's monotonic clock
	Process int           // client process, or NemesisProcess
	Type    Type
	F       string // the operation: "get", "put", "cas", ...
	Key     string // the object operated on; empty where the operation names none
	Input   Value  // invocations: the argument
	// Late is how long after its intended start an operation began (invocations): at a given rate one may have to wait until a
	// client is free.
	Late   time.Duration
	Output Value // OK completions: what the system answered

	Node     string          // completions: who answered, or was asked
	LogIndex uint64          // completions: the position at which the system says it took effect; 0 where it does not say
	Error    string          // Fail and Info: why
	Detail   json.RawMessage // nemesis events: phase, targets, evidence
}
