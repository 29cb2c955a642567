package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Stall is the Fault of an event that is none: the harness itself was not given the processor. Nobody can say what the cluster
// would have done meanwhile on a machine with room for it.
const Stall = "stall"

const (
	stallTick  = 20 * time.Millisecond
	leastStall = 100 * time.Millisecond // beyond the tick
)

// watchStalls puts on record when the harness overslept.
func (r *run) watchStalls(ctx context.Context) {
	for ctx.Err() == nil {
		from := r.recorder.now()
		pause(ctx, stallTick)
		to := r.recorder.now()
		if late := to - from - stallTick; late >= leastStall {
			r.noteFault(nemesis.Event{ID: -1, Fault: Stall, Mode: "harness", Phase: nemesis.PhaseTurn, Start: from + stallTick, Done: to, End: to,
				Text: fmt.Sprintf("the harness stood still for %v", late.Round(time.Millisecond)), Took: true})
		}
	}
}
