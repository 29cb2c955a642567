package harness

import (
	"context"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// Progress shows people what goes on. Its methods are called from one goroutine at a time.
type Progress interface {
	// Phase begins a part of the run.
	Phase(text string)
	// Show tells how far the main part is.
	Show(Snapshot)
}

// silence is a Progress that nobody sees.
type silence struct{}

func (silence) Phase(string)  {}
func (silence) Show(Snapshot) {}

// Snapshot is a run at a moment.
type Snapshot struct {
	Elapsed, Duration time.Duration
	OK, Fail, Info    int64
	PerSecond         float64 // operations completed since the last snapshot
	Leader            string
	Faults            []string // in force now
}

const progressEvery = 250 * time.Millisecond

// PhaseRunning is the phase of the main part of a run.
const PhaseRunning = "running"

// showProgress shows snapshots until the function that it returns is called.
func (r *run) showProgress(n *nemesis.Nemesis, begin time.Duration) (stop func()) {
	r.test.Progress.Phase(PhaseRunning)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	r.spawn(&group, "the progress", func() error {
		last, lastAt := int64(0), begin
		for {
			pause(ctx, progressEvery)
			if ctx.Err() != nil {
				return nil
			}
			s := r.snapshot(n, begin)
			total, now := s.OK+s.Fail+s.Info, r.recorder.now()
			s.PerSecond = float64(total-last) / (now - lastAt).Seconds()
			last, lastAt = total, now
			r.test.Progress.Show(s)
		}
	})
	return func() { cancel(); group.Wait() }
}

func (r *run) snapshot(n *nemesis.Nemesis, begin time.Duration) Snapshot {
	return Snapshot{Elapsed: r.recorder.now() - begin, Duration: r.test.Duration, OK: r.recorder.ok.Load(), Fail: r.recorder.fail.Load(),
		Info: r.recorder.info.Load(), Leader: r.observer.leader(), Faults: n.Active()}
}
