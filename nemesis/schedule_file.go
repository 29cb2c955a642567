package nemesis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Bounds on a schedule that is read.
const (
	maxScheduleBytes = 64 << 20
	maxSteps         = 100_000
	maxNodes         = 100
	longestRun       = 1000 * time.Hour
	longestText      = 4096 // bytes
)

// ReadSchedule reads a schedule as JSON and checks all of it: one that it takes can be run on a cluster of as many nodes that has what
// its faults need. docs/faults.md describes the format.
func ReadSchedule(r io.Reader) (Schedule, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxScheduleBytes+1))
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule: %w", err)
	}
	if len(text) > maxScheduleBytes {
		return Schedule{}, fmt.Errorf("schedule: more than %d bytes", maxScheduleBytes)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var s Schedule
	if err := d.Decode(&s); err != nil {
		return Schedule{}, fmt.Errorf("schedule: %w", where(text, err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Schedule{}, errors.New("schedule: there is more behind the schedule")
	}
	if err := s.check(); err != nil {
		return Schedule{}, err
	}
	return s, s.Validate(s.Nodes)
}

// where adds to an error of the JSON in which line it is.
func where(text []byte, err error) error {
	offset := int64(-1)
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		offset = syntax.Offset
	} else if kind := new(json.UnmarshalTypeError); errors.As(err, &kind) {
		offset = kind.Offset
	}
	if offset < 0 || offset > int64(len(text)) {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(text[:offset], []byte("\n")), err)
}

// check tells what is wrong with a schedule in itself.
func (s Schedule) check() error {
	if len(s.Nodes) == 0 || len(s.Nodes) > maxNodes {
		return fmt.Errorf("schedule: %d nodes; want 1 to %d", len(s.Nodes), maxNodes)
	}
	for i, node := range s.Nodes {
		if want := fmt.Sprintf("n%d", i+1); node != want {
			return fmt.Errorf("schedule: nodes[%d] is %.20q; nodes are called n1, n2, ... in this order", i, node)
		}
	}
	if s.Duration < 0 || s.Duration > longestRun {
		return fmt.Errorf("schedule: duration_ns is %d; want 0 to %d", s.Duration, longestRun)
	}
	if len(s.Steps) > maxSteps {
		return fmt.Errorf("schedule: %d steps, at most %d", len(s.Steps), maxSteps)
	}
	injected, healed := map[int]Step{}, map[int]bool{}
	var last time.Duration
	for i, step := range s.Steps {
		if err := step.check(last, s.Duration, injected, healed); err != nil {
			return fmt.Errorf("schedule: steps[%d] (at %v): %w", i, step.At, err)
		}
		last = step.At
	}
	return nil
}

// check tells what is wrong with a step after those before it, which it joins.
func (s Step) check(last, duration time.Duration, injected map[int]Step, healed map[int]bool) error {
	switch before, ok := injected[s.ID]; {
	case s.At < last || s.At > duration:
		return fmt.Errorf("at_ns is %d; steps come in order, within the duration", s.At)
	case s.ID < 1:
		return fmt.Errorf("id is %d; faults are numbered from 1", s.ID)
	case len(s.Text) > longestText:
		return fmt.Errorf("text has %d bytes, at most %d", len(s.Text), longestText)
	case s.Phase == PhaseInject && ok:
		return fmt.Errorf("fault %d is injected twice", s.ID)
	case s.Phase != PhaseInject && (!ok || healed[s.ID]):
		return fmt.Errorf("fault %d does not stand, and its phase is %q", s.ID, s.Phase)
	case s.Phase != PhaseInject && (before.Fault != s.Fault || before.Mode != s.Mode):
		return fmt.Errorf("fault %d is a %s %s, and is a %s %s later", s.ID, before.Fault, before.Mode, s.Fault, s.Mode)
	case s.Phase == PhaseHeal:
		healed[s.ID] = true
	case s.Phase == PhaseInject:
		injected[s.ID] = s
	}
	return nil
}

// checkPlan tells what is wrong with what an injection does.
func (s Step) checkPlan(k kind, nodes int) error {
	m, ok := findMode(k, s.Mode)
	switch {
	case !ok:
		return fmt.Errorf("%s has no mode %q; it has: %s", k.name(), s.Mode, modeNames(k))
	case nodes < m.needs:
		return fmt.Errorf("%s:%s needs at least %d nodes, and there are %d", k.name(), s.Mode, m.needs, nodes)
	case s.Text == "" && m.choose != nil && !resolves(k):
		return fmt.Errorf("it does not say what %s %s does, and that does not depend on the run", s.Fault, s.Mode)
	case s.Text == "" && len(s.Targets)+len(s.Links) > 0:
		return errors.New("it names targets or links, and has no text for people")
	case s.Text != "" && len(s.Targets)+len(s.Links) == 0:
		return errors.New("it names neither targets nor links")
	case len(s.Links) > 0 && k.name() != Partition && k.name() != PacketTrouble:
		return fmt.Errorf("%s hurts no links: name targets", k.name())
	}
	for i, node := range s.Targets {
		if slices.Contains(s.Targets[:i], node) {
			return fmt.Errorf("it names %s twice", node)
		}
	}
	seen := map[Link]bool{} // there may be thousands
	for _, l := range s.Links {
		if seen[l] {
			return fmt.Errorf("it names the link from %s to %s twice", l.From, l.To)
		}
		seen[l] = true
		if l.From == l.To {
			return fmt.Errorf("it has a link from %s to itself", l.From)
		}
	}
	if err := checkParameters(k, s.Mode, s.Parameters); err != nil {
		return err
	}
	if c, ok := k.(planChecker); ok {
		return c.checkPlan(s, nodes)
	}
	return nil
}

// planChecker is a kind that wants more of an injection into so many nodes than its targets: links, certain parameters.
type planChecker interface {
	checkPlan(s Step, nodes int) error
}

// Specs are the faults that are in the schedule, as they would be asked for, in the order of their first injection.
func (s Schedule) Specs() []Spec {
	var specs []Spec
	for _, step := range s.Steps {
		spec := Spec{Fault: step.Fault, Mode: step.Mode}
		if step.Phase == PhaseInject && !slices.ContainsFunc(specs, func(have Spec) bool { return have.Fault == spec.Fault && have.Mode == spec.Mode }) {
			specs = append(specs, spec)
		}
	}
	return specs
}
