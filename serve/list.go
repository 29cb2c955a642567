package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/store"
)

// listing is all that the first page shows.
type listing struct {
	Folder    string         `json:"folder"`
	Runs      []runRow       `json:"runs"`
	Campaigns []campaignRow  `json:"campaigns"`
	Problem   string         `json:"problem,omitempty"`
	Now       time.Time      `json:"now"`
	Counts    map[string]int `json:"counts"` // runs by verdict
}

// runRow is a run in the list.
type runRow struct {
	Path       string          `json:"path"`
	Name       string          `json:"name"`
	Started    time.Time       `json:"started"`
	State      string          `json:"state"` // valid, invalid, unknown, running, ended, broken
	Reason     string          `json:"reason,omitempty"`
	Cluster    string          `json:"cluster,omitempty"`
	Workload   string          `json:"workload,omitempty"`
	Faults     []string        `json:"faults,omitempty"`
	Nodes      int             `json:"nodes"`
	Seed       uint64          `json:"seed"`
	Mutant     string          `json:"mutant,omitempty"`
	Operations int             `json:"operations"`
	Seconds    float64         `json:"seconds"`
	Progress   *store.Progress `json:"progress,omitempty"`
}

// campaignRow is a campaign in the list.
type campaignRow struct {
	Path      string    `json:"path"`
	Name      string    `json:"name"`
	Started   time.Time `json:"started"`
	Cluster   string    `json:"cluster"`
	Versions  []string  `json:"versions"`
	Workloads []string  `json:"workloads"`
	Faults    []string  `json:"faults"`
	Runs      int       `json:"runs"`
	Invalid   int       `json:"invalid"`
	Unknown   int       `json:"unknown"`
	Problem   string    `json:"problem,omitempty"`
}

func (s *Server) list(w http.ResponseWriter, _ *http.Request) {
	l := s.listing(time.Now())
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(l) // whoever asked is gone
}

func (s *Server) listing(now time.Time) listing {
	l := listing{Folder: s.folder, Runs: []runRow{}, Campaigns: []campaignRow{}, Now: now, Counts: map[string]int{}}
	folders, err := store.Folders(s.folder)
	if err != nil {
		l.Problem = err.Error()
	}
	for _, folder := range folders {
		if row, ok := s.runRow(folder, now); ok {
			l.Runs = append(l.Runs, row)
			l.Counts[row.State]++
		}
	}
	slices.SortStableFunc(l.Runs, func(a, b runRow) int { return b.Started.Compare(a.Started) })
	for _, folder := range s.campaignFolders() {
		if row, ok := s.campaignRow(folder); ok {
			l.Campaigns = append(l.Campaigns, row)
		}
	}
	slices.SortStableFunc(l.Campaigns, func(a, b campaignRow) int { return b.Started.Compare(a.Started) })
	return l
}

// pathOf is how requests name a folder in the results.
func (s *Server) pathOf(folder string) string {
	path, err := filepath.Rel(s.folder, folder)
	if err != nil {
		return ""
	}
	return filepath.ToSlash(path)
}

// runRow is the run's row; a run that leads out of the results is not in the list.
func (s *Server) runRow(folder string, now time.Time) (runRow, bool) {
	if real, err := s.resolve(folder); err != nil || s.contained(real) != nil {
		return runRow{}, false
	}
	run := &store.Run{Folder: folder}
	sum := s.lists.summary(run)
	row := runRow{Path: s.pathOf(folder), Name: sum.Name, Started: sum.Started, State: string(sum.Verdict), Reason: sum.Reason, Cluster: sum.Test.Cluster,
		Workload: sum.Test.Workload, Faults: sum.Test.Faults, Nodes: len(sum.Test.Nodes), Seed: sum.Test.Seed, Mutant: sum.Test.Mutant,
		Operations: sum.Operations.OK + sum.Operations.Fail + sum.Operations.Info, Seconds: sum.Test.Duration.Seconds()}
	switch {
	case sum.Error != "":
		row.State, row.Reason = "broken", sum.Error
	case row.State == "":
		row.State, row.Progress = liveState(run, now)
		if row.Progress != nil {
			row.Operations = int(row.Progress.OK + row.Progress.Fail + row.Progress.Info)
			row.Reason = row.Progress.Phase
		}
	}
	return row, true
}

// liveState is that of a run without a verdict: its harness lives, or has ended.
func liveState(run *store.Run, now time.Time) (string, *store.Progress) {
	p, err := run.Progress()
	if err != nil || !p.Alive(now) {
		return "ended", nil
	}
	return "running", &p
}

// lister remembers the summaries of runs whose files have not changed: some verdicts are long.
type lister struct {
	mu    sync.Mutex
	known map[string]listed
}

type listed struct {
	stamp   string
	summary store.Summary
}

func (l *lister) summary(run *store.Run) store.Summary {
	stamp := stampOf(run.Path(store.TestFile)) + stampOf(run.Path(store.VerdictFile))
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.known[run.Folder]; ok && known.stamp == stamp {
		return known.summary
	}
	summary := run.Summary()
	l.known[run.Folder] = listed{stamp, summary}
	return summary
}

func stampOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "-"
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), ";")
}

// campaignFolders are the folders with a campaign, in the results or one below.
func (s *Server) campaignFolders() []string {
	var list []string
	for _, above := range append([]string{"."}, s.foldersIn(".")...) {
		for _, folder := range s.foldersIn(above) {
			if info, err := s.root.Stat(filepath.Join(folder, campaign.PlanFile)); err == nil && !info.IsDir() {
				list = append(list, filepath.Join(s.folder, folder))
			}
		}
	}
	slices.Sort(list)
	return list
}

// foldersIn are the folders in a folder of the results, by their paths in there; latest, which leads to one of them, is left out. Only
// folders are opened: whoever opens a pipe waits.
func (s *Server) foldersIn(folder string) []string {
	f, err := s.root.Open(folder)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(-1) // as many as can be read
	var list []string
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if e.Name() == store.Latest {
			continue
		}
		if info, err := s.root.Stat(path); err == nil && info.IsDir() {
			list = append(list, path)
		}
	}
	return list
}

func (s *Server) campaignRow(folder string) (campaignRow, bool) {
	c, err := s.openCampaign(folder)
	if errors.Is(err, errOutside) {
		return campaignRow{}, false
	}
	row := campaignRow{Path: s.pathOf(folder), Name: filepath.Base(filepath.Dir(folder)), Versions: []string{}}
	if err != nil {
		row.Problem = err.Error()
		return row, true
	}
	n := c.Counts()
	row.Started, row.Cluster, row.Workloads, row.Faults = c.Plan.Started, c.Plan.Cluster, c.Plan.Workloads, c.Plan.Faults
	row.Runs, row.Invalid, row.Unknown = n.Runs, n.Invalid, n.Unknown
	for _, v := range c.Plan.Versions {
		row.Versions = append(row.Versions, v.Name)
	}
	return row, true
}

// openCampaign reads a campaign none of whose files leads out of the results.
func (s *Server) openCampaign(folder string) (*campaign.Campaign, error) {
	real, err := s.resolve(folder)
	if err != nil {
		return nil, err
	}
	if err := s.contained(real); err != nil {
		return nil, err
	}
	return campaign.Open(real)
}
