package history

import "time"

// Forever is the return time of an operation that never completed.
const Forever = time.Duration(1<<63 - 1)

// Operation is an invocation joined with its completion.
type Operation struct {
	Process  int           `json:"process"`
	F        string        `json:"f"`
	Key      string        `json:"key,omitempty"`
	Input    Value         `json:"in"`
	Output   Value         `json:"out"`
	Call     time.Duration `json:"call_ns"`           // invocation, since the start of the test
	Late     time.Duration `json:"late_ns,omitempty"` // how long after its intended start that was
	Return   time.Duration `json:"return_ns"`         // completion; Forever for an Info operation or one still open at the end
	Type     Type          `json:"type"`              // OK, Fail or Info
	Node     string        `json:"node,omitempty"`
	LogIndex uint64        `json:"log_index,omitempty"`
	Error    string        `json:"error,omitempty"`
	Index    int           `json:"index"` // of its invocation in the history
}

// Latency is how long a completed operation took from its intended start. To measure from the invocation would leave out how long
// it had to wait for earlier ones, and so make a system that stalls look good (coordinated omission).
func (op *Operation) Latency() time.Duration { return op.Return - op.Call + op.Late }
