package checker

import (
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Verdict is what a checker says. Invalid beats Unknown beats Valid when several are put together.
type Verdict string

const (
	Valid   Verdict = "valid"
	Invalid Verdict = "invalid"
	Unknown Verdict = "unknown" // not decided: out of time or memory, or nothing to judge by
)

// And is the verdict of two parts taken together.
func (v Verdict) And(w Verdict) Verdict {
	for _, worst := range []Verdict{Invalid, Unknown} {
		if v == worst || w == worst {
			return worst
		}
	}
	return Valid
}

// Result is one checker's verdict on a history with the reasons a person can follow.
type Result struct {
	Checker  string        `json:"checker"` // "linearizable", "stats", "faults", ...
	Verdict  Verdict       `json:"verdict"`
	Reason   string        `json:"reason,omitempty"` // one sentence; empty only when valid
	Model    string        `json:"model,omitempty"`  // sequential specification: "cas-register", ...
	Keys     []KeyResult   `json:"keys,omitempty"`   // one an object, sorted by name
	Elapsed  time.Duration `json:"elapsed_ns"`
	Warnings []string      `json:"warnings,omitempty"`

	Anomalies []Anomaly `json:"anomalies,omitempty"` // of transactions, worst first
	Figures   []Figure  `json:"figures,omitempty"`   // measured, not judged
}

// Figure is something measured in a history.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"` // "ms", or empty for a number of things
}

// Anomaly is something transactions did that an isolation level forbids.
type Anomaly struct {
	Name       string              `json:"name"`                // "G0", "G1a", "G-single", "G2-item-realtime", ... (Adya; Elle)
	Level      string              `json:"level"`               // the weakest isolation level that forbids it
	Text       string              `json:"text"`                // what happened, a sentence a step
	Operations []history.Operation `json:"operations"`          // the transactions, in the order of Text
	Tolerated  bool                `json:"tolerated,omitempty"` // the level asked for allows it
}

// KeyResult is the verdict on the operations of one object.
type KeyResult struct {
	Key     string  `json:"key"`
	Verdict Verdict `json:"verdict"`
	// DecidedBy is the algorithm: "porcupine", "zones", ... Where another decided, and porcupine could afford to look too
	// and found the same, it goes on ", porcupine agrees", or ", porcupine agrees on the evidence" where it could afford only
	// that.
	DecidedBy  string        `json:"decided_by"`
	Reason     string        `json:"reason,omitempty"`
	Operations int           `json:"operations"` // definite ones
	Crashed    int           `json:"crashed"`    // info: may have taken effect at any later time, or never
	Elapsed    time.Duration `json:"elapsed_ns"`
	// Evidence, when invalid: operations of the object that cannot be put in any legal order together, few enough to read.
	Evidence []history.Operation `json:"evidence,omitempty"`
}
