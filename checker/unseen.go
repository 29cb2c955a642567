package checker

import "github.com/ordeal-dev/ordeal/history"

// withoutUnseen leaves out crashed writes to a register of values that no operation saw. A legal order that holds one
// stays legal without it: between it and the next write nobody looked. A crashed compare-and-set counts as one that saw
// its old value, unless it is left out itself.
func withoutUnseen(ops []*history.Operation, m *registerMachine) []*history.Operation {
	gone := make([]bool, len(ops))
	left := len(ops)
	for before := -1; left != before; {
		before = left
		seen := m.seenValues(gone)
		for i := range m.ops {
			op := &m.ops[i]
			if op.crashed && !gone[i] && !seen[op.new] {
				gone[i] = true
				left--
			}
		}
	}
	if left == len(ops) {
		return ops
	}
	kept := make([]*history.Operation, 0, left)
	for i, op := range ops {
		if !gone[i] {
			kept = append(kept, op)
		}
	}
	return kept
}

func (m *registerMachine) seenValues(gone []bool) []bool {
	seen := make([]bool, len(m.values.values))
	for i := range m.ops {
		switch op := &m.ops[i]; {
		case gone[i] || op.kind == registerPut:
		case op.crashed:
			seen[op.old] = true
		default:
			seen[op.saw] = true
		}
	}
	return seen
}
