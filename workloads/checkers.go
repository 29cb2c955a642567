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
	"bank":      checker.BankModel,

	"read-mostly": RegisterModel,
}

// transactions are the workloads that are judged by the cycles of their dependencies, for strict serializability.
var transactions = map[string]func(level string) (checker.Checker, error){
	"list-append": checker.ListAppend,
	"rw-register": checker.RWRegister,
}

// RegisterModel is what a register does: get, put and cas, by key.
func RegisterModel() checker.Model { return checker.Register() }

// CheckersFor are the checkers of a workload's history.
func CheckersFor(workload string) ([]checker.Checker, error) {
	switch workload {
	case "register":
		return []checker.Checker{checker.Linearizable(RegisterModel()), checker.Sessions()}, nil
	case "bank":
		return []checker.Checker{checker.Bank(bankTotal), checker.Linearizable(checker.BankModel())}, nil
	case "read-mostly":
		return []checker.Checker{checker.Except(checker.StaleRead, checker.Linearizable(RegisterModel())), checker.StaleReads(), checker.Sessions()}, nil
	}
	if model, ok := models[workload]; ok {
		return []checker.Checker{checker.Linearizable(model())}, nil
	}
	if check, ok := transactions[workload]; ok {
		c, err := check(checker.StrictSerializable)
		return []checker.Checker{c}, err
	}
	names := slices.Sorted(maps.Keys(models))
	names = append(names, slices.Sorted(maps.Keys(transactions))...)
	return nil, fmt.Errorf("no workload %q; there are %s", workload, strings.Join(names, ", "))
}

// ModelFor is the model behind CheckersFor, for the picture of a key; false where the workload has none.
func ModelFor(workload string) (checker.Model, bool) {
	model, ok := models[workload]
	if !ok {
		return checker.Model{}, false
	}
	return model(), true
}
