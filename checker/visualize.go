package checker

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/ordeal-dev/ordeal/history"
)

const (
	pictureOperations = 300             // as many as a browser draws well
	pictureTime       = 5 * time.Second // for the search behind the picture
	pictureMemory     = 256 << 20
)

// Visualize writes porcupine's picture of operations of one object: a page of HTML that needs nothing else. It shows the
// first 300 operations; give it a KeyResult's Evidence to see a conflict.
func Visualize(w io.Writer, m Model, operations []history.Operation) error {
	ops := pictured(&m, operations)
	if i := slices.IndexFunc(ops, func(op *history.Operation) bool { return unfit(&m, op) != "" }); i >= 0 {
		return fmt.Errorf("draw a history: %s", unfit(&m, ops[i]))
	}
	ctx, cancel := withTimeout(context.Background(), pictureTime, "the time for a picture")
	defer cancel()
	b := newBounds(ctx, pictureMemory)
	defer b.release()
	machine := machineOf(&m, ops)
	s := &search{m: machine, b: b, entry: configurationSize(len(ops))}
	model := s.model()
	_, info := porcupine.CheckOperationsVerbose(model, porcupineOperations(ops), 0)
	model.DescribeOperation = func(input, _ any) string { return label(describeOperation(ops[*input.(*int32)])) }
	model.DescribeState = func(s any) string { return label(machine.describe(s.(state))) }
	// The picture replays what the search found, whether or not the search was ended.
	model.StepContext = func(ctx context.Context, from, input, _ any) (bool, any) {
		to, ok := machine.step(ctx, from.(state), int(*input.(*int32)))
		return ok, s.box(to)
	}
	if err := porcupine.Visualize(model, info, w); err != nil {
		return fmt.Errorf("draw a history: %w", err)
	}
	return nil
}

func pictured(m *Model, operations []history.Operation) []*history.Operation {
	o := object{}
	for i := range operations {
		if len(o.ops) < pictureOperations {
			o.add(m, &operations[i])
		}
	}
	return o.ops
}

// label makes text fit for porcupine's page, which draws it as plain text on the bars and takes it as HTML beside them:
// what HTML would take for markup is escaped, and only that, and the arrow is one that needs no escaping.
func label(text string) string { return labels.Replace(text) }

var labels = strings.NewReplacer(" -> ", " → ", "&", "&amp;", "<", "&lt;")
