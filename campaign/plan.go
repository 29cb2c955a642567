package campaign

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds of a plan: nobody has the time for more, and sums of them stay far from what an int holds.
const (
	MostRuns   = 1_000_000_000 // over all cells
	mostShards = 1_000_000
)

// format is the version of campaign.json and runs.jsonl.
const format = 1

// Plan is what a campaign runs. It does not change once the campaign has begun, but for Runs and StopAtFirst.
type Plan struct {
	Format  int       `json:"format"`
	Started time.Time `json:"started"`
	Command []string  `json:"command"` // that began it

	Cluster   string        `json:"cluster"` // local, docker, sim
	Versions  []Version     `json:"versions"`
	Workloads []string      `json:"workloads"`
	Faults    []string      `json:"faults"` // mixtures, each as `ordeal run --faults` takes it
	Nodes     int           `json:"nodes"`
	Clients   int           `json:"clients"`
	Rate      float64       `json:"rate"` // operations a second over all clients; 0: as fast as answers come
	Duration  time.Duration `json:"duration_ns"`
	Timeout   time.Duration `json:"timeout_ns"` // of an operation
	NodeFlags []string      `json:"node_flags,omitempty"`
	// Schedule is what the nemesis does in every run (schedule.json), in place of what each seed draws for Faults, which are those in it.
	Schedule json.RawMessage `json:"schedule,omitempty"`

	Seed  uint64 `json:"seed"`           // of the first round; the next round has the next one
	Runs  int    `json:"runs,omitempty"` // of each cell over all shards; 0: as many as there is time for
	Shard Shard  `json:"shard,omitzero"`
	// StopAtFirst: violations were to end it, or a cell of it, early (Campaign.Stopped).
	StopAtFirst bool `json:"stop_at_first,omitempty"`

	Machine map[string]string `json:"machine,omitempty"`
}

// Version is a system under test.
type Version struct {
	Name   string    `json:"name"`             // as it was asked for: current, HEAD~3, mutant:stale-read, binary:PATH, image:NAME
	Commit string    `json:"commit,omitempty"` // of a git reference
	Time   time.Time `json:"time,omitzero"`    // of the commit
	Digest string    `json:"digest"`           // SHA-256 of what was run, in hexadecimal
}

// Shard is a part of a campaign: every Count-th round. The zero Shard is the whole.
type Shard struct {
	Index int `json:"index"` // from 1
	Count int `json:"count"`
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }

// has tells whether the round is of this shard.
func (s Shard) has(round int) bool { return s.Count == 0 || round%s.Count == s.Index-1 }

// ParseShard reads "3/16".
func ParseShard(text string) (Shard, error) {
	var s Shard
	if n, err := fmt.Sscanf(text, "%d/%d", &s.Index, &s.Count); n != 2 || err != nil || text != s.String() {
		return Shard{}, fmt.Errorf("%q: want i/n, such as 3/16", text)
	}
	return s, s.check()
}

func (s Shard) check() error {
	switch {
	case s == Shard{}:
		return nil
	case s.Index < 1 || s.Index > s.Count:
		return fmt.Errorf("shard %v: want 1/n to n/n", s)
	case s.Count > mostShards:
		return fmt.Errorf("shard %v: want %d shards at most", s, mostShards)
	}
	return nil
}

// Cell is what runs of a campaign share that are counted together.
type Cell struct {
	Version  string `json:"version"`
	Workload string `json:"workload"`
	Faults   string `json:"faults"`
}

// Cells are the plan's cells in the order of their runs. Versions change fastest: what the machine does meanwhile meets all alike.
func (p *Plan) Cells() []Cell {
	var all []Cell
	for _, workload := range p.Workloads {
		for _, faults := range p.Faults {
			for _, v := range p.Versions {
				all = append(all, Cell{v.Name, workload, faults})
			}
		}
	}
	return all
}

func (p *Plan) cells() int { return len(p.Versions) * len(p.Workloads) * len(p.Faults) }

// Cell is the cell of a run.
func (p *Plan) Cell(number int) Cell {
	i := number % p.cells()
	v := i % len(p.Versions)
	i /= len(p.Versions)
	return Cell{p.Versions[v].Name, p.Workloads[i/len(p.Faults)], p.Faults[i%len(p.Faults)]}
}

// SeedOf is the seed of a run.
func (p *Plan) SeedOf(number int) uint64 { return p.Seed + uint64(number/p.cells()) }

// has tells whether a run is of the plan and of its shard.
func (p *Plan) has(number int) bool {
	round := number / p.cells()
	return number >= 0 && (p.Runs == 0 || round < p.Runs) && p.Shard.has(round)
}

// Total is how many runs the plan has, with its shard; 0: no end.
func (p *Plan) Total() int {
	rounds := p.Runs
	if p.Shard.Count > 0 { // those of the shard are the Index-th, and every Count-th after it
		rounds = (p.Runs - p.Shard.Index + p.Shard.Count) / p.Shard.Count
	}
	return rounds * p.cells()
}

// ScheduleDigest tells schedules apart: the beginning of the SHA-256 of it; empty: each run draws its own.
func (p *Plan) ScheduleDigest() string {
	if len(p.Schedule) == 0 {
		return ""
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, p.Schedule); err != nil {
		compact = *bytes.NewBuffer(p.Schedule) // Check refuses it
	}
	return fmt.Sprintf("%x", sha256.Sum256(compact.Bytes()))[:12]
}

// draws tells whether all runs have the number of their nodes drawn if it is not given.
func (p *Plan) draws() bool {
	return !slices.ContainsFunc(p.Faults, func(mixture string) bool { return !Drawn(mixture) })
}

// Check says what is wrong with a plan.
func (p *Plan) Check() error {
	switch {
	case p.Format != format:
		return fmt.Errorf("format %d; this program knows format %d", p.Format, format)
	case len(p.Versions) == 0 || len(p.Workloads) == 0 || len(p.Faults) == 0:
		return errors.New("a campaign needs a version, a workload and a mixture of faults at least")
	case p.Nodes < 1 && !(p.Nodes == 0 && p.draws()) || p.Clients < 1 || !(p.Rate >= 0) || p.Duration <= 0 || p.Timeout <= 0:
		return errors.New("nodes, clients, duration_ns and timeout_ns have to be positive, and rate not negative")
	case len(p.Schedule) > 0 && (!json.Valid(p.Schedule) || len(p.Faults) != 1):
		return errors.New("a schedule is a JSON document, and the only mixture of faults of its campaign")
	case p.Runs < 0 || p.Runs > MostRuns/p.cells():
		return fmt.Errorf("runs of each cell: want 0 to %d, since over %d cells a campaign has %d at most", MostRuns/p.cells(), p.cells(), MostRuns)
	}
	var names []string
	for _, v := range p.Versions {
		if v.Name == "" || v.Digest == "" {
			return errors.New("a version needs a name and a digest")
		}
		names = append(names, v.Name)
	}
	for what, list := range map[string][]string{"version": names, "workload": p.Workloads, "mixture of faults": p.Faults} {
		for i, name := range list {
			if slices.Contains(list[:i], name) {
				return fmt.Errorf("the %s %.60q is named twice: its runs would count double", what, name)
			}
		}
	}
	return p.Shard.check()
}

// differs names the first field in which two plans cannot be one campaign; "" where they can. Runs, shard and what is only for
// people may differ.
func (p *Plan) differs(q *Plan) string {
	digests := func(p *Plan) (list []string) {
		for _, v := range p.Versions {
			list = append(list, v.Name+" "+v.Digest)
		}
		return list
	}
	for _, f := range []struct {
		name string
		a, b any
	}{
		{"cluster", p.Cluster, q.Cluster}, {"versions", digests(p), digests(q)}, {"workloads", p.Workloads, q.Workloads},
		{"faults", p.Faults, q.Faults}, {"nodes", p.Nodes, q.Nodes}, {"clients", p.Clients, q.Clients}, {"rate", p.Rate, q.Rate},
		{"time", p.Duration, q.Duration}, {"timeout", p.Timeout, q.Timeout}, {"node flags", p.NodeFlags, q.NodeFlags}, {"schedule", p.ScheduleDigest(), q.ScheduleDigest()}, {"seed", p.Seed, q.Seed},
	} {
		if a, b := fmt.Sprint(f.a), fmt.Sprint(f.b); a != b {
			return fmt.Sprintf("%s: %.200s, and %.200s", f.name, a, b)
		}
	}
	return ""
}
