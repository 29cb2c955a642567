package harness

import (
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

// Snapshot is a run at a moment.
type Snapshot struct {
	Elapsed, Duration time.Duration
	OK, Fail, Info    int64
	PerSecond         float64 // operations completed since the last snapshot
	Leader            string
	Faults            []string // in force now
}

const progressEvery = 250 * time.Millisecond

// showProgress shows snapshots until the function that it returns is called.
func (r *run) showProgress(n *nemesis.Nemesis) (stop func()) {
	r.test.Progress.Phase("running")
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		begin, last, lastAt := r.recorder.now(), int64(0), r.recorder.now()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			s := r.snapshot(n, begin)
			total, now := s.OK+s.Fail+s.Info, r.recorder.now()
			s.PerSecond = float64(total-last) / (now - lastAt).Seconds()
			last, lastAt = total, now
			r.test.Progress.Show(s)
		}
	}()
	return func() { close(done); <-ended }
}

func (r *run) snapshot(n *nemesis.Nemesis, begin time.Duration) Snapshot {
	return Snapshot{Elapsed: r.recorder.now() - begin, Duration: r.test.Duration, OK: r.recorder.ok.Load(), Fail: r.recorder.fail.Load(),
		Info: r.recorder.info.Load(), Leader: r.observer.leader(), Faults: n.Active()}
}
