package harness

import (
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/store"
)

// tidings passes the progress on and keeps the latest of it in the run's folder, for those who watch from elsewhere.
type tidings struct {
	to     Progress
	folder *store.Run

	mu     sync.Mutex
	latest store.Progress

	ended chan struct{}
	group sync.WaitGroup
}

// newTidings begins to tell; stop ends it.
func newTidings(to Progress, folder *store.Run) *tidings {
	t := &tidings{to: to, folder: folder, ended: make(chan struct{})}
	t.tell(func(p *store.Progress) { p.Phase = "beginning" })
	t.group.Go(t.beat)
	return t
}

// beat shows that the harness lives also while there is nothing new.
func (t *tidings) beat() {
	ticker := time.NewTicker(store.ProgressBeat)
	defer ticker.Stop()
	for {
		select {
		case <-t.ended:
			return
		case <-ticker.C:
			t.tell(func(*store.Progress) {})
		}
	}
}

func (t *tidings) stop() {
	close(t.ended)
	t.group.Wait()
	_ = t.folder.RemoveProgress() // what stays is told by its age to be over
}

// tell writes the progress as changed. Whether somebody can watch does not touch the run: an error is nobody's.
func (t *tidings) tell(change func(*store.Progress)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.latest)
	t.latest.Updated = time.Now()
	_ = t.folder.WriteProgress(t.latest)
}

// Phase implements Progress.
func (t *tidings) Phase(text string) {
	t.tell(func(p *store.Progress) {
		p.Phase, p.PerSecond, p.Faults, p.Leader = text, 0, nil, ""
	})
	t.to.Phase(text)
}

// Show implements Progress.
func (t *tidings) Show(s Snapshot) {
	t.tell(func(p *store.Progress) {
		p.Elapsed, p.Duration, p.OK, p.Fail, p.Info = s.Elapsed, s.Duration, s.OK, s.Fail, s.Info
		p.PerSecond, p.Leader, p.Faults = s.PerSecond, s.Leader, s.Faults
	})
	t.to.Show(s)
}
