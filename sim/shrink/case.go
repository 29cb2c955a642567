package shrink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/sim"
	"github.com/ordeal-dev/ordeal/store"
)

// format is the version of a case's file.
const format = 1

// Case is a run with all that goes wrong in it written out, and what it shows. Its file is run again by `ordeal replay`.
type Case struct {
	Format       int    `json:"format"`
	Version      string `json:"version"` // of the program that recorded it
	Mutant       string `json:"mutant,omitempty"`
	NoInvariants bool   `json:"no_invariants,omitempty"`

	Plan sim.Plan `json:"plan"`
	// Faults are all decisions on the way by which something goes wrong, in their order; no other does.
	Faults []Fault `json:"faults"`
	// Operations are those that clients do; none of the others. Whole stands for all of them.
	Operations []Operation `json:"operations,omitempty"`
	Whole      bool        `json:"whole,omitempty"`

	Violation Violation `json:"violation"`
	Hash      string    `json:"hash"`            // of all that happened, in hexadecimal
	Steps     []string  `json:"steps,omitempty"` // faults and operations as a person reads them
}

// Fault is a decision, as sim.Decision, in the form that files have.
type Fault struct {
	Kind    sim.ChoiceKind `json:"kind"`
	From    int32          `json:"from,omitempty"`
	To      int32          `json:"to,omitempty"`
	Seq     uint64         `json:"seq"`
	Outcome uint64         `json:"outcome"`
}

// Operation names a worker's operation by its number, from 0.
type Operation struct {
	Worker int32  `json:"worker"`
	Seq    uint64 `json:"seq"`
}

// Violation is what a run shows. Two runs show the same if kind and name are the same.
type Violation struct {
	Kind string        `json:"kind"` // invariant, history, liveness, crash
	Name string        `json:"name,omitempty"`
	Text string        `json:"text,omitempty"`
	At   time.Duration `json:"at_ns,omitempty"`
}

func (v Violation) String() string {
	if v.Name == "" {
		return v.Kind
	}
	return v.Kind + ": " + v.Name
}

// Same reports whether two violations are of one kind and name.
func (v Violation) Same(o Violation) bool { return v.Kind == o.Kind && v.Name == o.Name }

// None reports whether there is none.
func (v Violation) None() bool { return v.Kind == "" }

// ViolationOf is what a run shows; None if it is not invalid.
func ViolationOf(r *sim.Result) Violation {
	if len(r.Violations) > 0 {
		first := r.Violations[0]
		v := Violation{Kind: "invariant", Name: first.Invariant, Text: first.Text, At: first.At}
		switch first.Invariant {
		case "liveness":
			v.Kind, v.Name = "liveness", ""
		case "crash", "panic":
			v.Kind = "crash"
		}
		return v
	}
	if !r.Failed() {
		return Violation{}
	}
	for _, result := range r.Judged.Results {
		if result.Verdict == checker.Invalid {
			return Violation{Kind: "history", Name: result.Checker, Text: result.Reason, At: r.Simulated}
		}
	}
	return Violation{Kind: "history", Text: r.Reason, At: r.Simulated}
}

// Record runs a plan and writes down all that goes wrong in it. The case's violation is None where nothing is shown.
func Record(ctx context.Context, o sim.Options) (Case, sim.Result, error) {
	recording := &sim.Recording{Decider: o.Decider}
	if o.Decider == nil {
		recording.Decider = sim.Seeded(o.Plan.Seed)
	}
	plan := clonePlan(o.Plan)
	o.Decider = recording
	r, err := sim.Run(ctx, o)
	if err != nil {
		return Case{}, r, err
	}
	c := Case{Format: format, NoInvariants: o.NoInvariants, Plan: plan, Whole: true, Violation: ViolationOf(&r), Hash: HashText(r.Hash)}
	for _, d := range recording.Faults {
		c.Faults = append(c.Faults, Fault{d.Kind, d.From, d.To, d.Seq, d.Outcome})
	}
	return c, r, nil
}

// HashText is how a case writes a run's hash.
func HashText(h uint64) string { return fmt.Sprintf("%016x", h) }

// Run runs the case. Trace is as in sim.Options.
func (c *Case) Run(ctx context.Context, trace func(sim.Event)) (sim.Result, error) {
	return c.run(ctx, c.decider(), trace)
}

func (c *Case) run(ctx context.Context, d sim.Decider, trace func(sim.Event)) (sim.Result, error) {
	return sim.Run(ctx, sim.Options{Plan: clonePlan(c.Plan), Decider: d, Trace: trace, NoInvariants: c.NoInvariants})
}

// decider makes the case's decisions.
func (c *Case) decider() sim.Decider {
	faults := make([]sim.Decision, len(c.Faults))
	for i, f := range c.Faults {
		faults[i] = f.decision()
	}
	d := chosen{Decider: sim.NewOnly(sim.Seeded(c.Plan.Seed), faults), whole: c.Whole, operations: map[Operation]bool{}}
	for _, op := range c.Operations {
		d.operations[op] = true
	}
	return d
}

func (f Fault) decision() sim.Decision {
	return sim.Decision{Choice: sim.Choice{Kind: f.Kind, From: f.From, To: f.To, Seq: f.Seq}, Outcome: f.Outcome}
}

// chosen lets clients do the chosen operations only.
type chosen struct {
	sim.Decider
	whole      bool
	operations map[Operation]bool
}

// Fault implements sim.Decider.
func (d chosen) Fault(c sim.Choice, odds uint32, outcomes uint64) uint64 {
	if c.Kind != sim.SkipOperation {
		return d.Decider.Fault(c, odds, outcomes)
	}
	if d.whole || d.operations[Operation{c.From, c.Seq}] {
		return 0
	}
	return 1
}

// Events is how many faults and operations the case has.
func (c *Case) Events() int { return len(c.Faults) + len(c.Operations) }

// Encode gives the case's file.
func (c *Case) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(c, "", "  ")
	return append(b, '\n'), err
}

// Decode reads a case's file; path is where it came from, for errors.
func Decode(path string, b []byte) (Case, error) {
	var head struct {
		Format  *int   `json:"format"`
		Version string `json:"version"`
	}
	if err := store.Decode(path, b, &head); err != nil {
		return Case{}, err
	}
	switch {
	case head.Format == nil:
		return Case{}, fmt.Errorf("%s: it has no format, so that it is not what `ordeal shrink` writes: name the file beside a failure's drawing, or give a run's folder to `ordeal shrink`", path)
	case *head.Format != format:
		return Case{}, fmt.Errorf("%s: it has format %d, and this program reads format %d: replay it with the version that recorded it (%q)", path, *head.Format, format, head.Version)
	}
	var c Case
	if err := decodeKnown(path, b, &c); err != nil {
		return Case{}, fmt.Errorf("%w (it was recorded by version %q)", err, head.Version)
	}
	if err := c.check(); err != nil {
		return Case{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// decodeKnown reads what must hold nothing that this program does not know: to pass over a part of it would make another run of it.
func decodeKnown(path string, b []byte, into any) error {
	if err := store.Decode(path, b, into); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w: another version wrote it, or it was changed: take that version, or leave the field out", path, err)
	}
	return nil
}

// DecodePlan reads the plan of a run; path is where it came from, for errors.
func DecodePlan(path string, b []byte) (sim.Plan, error) {
	var p sim.Plan
	if err := decodeKnown(path, b, &p); err != nil {
		return sim.Plan{}, err
	}
	if err := p.Check(); err != nil {
		return sim.Plan{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func (c *Case) check() error {
	if err := c.Plan.Check(); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if _, err := strconv.ParseUint(c.Hash, 16, 64); err != nil {
		return fmt.Errorf("hash %.40q: want 16 hexadecimal digits", c.Hash)
	}
	if !slices.Contains([]string{"", "invariant", "history", "liveness", "crash"}, c.Violation.Kind) {
		return fmt.Errorf("violation: kind %.40q: want invariant, history, liveness or crash", c.Violation.Kind)
	}
	for i, f := range c.Faults {
		if f.Kind == 0 || f.Kind >= sim.LastFault || f.Kind == sim.SkipOperation {
			return fmt.Errorf("faults[%d]: %v is no fault", i, f.Kind)
		}
	}
	if c.Whole && len(c.Operations) > 0 {
		return errors.New("operations: there are some, and \"whole\" says that all are done")
	}
	return nil
}
