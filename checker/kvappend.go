package checker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/history"
)

// KVAppend is a string with get, put and append, empty before the first write.
//
//	get: output is the string; nil counts as empty.
//	put: input is the new string.
//	append: input is added at the end.
func KVAppend() Model {
	return Model{
		Name:     "kv-append",
		object:   "text",
		Init:     func() any { return "" },
		Step:     kvAppendStep,
		ReadOnly: func(op *history.Operation) bool { return op.F == "get" },
		Check:    kvAppendCheck,
		exact:    decideTexts,
		values:   textMention,
		project:  textProject,
		explain:  explainKVAppend,
	}
}

func kvAppendCheck(op *history.Operation) error {
	v := op.Input
	switch op.F {
	case "get":
		v = op.Output
	case "put", "append":
	default:
		return fmt.Errorf("an appendable string has get, put and append, not %q", op.F)
	}
	if k := v.Kind(); k != history.KindString && k != history.KindNil {
		return fmt.Errorf("%s needs a string, not %v", op.F, v)
	}
	return nil
}

func kvAppendStep(_ context.Context, s any, op *history.Operation) (any, bool) {
	in, _ := op.Input.AsString()
	switch op.F {
	case "put":
		return in, true
	case "append":
		return s.(string) + in, true
	}
	out, _ := op.Output.AsString()
	return s, op.Type != history.OK || s == out
}

// explainKVAppend looks for what a person sees at once. What a read saw may be shown without pieces that do not matter.
func explainKVAppend(ops []*history.Operation) string {
	var read *history.Operation
	for _, op := range ops {
		if op.F != "get" || op.Type != history.OK {
			continue
		}
		out, _ := op.Output.AsString()
		for _, w := range ops {
			in, _ := w.Input.AsString()
			if w.F == "append" && w.Type == history.OK && w.Return < op.Call && in != "" && !strings.Contains(out, in) && !hasPut(ops) {
				return fmt.Sprintf("%s did not read %v, though %s's append of it had returned", process(op), w.Input, process(w))
			}
		}
		read = op
	}
	if read == nil {
		return ""
	}
	return fmt.Sprintf("%s read %v, which no order of the writes explains", process(read), read.Output)
}

func hasPut(ops []*history.Operation) bool {
	return slices.ContainsFunc(ops, func(op *history.Operation) bool { return op.F == "put" })
}
