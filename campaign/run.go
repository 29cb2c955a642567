package campaign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/campaign/felt"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

// Run is a finished run: one line of runs.jsonl.
type Run struct {
	Number int `json:"run"`
	// Again numbers, from 1, the repetitions of a run that was invalid, with the same seed and schedule; 0 is the run itself.
	Again int `json:"again,omitempty"`
	Cell
	Seed uint64 `json:"seed"`

	Verdict checker.Verdict `json:"verdict"`
	Reason  string          `json:"reason,omitempty"` // of a verdict that is not valid
	Failed  bool            `json:"failed,omitempty"` // the harness failed, not the system; the verdict is unknown
	// Checkers are those that said what the verdict says, where it is not valid.
	Checkers []string `json:"checkers,omitempty"`

	Started   time.Time     `json:"started"`
	Elapsed   time.Duration `json:"elapsed_ns"`             // on the clock on the wall, from set-up to verdict
	Simulated time.Duration `json:"simulated_ns,omitempty"` // on the simulator's

	Operations store.Counts `json:"operations"`
	Took       int          `json:"faults_took"`      // faults that took hold
	Folder     string       `json:"folder,omitempty"` // of the whole run where it was kept, within the campaign's, with forward slashes
	Felt       *felt.Run    `json:"felt,omitempty"`

	// Of a simulated run: the hash of all its events, whether it was run a second time to compare that, and what it came across.
	Hash     string            `json:"hash,omitempty"`
	Twice    bool              `json:"twice,omitempty"`
	Coverage map[string]uint64 `json:"coverage,omitempty"`
}

// check says what is wrong with a run as it was read.
func (r *Run) check(p *Plan) error {
	if r.Number < 0 || r.Again < 0 {
		return errors.New("run and again cannot be negative")
	}
	switch r.Verdict {
	case checker.Valid, checker.Invalid, checker.Unknown:
	default:
		return fmt.Errorf("the verdict is %.40q, and can only be valid, invalid or unknown", string(r.Verdict))
	}
	if n := r.Operations; n.OK < 0 || n.Fail < 0 || n.Info < 0 || r.Took < 0 || r.Elapsed < 0 || r.Simulated < 0 {
		return errors.New("counts and times cannot be negative")
	}
	if r.Failed && r.Verdict != checker.Unknown {
		return fmt.Errorf("the harness failed and the verdict is %s: a failed run is unknown", r.Verdict)
	}
	if cell := p.Cell(r.Number); cell != r.Cell || p.SeedOf(r.Number) != r.Seed {
		return fmt.Errorf("run %d of %s is %s, %s, %s with seed %d: the line is of another campaign", r.Number, PlanFile,
			cell.Version, cell.Workload, cell.Faults, p.SeedOf(r.Number))
	}
	if !p.Shard.has(r.Number / p.cells()) {
		return fmt.Errorf("run %d is not of shard %v: the line is of another one", r.Number, p.Shard)
	}
	return r.Felt.Check()
}

// key tells runs and their repetitions apart.
type key struct{ number, again int }

func (r *Run) key() key { return key{r.Number, r.Again} }

// DecodeRuns reads runs.jsonl; path is where it came from, for errors. A last line without its end is what a killed campaign was
// writing, and is left out: whole is the length of all before it.
func DecodeRuns(path string, p *Plan, b []byte) (runs []Run, whole int64, err error) {
	lines := map[key]int{}
	for number := 1; ; number++ {
		end := bytes.IndexByte(b[whole:], '\n')
		if end < 0 {
			return runs, whole, nil
		}
		line := b[whole : whole+int64(end)]
		whole += int64(end) + 1
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r, err := decodeRun(line, p)
		if err != nil {
			return runs, whole, fmt.Errorf("%s:%d: %w; remove the line, and the run is done again", path, number, err)
		}
		if first, there := lines[r.key()]; there {
			return runs, whole, fmt.Errorf("%s:%d: run %d is there twice, first in line %d: remove one of them", path, number, r.Number, first)
		}
		lines[r.key()] = number
		runs = append(runs, r)
	}
}

func decodeRun(line []byte, p *Plan) (Run, error) {
	var r Run
	in := json.NewDecoder(bytes.NewReader(line))
	if err := in.Decode(&r); err != nil {
		return r, fmt.Errorf("not a run: %w", err)
	}
	if _, err := in.Token(); err != io.EOF {
		return r, errors.New("not a run: there is more on the line behind it")
	}
	return r, r.check(p)
}

// encode is the run's line.
func (r *Run) encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("writing run %d: %w", r.Number, err)
	}
	return append(b, '\n'), nil
}

// sortRuns orders runs by number, each before its repetitions.
func sortRuns(runs []Run) {
	slices.SortFunc(runs, func(a, b Run) int {
		if a.Number != b.Number {
			return a.Number - b.Number
		}
		return a.Again - b.Again
	})
}
