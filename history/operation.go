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
	Call     time.Duration `json:"call_ns"`   // invocation, since the start of the test
	Return   time.Duration `json:"return_ns"` // completion; Forever for an Info operation or one still open at the end
	Type     Type          `json:"type"`      // OK, Fail or Info
	Node     string        `json:"node,omitempty"`
	LogIndex uint64        `json:"log_index,omitempty"`
	Error    string        `json:"error,omitempty"`
	Index    int           `json:"index"` // of its invocation in the history
}
