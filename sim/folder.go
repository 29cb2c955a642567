package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

// Kept is a run whose folder was written.
type Kept struct {
	harness.Outcome
	Result Result
}

// Keep makes a run and leaves the folder that runs on other clusters leave: test.json (from t, which the caller fills with what only
// he knows), plan, history, what the nodes said of themselves, verdict and report. The outcome is nil where nothing began.
func Keep(ctx context.Context, o Options, root string, t store.Test) (*Kept, error) {
	if err := o.Plan.Check(); err != nil {
		return nil, err
	}
	t.Started = time.Now()
	t.Began = t.Started // simulated time is told as if it were real
	folder, err := store.Create(root, t.Name, t.Started)
	if err != nil {
		return nil, err
	}
	kept := &Kept{Outcome: harness.Outcome{Run: folder}}
	if err := errors.Join(folder.WriteTest(o.Plan.document(t)), o.Plan.write(folder)); err != nil {
		return kept, err
	}
	told, err := newChronicle(folder, &o.Plan, t.Started)
	if err != nil {
		return kept, err
	}
	trace := o.Trace
	o.Trace = func(e Event) {
		told.note(e)
		if trace != nil {
			trace(e)
		}
	}
	kept.Result, err = Run(ctx, o)
	if err := errors.Join(err, told.close()); err != nil {
		return kept, err
	}
	kept.Verdict, kept.History = kept.Result.Judged, kept.Result.History
	return kept, kept.write()
}

// document is the definition as the run's folder keeps it.
func (p *Plan) document(t store.Test) store.Test {
	t.System, t.Cluster, t.Workload, t.Clients, t.Rate, t.Duration, t.Seed = "ordeal", "sim", p.Workload, p.Workers, p.Rate, p.Duration, p.Seed
	t.Owed = p.Asked
	t.Nodes = nil
	for i := range p.Nodes {
		t.Nodes = append(t.Nodes, fmt.Sprintf("n%d", i+1))
	}
	return t
}

// write puts the plan, and the nemesis's schedule where there is one, into the run's folder.
func (p *Plan) write(folder *store.Run) error {
	put := func(name string, v any) error {
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		return store.WriteAtomically(folder.Path(name), append(text, '\n'))
	}
	err := put(store.PlanFile, p)
	if p.Schedule != nil {
		err = errors.Join(err, put(store.ScheduleFile, p.Schedule))
	}
	return err
}

// write puts history, verdict and report into the run's folder.
func (k *Kept) write() error {
	path := k.Run.Path(store.HistoryFile)
	w, err := history.Create(path)
	if err != nil {
		return err
	}
	for _, e := range k.Result.Record {
		w.Append(e)
	}
	if err := w.Close(); err != nil {
		return err
	}
	if _, err := history.Seal(path); err != nil {
		return err
	}
	if err := k.Run.WriteVerdict(k.Verdict); err != nil {
		return err
	}
	return report.Build(k.Run.Folder)
}
