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
}

// RegisterModel is what a register does: get, put and cas, by key.
func RegisterModel() checker.Model { return checker.Register() }

// CheckerFor is the checker of a workload's history.
func CheckerFor(workload string) (checker.Checker, error) {
	if model, ok := models[workload]; ok {
		return checker.Linearizable(model()), nil
	}
	return nil, fmt.Errorf("no workload %q; there are %s", workload, strings.Join(slices.Sorted(maps.Keys(models)), ", "))
}

// ModelFor is the model behind CheckerFor, for the picture of a key; false where the workload has none.
func ModelFor(workload string) (checker.Model, bool) {
	model, ok := models[workload]
	if !ok {
		return checker.Model{}, false
	}
	return model(), true
}
