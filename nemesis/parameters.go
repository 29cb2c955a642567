package nemesis

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tunable is a kind that takes parameters.
type tunable interface {
	parameters() []parameter
}

// parameter is one key=value pair that a kind takes.
type parameter struct {
	name  string
	help  string   // for people: what it is, and what values there are
	modes []string // those that it is for; none: all
	check func(value string) error
}

func parametersOf(k kind) []parameter {
	if t, ok := k.(tunable); ok {
		return t.parameters()
	}
	return nil
}

// checkParameter tells what is wrong with a parameter of a fault. An empty mode stands for all of the kind's.
func checkParameter(k kind, mode, key, value string) error {
	all := parametersOf(k)
	i := slices.IndexFunc(all, func(p parameter) bool { return p.name == key })
	if i < 0 {
		return fmt.Errorf("%s has no parameter %q; it has %s", k.name(), key, parameterNames(all))
	}
	p := all[i]
	if mode != "" && len(p.modes) > 0 && !slices.Contains(p.modes, mode) {
		return fmt.Errorf("%s:%s has no parameter %q, which is for %s", k.name(), mode, key, strings.Join(p.modes, ", "))
	}
	if err := p.check(value); err != nil {
		return fmt.Errorf("%s: %s=%s: %w", k.name(), key, value, err)
	}
	return nil
}

// checkParameters tells what is wrong with the parameters of a fault, the first in the order of their names.
func checkParameters(k kind, mode string, parameters map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		if err := checkParameter(k, mode, key, parameters[key]); err != nil {
			return err
		}
	}
	return nil
}

// wantParameters tells which of the parameters, without which the step's mode does nothing, the step has not.
func (s Step) wantParameters(names ...string) error {
	for _, name := range names {
		if s.Parameters[name] == "" {
			return fmt.Errorf("%s:%s without the parameter %q", s.Fault, s.Mode, name)
		}
	}
	return nil
}

func parameterNames(all []parameter) string {
	if len(all) == 0 {
		return "none"
	}
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

// oneOf is a parameter's check: it must be one of the words.
func oneOf(words ...string) func(string) error {
	return func(value string) error {
		if !slices.Contains(words, value) {
			return fmt.Errorf("want %s", strings.Join(words, ", "))
		}
		return nil
	}
}

// durationWithin is a parameter's check: a duration as Go writes them, from low to high.
func durationWithin(low, high time.Duration) func(string) error {
	return func(value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d < low || d > high {
			return fmt.Errorf("want a duration of %v to %v, such as 150ms", low, high)
		}
		return nil
	}
}

// numberWithin is a parameter's check: a number from low to high.
func numberWithin(low, high float64) func(string) error {
	return func(value string) error {
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || !(x >= low && x <= high) { // NaN is not within anything
			return fmt.Errorf("want a number of %v to %v", low, high)
		}
		return nil
	}
}
