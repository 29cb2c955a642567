package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// inferred is the workload whose operations a history has. It fails where that tells nothing, or not enough.
func inferred(h *history.History) (string, error) {
	have := operationsOf(h)
	only := func(names ...string) bool {
		return !slices.ContainsFunc(have, func(f string) bool { return !slices.Contains(names, f) })
	}
	has := func(f string) bool { return slices.Contains(have, f) }
	switch {
	case only("get", "put", "cas"):
		return "cas-register", nil
	case only("get", "put", "append"):
		return "kv-append", nil
	case has("get-stale"):
		return "read-mostly", nil
	case only("enqueue", "dequeue", "drain"):
		return "queue", nil
	case only("acquire", "release", "read", "get"):
		return "lock", nil
	case has("transfer") && only("open", "transfer", "read", "get"):
		return "bank", nil
	case has("add") && only("add", "read", "get"):
		return setOrCounter(h)
	case only("txn"):
		return listsOrRegisters(h)
	}
	return "", fmt.Errorf("no workload has the operations %s; --workload says what they are of: %s", strings.Join(have, ", "), strings.Join(checkWorkloads(), ", "))
}

func operationsOf(h *history.History) (have []string) {
	seen := map[string]bool{}
	for i := range h.Operations {
		if f := h.Operations[i].F; !seen[f] {
			seen[f] = true
			have = append(have, f)
		}
	}
	slices.Sort(have)
	return have
}

// setOrCounter tells the two by what they answer: elements, or a number.
func setOrCounter(h *history.History) (string, error) {
	for i := range h.Operations {
		switch op := &h.Operations[i]; {
		case op.Type != history.OK:
		case op.F != "add" && op.Output.Kind() == history.KindList:
			return "set", nil
		case op.Output.Kind() == history.KindInt:
			return "counter", nil
		}
	}
	return "", fmt.Errorf("a set has the operations add and read, and so has a counter, and no answer here tells which it is; say so by --workload set or --workload counter")
}

// listsOrRegisters tells transactions by their steps, and where these only read, by what they saw.
func listsOrRegisters(h *history.History) (string, error) {
	for i := range h.Operations {
		op := &h.Operations[i]
		steps, _ := op.Output.AsList()
		if op.Type != history.OK {
			steps, _ = op.Input.AsList()
		}
		for _, s := range steps {
			parts, ok := s.AsList()
			if !ok || len(parts) != 3 {
				continue
			}
			name, _ := parts[0].AsString()
			switch name = strings.TrimPrefix(name, ":"); {
			case name == "append", name == "r" && parts[2].Kind() == history.KindList:
				return "list-append", nil
			case name == "w":
				return "rw-register", nil
			}
		}
	}
	return "", fmt.Errorf("no step of the transactions tells whether they are on lists or on registers; say so by --workload list-append or --workload rw-register")
}
