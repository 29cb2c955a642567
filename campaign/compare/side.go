package compare

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/campaign"
)

// Side is one version of one campaign.
type Side struct {
	Label    string // for people
	Campaign *campaign.Campaign
	Version  campaign.Version
}

// Sides are what the arguments name: a campaign's folder stands for all its versions, FOLDER@VERSION for one.
func Sides(arguments ...string) ([]Side, error) {
	var all []Side
	for _, argument := range arguments {
		sides, err := sidesOf(argument)
		if err != nil {
			return nil, err
		}
		all = append(all, sides...)
	}
	label(all)
	return all, nil
}

func sidesOf(argument string) ([]Side, error) {
	c, err := campaign.Open(argument)
	if err == nil {
		return Of(c, "")
	}
	// Folders and versions may both have an @ in them, as etcd@3.5.2 has: the longest folder that is there is meant.
	for i := strings.LastIndex(argument, "@"); i >= 0; i = strings.LastIndex(argument[:i], "@") {
		switch c, inner := campaign.Open(argument[:i]); {
		case inner == nil:
			return Of(c, argument[i+1:])
		case !errors.Is(inner, fs.ErrNotExist):
			return nil, inner
		}
	}
	return nil, err
}

// Of are the sides of a campaign: its versions, or the one that is named.
func Of(c *campaign.Campaign, version string) ([]Side, error) {
	var sides []Side
	var names []string
	for _, v := range c.Plan.Versions {
		names = append(names, v.Name)
		if version == "" || version == v.Name {
			sides = append(sides, Side{Label: harmless(v.Name), Campaign: c, Version: v})
		}
	}
	if len(sides) == 0 {
		return nil, fmt.Errorf("%s has no version %q; it has %s", c.Folder, version, strings.Join(names, ", "))
	}
	return sides, nil
}

// label makes labels differ: where two are the same the campaign's folder is added, by its name, which is the time that it began at, else by its whole
// path; the same campaign's same version named twice is numbered.
func label(sides []Side) {
	for _, more := range []func(i int) string{
		func(i int) string { return filepath.Base(realPath(sides[i].Campaign.Folder)) },
		func(i int) string { return realPath(sides[i].Campaign.Folder) },
		func(i int) string { return fmt.Sprintf("%s, side %d", realPath(sides[i].Campaign.Folder), i+1) },
	} {
		for _, i := range alike(sides) {
			sides[i].Label = harmless(fmt.Sprintf("%s (%s)", sides[i].Version.Name, more(i)))
		}
	}
}

// alike are the sides whose label another one has too.
func alike(sides []Side) (all []int) {
	times := map[string]int{}
	for _, s := range sides {
		times[s.Label]++
	}
	for i, s := range sides {
		if times[s.Label] > 1 {
			all = append(all, i)
		}
	}
	return all
}

// realPath is where a folder is: "latest" says nothing.
func realPath(folder string) string {
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		return real
	}
	return filepath.Clean(folder)
}

// Conditions are what two cells have to share to be compared.
type Conditions struct {
	Cluster   string        `json:"cluster"`
	Workload  string        `json:"workload"`
	Faults    string        `json:"faults"`
	Nodes     int           `json:"nodes"`
	Clients   int           `json:"clients"`
	Rate      float64       `json:"rate"`
	Duration  time.Duration `json:"duration_ns"`
	Timeout   time.Duration `json:"timeout_ns"`
	NodeFlags string        `json:"node_flags,omitempty"`
	Schedule  string        `json:"schedule,omitempty"` // its digest, where all runs have the same
}

// Name is what tells a cell from others of the same campaign.
func (c Conditions) Name() string { return harmless(c.Workload + " · " + c.Faults) }

// Setting is the rest.
func (c Conditions) Setting() string {
	if campaign.Drawn(c.Faults) {
		if c.Nodes == 0 {
			return harmless(c.Cluster) + ", all drawn from each seed"
		}
		return fmt.Sprintf("%s, %d nodes, the rest drawn from each seed", harmless(c.Cluster), c.Nodes)
	}
	rate := "as fast as answers come"
	if c.Rate > 0 {
		rate = fmt.Sprintf("%g operations a second", c.Rate)
	}
	setting := fmt.Sprintf("%s, %d nodes, %d clients, %s, %v a run", c.Cluster, c.Nodes, c.Clients, rate, c.Duration)
	if c.NodeFlags != "" {
		setting += ", " + c.NodeFlags
	}
	if c.Schedule != "" {
		setting += ", schedule " + c.Schedule
	}
	return harmless(setting)
}

func conditions(p *campaign.Plan, workload, faults string) Conditions {
	return Conditions{Cluster: p.Cluster, Workload: workload, Faults: faults, Nodes: p.Nodes, Clients: p.Clients, Rate: p.Rate,
		Duration: p.Duration, Timeout: p.Timeout, NodeFlags: strings.Join(p.NodeFlags, " "), Schedule: p.ScheduleDigest()}
}

// cells are the conditions that a side has runs for, in the plan's order.
func (s Side) cells() []Conditions {
	var all []Conditions
	for _, workload := range s.Campaign.Plan.Workloads {
		for _, faults := range s.Campaign.Plan.Faults {
			all = append(all, conditions(&s.Campaign.Plan, workload, faults))
		}
	}
	return all
}

// runs are the side's runs under some conditions, without repetitions.
func (s Side) runs(c Conditions) []campaign.Run {
	if !slices.Contains(s.cells(), c) {
		return nil
	}
	var all []campaign.Run
	for _, r := range s.Campaign.Runs {
		if r.Again == 0 && r.Cell == (campaign.Cell{Version: s.Version.Name, Workload: c.Workload, Faults: c.Faults}) {
			all = append(all, r)
		}
	}
	return all
}
