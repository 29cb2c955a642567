package harness

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/systems"
)

// replicasChecker is the checker that holds the replicas of a system against each other. What differs may never have been read by a client.
const replicasChecker = "replicas"

const (
	auditTime  = 30 * time.Second
	auditPause = 250 * time.Millisecond
	mostTold   = 5 // differences
)

// audit holds the replicas against each other, if the system knows how to.
func (r *run) audit(ctx context.Context) {
	system, ok := r.test.System.(systems.Audited)
	if !ok {
		return
	}
	r.test.Progress.Phase("holding the replicas against each other")
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	result, compared := judgeReplicas(ctx, system, r.addresses(), func() { pause(ctx, auditPause) })
	r.audited = &result
	r.log.Info("replicas", "verdict", result.Verdict, "compared", compared, "reason", result.Reason)
}

// judgeReplicas tries until the replicas can be compared, or ctx ends. Replicas that differ differ for ever: one comparison is enough.
func judgeReplicas(ctx context.Context, system systems.Audited, addresses map[string]string, wait func()) (result checker.Result, compared string) {
	r := checker.Result{Checker: replicasChecker, Verdict: checker.Valid}
	for why := error(nil); ; {
		differences, compared, err := system.Audit(ctx, addresses)
		switch {
		case err == nil && len(differences) == 0:
			return r, compared
		case err == nil:
			r.Verdict = checker.Invalid
			r.Reason = fmt.Sprintf("the replicas differ: %s", strings.Join(differences[:min(mostTold, len(differences))], "; "))
			if more := len(differences) - mostTold; more > 0 {
				r.Reason += fmt.Sprintf("; and %d more", more)
			}
			return r, compared
		case ctx.Err() != nil:
			r.Verdict = checker.Unknown
			r.Reason = fmt.Sprintf("the replicas could not be held against each other within %v: %v", auditTime, cmp.Or(why, err)) // not that the time is up
			return r, compared
		}
		why = err
		wait()
	}
}
