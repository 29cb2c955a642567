package nemesis

import (
	"context"
	"fmt"
)

// Expand puts in the place of each fault without a mode all its modes that suit the nodes and that the cluster can do, so that
// NewSchedule draws from just those, and tells in words what was left out because it cannot. A mode that is asked for by name and
// that it cannot do is an error, and so is a fault none of whose modes it can.
// The cluster may be Limited; what it lacks is asked of it.
func Expand(ctx context.Context, specs []Spec, nodes int, cluster any, have Abilities) (expanded []Spec, left []string, err error) {
	for _, spec := range specs {
		k, ok := findKind(spec.Fault)
		if !ok {
			return nil, nil, fmt.Errorf("faults: there is no fault %q; there are: %s", spec.Fault, kindNames())
		}
		if err := k.needs().lacking(have); err != nil {
			return nil, nil, &UnableError{spec, fmt.Errorf("needs %w", err)}
		}
		if spec.Mode != "" {
			m, _ := findMode(k, spec.Mode)
			if err := m.lacking(ctx, k, spec.Parameters, cluster, have); err != nil {
				return nil, nil, &UnableError{spec, err}
			}
			expanded = append(expanded, spec)
			continue
		}
		can, cannot := 0, error(nil)
		for _, m := range k.modes() {
			if !m.suits(k, nodes, spec.Parameters) {
				continue
			}
			if err := m.lacking(ctx, k, spec.Parameters, cluster, have); err != nil {
				if cannot == nil { // that of the first mode, the plainest one
					cannot = err
				}
				left = append(left, fmt.Sprintf("%s:%s: %v", k.name(), m.name, err))
				continue
			}
			can++
			expanded = append(expanded, Spec{Fault: spec.Fault, Mode: m.name, Stage: spec.Stage, Parameters: spec.Parameters})
		}
		if can == 0 && cannot != nil {
			return nil, nil, &UnableError{spec, cannot}
		}
		if can == 0 {
			expanded = append(expanded, spec) // NewSchedule tells that the nodes are too few
		}
	}
	return expanded, left, nil
}

// lacking tells why the cluster cannot do the mode with the parameters.
func (m mode) lacking(ctx context.Context, k kind, parameters map[string]string, cluster any, have Abilities) error {
	if err := m.of.lacking(have); err != nil {
		return fmt.Errorf("needs %w", err)
	}
	if c, ok := k.(chooser); ok {
		if err := c.lacks(ctx, parameters, have); err != nil {
			return fmt.Errorf("needs %w", err)
		}
	}
	if limited, ok := cluster.(Limited); ok {
		return limited.Lacks(ctx, k.name(), m.name)
	}
	return nil
}

// UnableError says that a fault that was asked for cannot be injected on the cluster.
type UnableError struct {
	Spec Spec
	Why  error
}

func (e *UnableError) Error() string { return fmt.Sprintf("faults: %s: %v", e.Spec, e.Why) }
func (e *UnableError) Unwrap() error { return e.Why }
