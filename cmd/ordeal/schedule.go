package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/store"
)

// readSchedule reads the schedule that is to be run, if there is one, and takes from it what it says: nodes, faults, and unless flags
// say so too, time and seed.
func (f *runFlags) readSchedule(flags *pflag.FlagSet) error {
	if f.schedule == "" || f.planned != nil {
		return nil
	}
	s, err := loadSchedule(f.schedule)
	if err != nil {
		return badArgument("--schedule %s: %w", f.schedule, err)
	}
	for _, name := range []string{"faults", "nodes"} {
		if flags.Changed(name) {
			return badArgument("--%s: the schedule says it already; leave one of the two out", name)
		}
	}
	f.take(&s)
	if !flags.Changed("time") {
		f.duration = s.Duration
	}
	if !flags.Changed("seed") {
		f.seed = s.Seed
	}
	return nil
}

// take has the runs do what a schedule says.
func (f *runFlags) take(s *nemesis.Schedule) {
	f.planned, f.nodes, f.faults = s, len(s.Nodes), nemesis.FormatFaults(s.Specs())
}

// loadSchedule reads a schedule: a file, that in the folder of a run, or that of all runs of a campaign.
func loadSchedule(path string) (nemesis.Schedule, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if isFile(filepath.Join(path, campaign.PlanFile)) {
			return campaignSchedule(path)
		}
		drawn := isFile(filepath.Join(path, store.PlanFile))
		path = filepath.Join(path, store.ScheduleFile)
		if drawn && !isFile(path) {
			return nemesis.Schedule{}, fmt.Errorf("the simulator drew the faults of this run, and a nemesis has no such steps: --cluster sim --faults %s with its --seed repeats them", swarm)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return nemesis.Schedule{}, fmt.Errorf("%w; name a schedule.json or the folder of a run", err)
	}
	defer file.Close()
	return nemesis.ReadSchedule(file)
}

func campaignSchedule(folder string) (nemesis.Schedule, error) {
	c, err := campaign.Open(folder)
	if err != nil {
		return nemesis.Schedule{}, err
	}
	if len(c.Plan.Schedule) == 0 {
		return nemesis.Schedule{}, fmt.Errorf("each run of this campaign drew a schedule of its own: name the folder of a run in %s", filepath.Join(folder, campaign.RunsFolder))
	}
	return nemesis.ReadSchedule(bytes.NewReader(c.Plan.Schedule))
}
