package nemesis

import (
	"fmt"
	"slices"
	"strings"
)

// None is the text of --faults that asks for no fault at all.
const None = "none"

// Spec is one fault asked for.
type Spec struct {
	Fault string `json:"fault"`
	Mode  string `json:"mode,omitempty"` // empty: all modes that suit the number of nodes
	// Stage is when the fault comes in a sequence, from 1; those of one stage stand at once. 0: it is part of a random mixture.
	Stage int `json:"stage,omitempty"`
	// Parameters are the fault's key=value pairs.
	Parameters map[string]string `json:"parameters,omitempty"`
}

func (s Spec) String() string {
	text := s.Fault
	if s.Mode != "" {
		text += ":" + s.Mode
	}
	keys := make([]string, 0, len(s.Parameters))
	for k := range s.Parameters {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		text += ":" + k + "=" + s.Parameters[k]
	}
	return text
}

// ParseFaults reads a list of faults: names with an optional mode and key=value parameters, as in
// "kill:leader,disk:fsync-slow:delay=50ms,partition". The same name may come several times with different modes. Lists with ">" between
// them are a sequence: "kill:leader>kill:one,partition:bridge". "none" and the empty text ask for nothing. Errors say what there is.
func ParseFaults(text string) ([]Spec, error) {
	if strings.TrimSpace(text) == "" || strings.TrimSpace(text) == None {
		return nil, nil
	}
	var specs []Spec
	for i, list := range strings.Split(text, stageMark) {
		for item := range strings.SplitSeq(list, ",") {
			spec, err := parseSpec(strings.TrimSpace(item))
			if err != nil {
				return nil, err
			}
			if strings.Contains(text, stageMark) {
				spec.Stage = i + 1
			}
			if !slices.ContainsFunc(specs, func(s Spec) bool { return s.Stage == spec.Stage && s.String() == spec.String() }) {
				specs = append(specs, spec)
			}
		}
	}
	return specs, nil
}

// FormatFaults writes what ParseFaults reads.
func FormatFaults(specs []Spec) string {
	if len(specs) == 0 {
		return None
	}
	var b strings.Builder
	for i, s := range specs {
		switch {
		case i == 0:
		case s.Stage != specs[i-1].Stage:
			b.WriteString(stageMark)
		default:
			b.WriteString(",")
		}
		b.WriteString(s.String())
	}
	return b.String()
}

func parseSpec(item string) (Spec, error) {
	if item == "" {
		return Spec{}, fmt.Errorf("faults: an empty name between commas; there are: %s", kindNames())
	}
	parts := strings.Split(item, ":")
	spec := Spec{Fault: parts[0]}
	k, ok := findKind(spec.Fault)
	if !ok {
		if spec.Fault == None {
			return Spec{}, fmt.Errorf("faults: %q stands alone or not at all", None)
		}
		return Spec{}, fmt.Errorf("faults: there is no fault %q; there are: %s", spec.Fault, kindNames())
	}
	for _, part := range parts[1:] {
		if err := spec.add(k, part); err != nil {
			return Spec{}, err
		}
	}
	if err := checkParameters(k, spec.Mode, spec.Parameters); err != nil {
		return Spec{}, fmt.Errorf("faults: %w", err)
	}
	return spec, nil
}

func (s *Spec) add(k kind, part string) error {
	if key, value, ok := strings.Cut(part, "="); ok {
		if _, twice := s.Parameters[key]; twice {
			return fmt.Errorf("faults: %s has the parameter %q twice", k.name(), key)
		}
		if s.Parameters == nil {
			s.Parameters = map[string]string{}
		}
		s.Parameters[key] = value
		return nil
	}
	if s.Mode != "" {
		return fmt.Errorf("faults: %s has two modes, %q and %q; write %s:%s,%s:%s for both", k.name(), s.Mode, part, k.name(), s.Mode, k.name(), part)
	}
	if _, ok := findMode(k, part); !ok {
		return fmt.Errorf("faults: %s has no mode %q; it has: %s", k.name(), part, modeNames(k))
	}
	s.Mode = part
	return nil
}
