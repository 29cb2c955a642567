package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/felt"
	"github.com/ordeal-dev/ordeal/campaign/versions"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/sim"
	"github.com/ordeal-dev/ordeal/store"
)

// simCluster is the kind of cluster that is in this program.
const simCluster = "sim"

// twiceEvery is how often a simulated run is made twice, to see that it is the same.
const twiceEvery = 100

// checkSimulated says what is wrong with the flags of simulated runs.
func (f *tortureFlags) checkSimulated(ctx context.Context, flags *pflag.FlagSet) error {
	if !flags.Changed("faults") && f.planned == nil {
		f.mixtures = []string{swarm}
	}
	f.repeatSimulated(flags)
	for _, name := range []string{"node-binary", "agent-binary", "compose-file", "links"} {
		if flags.Changed(name) {
			return badArgument("--%s is not for --cluster sim, whose nodes are in a program", name)
		}
	}
	if f.steer && (!slices.ContainsFunc(f.mixtures, campaign.Drawn) || !slices.Contains(f.keep, "invalid")) {
		return badArgument("--steer goes with --faults %s and --keep invalid: what it draws is known from the kept folders alone", swarm)
	}
	for _, mixture := range f.mixtures {
		for _, name := range []string{"clients", "rate", "time", "timeout"} {
			if campaign.Drawn(mixture) && flags.Changed(name) {
				return badArgument("--faults %s draws --%s from each seed: leave it out, or name the faults", mixture, name)
			}
		}
		for _, workload := range f.workloads {
			run := f.of(workload, mixture, f.seed)
			if _, _, err := run.plan(ctx, nothingChanged); err != nil {
				return err
			}
		}
	}
	return nil
}

// simulatedPace is how fast this program has simulated the runs, by the processor time that it took, on which other work of the machine has
// little influence; empty where other programs have had a part in it.
func simulatedPace(runs []campaign.Run, used time.Duration) string {
	simulated := time.Duration(0)
	for i := range runs {
		if runs[i].Version != versions.Current {
			return ""
		}
		simulated += runs[i].Simulated
	}
	if simulated == 0 || used <= 0 {
		return ""
	}
	return fmt.Sprintf("%d runs, %v simulated, in %v of processor time: %.0f a second, %.0f times real time", len(runs), simulated.Round(time.Second),
		used.Round(10*time.Millisecond), float64(len(runs))/used.Seconds(), simulated.Seconds()/used.Seconds())
}

// repeatSimulated has a violation repeated once, unless the flags say otherwise: it is the same run.
func (f *tortureFlags) repeatSimulated(flags *pflag.FlagSet) {
	if !flags.Changed("reproduce") {
		f.reproduce = 1
	}
}

func nothingChanged(string) bool { return false }

// simulate makes a simulated run of this very program's nodes. Every so often it is made twice; one that is not valid is made again
// for its folder.
func (f runFlags) simulate(ctx context.Context, number int) (campaign.Run, error) {
	if f.steering != nil && campaign.Drawn(f.faults) {
		f.faults = steered(f.steering)
	}
	plan, specs, err := f.plan(ctx, nothingChanged)
	if err != nil {
		return campaign.Run{}, err
	}
	if f.again != "" {
		if plan, err = planOf(f.again); err != nil {
			return campaign.Run{}, err
		}
	}
	o := simulated(plan)
	r, err := sim.Run(ctx, o)
	if err != nil {
		return campaign.Run{}, err
	}
	if f.steering != nil {
		f.steering.Learn(&r)
	}
	found := runOfVerdict(r.Judged)
	found.Simulated, found.Hash, found.Coverage = r.Simulated, fmt.Sprintf("%016x", r.Hash), r.Coverage.Map()
	found.Took = 0
	for _, n := range r.Faults {
		found.Took += n
	}
	for _, v := range r.Violations {
		found.Checkers = append(found.Checkers, v.Invariant)
	}
	if r.History != nil && !campaign.Drawn(f.faults) { // where each seed draws its own times nothing can be compared
		found.Felt = felt.Measure(r.History, r.Judged.Faults, nil, plan.Duration)
	}
	if number%twiceEvery == twiceEvery-1 {
		if err := sim.Repeat(ctx, o, r); err != nil {
			return found, err
		}
		found.Twice = true
	}
	if found.Verdict == checker.Valid {
		return found, nil
	}
	kept, err := sim.Keep(ctx, o, f.out, store.Test{Name: f.name, Command: f.command(), Faults: specs, Versions: map[string]string{"ordeal": version, "go": runtime.Version()}})
	if kept != nil {
		found.Folder = kept.Run.Folder
	}
	return found, err
}

// coverageOf is what the simulated runs of a campaign came across, all together; empty where none was simulated.
func coverageOf(c *campaign.Campaign) map[string]uint64 {
	all := map[string]uint64{}
	for _, r := range c.Runs {
		for name, n := range r.Coverage {
			all[name] += n
		}
	}
	return all
}

// coverageSummary says in a line how many of the rare states were reached, and which were not.
func coverageSummary(coverage map[string]uint64) string {
	if len(coverage) == 0 {
		return ""
	}
	names := sim.CounterNames()
	never := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return coverage[name] > 0 })
	text := fmt.Sprintf("coverage  %d of %d states and events that are counted", len(names)-len(never), len(names))
	if len(never) > 0 {
		text += "; never: " + strings.Join(never, ", ")
	}
	return text + ";" + coverageText(coverage) + "\n"
}

// steered is the mixture of faults that has been learnt.
func steered(s *sim.Steering) string {
	if weights := s.Weights().String(); weights != "" {
		return swarm + ":" + weights
	}
	return swarm
}

// simulateOther makes a simulated run with another version's program.
func (f runFlags) simulateOther(ctx context.Context, built versions.Built) (campaign.Run, error) {
	args := []string{"run", "--cluster", simCluster, "--json", "--out", f.out, "--name", f.name, "--workload", f.workload, "--seed", fmt.Sprint(f.seed)}
	if f.planned != nil {
		args = append(args, "--schedule", f.schedule)
	} else {
		args = append(args, "--nodes", fmt.Sprint(f.nodes), "--faults", f.faults)
	}
	if !campaign.Drawn(f.faults) {
		args = append(args, "--clients", fmt.Sprint(f.clients), "--rate", fmt.Sprint(f.rate), "--time", f.duration.String(), "--timeout", f.timeout.String())
	}
	for _, flag := range f.nodeFlags {
		args = append(args, "--node-flag="+flag)
	}
	cmd := exec.CommandContext(ctx, built.Path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && (exit.ExitCode() == exitInvalid || exit.ExitCode() == exitUnknown)) {
		return campaign.Run{}, fmt.Errorf("the program of %s, which has to know --cluster sim: %w: %s", built.Name, err, strings.TrimSpace(stderr.String()))
	}
	var said struct {
		Folder  string          `json:"folder"`
		Verdict json.RawMessage `json:"verdict"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &said); err != nil {
		return campaign.Run{}, fmt.Errorf("the program of %s does not say what came of its run: %w: %s", built.Name, err, strings.TrimSpace(stderr.String()))
	}
	verdict, err := store.DecodeVerdict("the verdict of "+built.Name, said.Verdict)
	if err != nil {
		return campaign.Run{}, err
	}
	found := runOfVerdict(verdict)
	found.Folder, found.Simulated = said.Folder, verdict.Length
	return found, nil
}
