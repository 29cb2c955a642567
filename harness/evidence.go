package harness

import (
	"fmt"
	"os"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// evidenceOf are the operations that show what is wrong, in the order of their invocation: the evidence against each key, and
// the transactions of each anomaly that is not allowed.
func evidenceOf(h *history.History, results []checker.Result) []history.Operation {
	shown := map[int]history.Operation{} // by index
	for _, r := range results {
		if r.Verdict != checker.Invalid {
			continue
		}
		for _, k := range r.Keys {
			for _, op := range k.Evidence {
				shown[op.Index] = op
			}
		}
		for _, a := range r.Anomalies {
			for _, op := range a.Operations {
				if _, has := shown[op.Index]; !has && !a.Tolerated {
					shown[op.Index] = op
				}
			}
		}
	}
	var all []history.Operation
	for _, op := range h.Operations {
		if some, ok := shown[op.Index]; ok {
			all = append(all, some)
		}
	}
	return all
}

// writeEvidence puts the evidence into the run's folder, as a history that can be checked by itself. Evidence of an earlier
// judgement goes.
func writeEvidence(run *store.Run, h *history.History, results []checker.Result) error {
	path := run.Path(store.EvidenceFile)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("the evidence of before: %w", err)
	}
	operations := evidenceOf(h, results)
	if len(operations) == 0 {
		return nil
	}
	w, err := history.Create(path)
	if err != nil {
		return err
	}
	for _, e := range history.Events(operations) {
		w.Append(e)
	}
	return w.Close()
}
