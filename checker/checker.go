package checker

import (
	"context"
	"time"

	"github.com/ordeal-dev/ordeal/history"
)

// Checker judges one aspect of a history.
type Checker interface {
	// Name is what Result.Checker says: "linearizable", ...
	Name() string
	// Check judges the history within the limits of the options. A cancelled context makes what is not yet decided Unknown.
	Check(ctx context.Context, h *history.History, o Options) Result
}

// Options are the limits of a check. The zero Options are limits that suit this machine.
type Options struct {
	Timeout    time.Duration // for the whole check; 0: none
	KeyTimeout time.Duration // for each key; 0: none but Timeout
	Memory     int64         // bytes of heap the program may hold while checking; 0: three quarters of what the machine has free
	Parallel   int           // keys checked at once; 0: as many as there are processors
	// Unconfirmed keeps porcupine from checking what an exact checker has decided, as it does, a few seconds at most, where
	// a key is small enough. For benchmarks.
	Unconfirmed bool

	asked time.Duration // where Timeout is what was left of it after the history was read
}

// within is the context of a whole check.
func (o Options) within(ctx context.Context, what string) (context.Context, context.CancelFunc) {
	if o.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, o.Timeout, notWithin(what, max(o.Timeout, o.asked)))
}

// Within is a context that ends when the time for the check does, for several checks of one history.
func (o Options) Within(ctx context.Context) (context.Context, context.CancelFunc) {
	return o.within(ctx, "the time for all checks")
}
