package report

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

const (
	keysBudget = 4 << 20 // bytes of JSON, before it is packed
	keyShown   = 120     // characters
)

// keyRow is a line of the keys' table, as the page's script reads it.
type keyRow struct {
	Key        string  `json:"k"`
	Verdict    string  `json:"v"`
	Checker    string  `json:"c,omitempty"`
	By         string  `json:"b,omitempty"`
	Operations int     `json:"n"`
	Crashed    int     `json:"x,omitempty"`
	Elapsed    float64 `json:"t"` // milliseconds
	Reason     string  `json:"r,omitempty"`
}

// keyTable is every key's verdict, invalid first, then unknown, then valid, until the budget is spent.
func keyTable(v store.Verdict) (list []keyRow, left int) {
	for _, r := range v.Results {
		for _, k := range r.Keys {
			list = append(list, keyRow{
				Key: shown(k.Key, keyShown), Verdict: string(k.Verdict), Checker: shown(r.Checker, 40), By: shown(k.DecidedBy, 80),
				Operations: k.Operations, Crashed: k.Crashed, Elapsed: float64(k.Elapsed.Microseconds()) / 1e3, Reason: shown(k.Reason, 300),
			})
		}
	}
	slices.SortStableFunc(list, func(a, b keyRow) int {
		return cmp.Or(cmp.Compare(severity(a.Verdict), severity(b.Verdict)), naturally(a.Key, b.Key))
	})
	spent := 0
	for i, row := range list {
		b, err := json.Marshal(row)
		if err != nil {
			panic("report: a key's row does not become JSON: " + err.Error())
		}
		if spent += len(b) + 1; spent > keysBudget {
			return list[:i], len(list) - i
		}
	}
	return list, 0
}

func severity(v string) int {
	return slices.Index([]string{string(checker.Invalid), string(checker.Unknown), string(checker.Valid)}, v)
}

// naturally orders k2 before k10: digits at the end count as a number when what stands before them is the same.
func naturally(a, b string) int {
	stemA, stemB := stem(a), stem(b)
	if stemA == stemB && len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Compare(a, b)
}

func stem(s string) string {
	end := len(s)
	for end > 0 && s[end-1] >= '0' && s[end-1] <= '9' {
		end--
	}
	return s[:end]
}
