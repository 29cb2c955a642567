package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/versions"
	"github.com/ordeal-dev/ordeal/mutants"
	"github.com/ordeal-dev/ordeal/report"
)

// measureFlags are those of `ordeal mutants run` on real clusters: how many runs a bug is given.
type measureFlags struct {
	runs     int
	parallel int
	markdown bool
}

func (m *measureFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&m.runs, "runs", 0, "with local or docker: run each bug on fresh seeds until it is found, this many times at most")
	flags.BoolVar(&m.markdown, "markdown", false, "with --runs: the table as docs/detection.md has it")
}

// measure runs nodes with each of the bugs until a run is invalid, and the node without a bug as often, which must not be found.
func (m *measureFlags) measure(ctx context.Context, f *runFlags, names []string, flags *pflag.FlagSet, stdout, stderr io.Writer) error {
	all, err := chosenMutants(names)
	if err != nil {
		return badArgument("%w", err)
	}
	if m.parallel < 1 || m.parallel > mostParallel {
		return badArgument("--parallel %d: want 1 to %d", m.parallel, mostParallel)
	}
	t := &tortureFlags{runFlags: *f, versions: []string{versions.Current}, workloads: []string{f.workload}, mixtures: []string{f.faults}, runs: m.runs,
		parallel: m.parallel, keep: []string{"invalid"}, stop: campaign.StopCellsAtFirst, maxDisk: 1 << 30}
	t.name = "mutants"
	for _, mutant := range all {
		t.versions = append(t.versions, versions.MutantPrefix+mutant.Name)
	}
	c, err := t.torture(ctx, flags, stderr)
	if c == nil {
		return err
	}
	if printed := m.print(stdout, c, all, f.json, m.command(c, f, names)); printed != nil {
		return failure{exitFailed, printed}
	}
	switch {
	case ctx.Err() != nil:
		return failure{exitUnknown, fmt.Errorf("interrupted; what there is: %s", c.Folder)}
	case err != nil:
		return failure{exitFailed, err}
	}
	return measured(c)
}

// measured is the exit code: that of invalid where the node without a bug was found wrong, that of unknown where a bug was missed.
func measured(c *campaign.Campaign) error {
	missed := 0
	for _, d := range c.Detections() {
		switch {
		case d.Version == versions.Current && d.Found:
			return failure{exitInvalid, fmt.Errorf("the node without a seeded bug was found wrong, with seed %d: %s\n  see %s", d.Seed, d.Reason, c.Folder)}
		case d.Version != versions.Current && !d.Found:
			missed++
		}
	}
	if missed > 0 {
		return failure{exitUnknown, fmt.Errorf("%d of %d bugs were not found: give them more --runs, longer ones (--time), or the faults that they need (ordeal mutants list)", missed, len(c.Plan.Versions)-1)}
	}
	return nil
}

// command is the command line that measures the same again.
func (m *measureFlags) command(c *campaign.Campaign, f *runFlags, names []string) string {
	p := &c.Plan
	args := append([]string{"ordeal", "mutants", "run"}, names...)
	args = append(args, "--runs", fmt.Sprint(p.Runs), "--markdown", "--cluster", p.Cluster, "--workload", p.Workloads[0])
	if f.schedule != "" {
		args = append(args, "--schedule", f.schedule)
	} else {
		args = append(args, "--nodes", fmt.Sprint(p.Nodes), "--faults", p.Faults[0])
	}
	args = append(append(args, "--seed", fmt.Sprint(p.Seed)), p.Shape()...)
	for _, flag := range p.NodeFlags {
		args = append(args, "--node-flag="+flag)
	}
	if m.parallel > 1 {
		args = append(args, "--parallel", fmt.Sprint(m.parallel))
	}
	return report.Shell(args)
}

func (m *measureFlags) print(w io.Writer, c *campaign.Campaign, all []mutants.Mutant, asJSON bool, command string) error {
	detections := c.Detections()
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"folder": c.Folder, "command": command, "detections": detections})
	}
	rows := map[string]string{versions.Current: "—"}
	for _, mutant := range all {
		rows[versions.MutantPrefix+mutant.Name] = mutant.Row
	}
	if m.markdown {
		return markdownDetections(w, c, detections, rows, command)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROW\tVERSION\tFOUND\tRUNS\tTIME\tBY")
	for _, d := range detections {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%v\t%s\n", rows[d.Version], d.Version, yesNo(d), d.Runs, d.Took.Round(time.Second), strings.Join(d.By, ", "))
	}
	return table.Flush()
}

func yesNo(d campaign.Detection) string {
	if d.Found {
		return "yes"
	}
	return "no"
}

// markdownDetections is the table of docs/detection.md.
func markdownDetections(w io.Writer, c *campaign.Campaign, all []campaign.Detection, rows map[string]string, command string) error {
	var b strings.Builder
	p := c.Plan
	found, of := 0, 0
	for _, d := range all {
		if d.Version != versions.Current {
			of++
			if d.Found {
				found++
			}
		}
	}
	fmt.Fprintf(&b, "%s, %s cluster, %s with %s cores, %d of %d found:\n`%s`\n\n", p.Started.Format("2006-01-02"), p.Cluster, p.Machine["os"], p.Machine["cores"], found, of, command)
	fmt.Fprintln(&b, "| row | version | found | runs | time until found | by |\n|---|---|---|---|---|---|")
	for _, d := range all {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %v | %s |\n", rows[d.Version], strings.TrimPrefix(d.Version, versions.MutantPrefix), yesNo(d), d.Runs, d.Took.Round(time.Second), strings.Join(d.By, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
