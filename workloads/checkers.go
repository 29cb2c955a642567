package workloads

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checker"
)

// models are the sequential specifications of the workloads that are judged for linearizability.
var models = map[string]func() checker.Model{
	"register":  RegisterModel,
	"kv-append": checker.KVAppend,
	"set":       checker.Set,
	"queue":     checker.Queue,
	"lock":      checker.Lock,
	"counter":   checker.Counter,
}

// transactions are the workloads that are judged by the cycles of their dependencies, for strict serializability.
var transactions = map[string]func(level string) (checker.Checker, error){
	"list-append": checker.ListAppend,
	"rw-register": checker.RWRegister,
}

// RegisterModel is what a register does: get, put and cas, by key.
func RegisterModel() checker.Model { return checker.Register() }

// CheckerFor is the checker of a workload's history.
func CheckerFor(workload string) (checker.Checker, error) {
	if model, ok := models[workload]; ok {
		return checker.Linearizable(model()), nil
	}
	if check, ok := transactions[workload]; ok {
		return check(checker.StrictSerializable)
	}
	names := slices.Sorted(maps.Keys(models))
	names = append(names, slices.Sorted(maps.Keys(transactions))...)
	return nil, fmt.Errorf("no workload %q; there are %s", workload, strings.Join(names, ", "))
}

// ModelFor is the model behind CheckerFor, for the picture of a key; false where the workload has none.
func ModelFor(workload string) (checker.Model, bool) {
	model, ok := models[workload]
	if !ok {
		return checker.Model{}, false
	}
	return model(), true
}
