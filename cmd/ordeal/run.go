package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/harness/local"
	"github.com/ordeal-dev/ordeal/harness/managed/external"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/sim"
	"github.com/ordeal-dev/ordeal/store"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/catalog"
	"github.com/ordeal-dev/ordeal/workloads"
)

// serviceBound is 15 election timeouts of 300 ms, and the second that clients wait for an answer of a leader that is gone.
const serviceBound = 15*300*time.Millisecond + time.Second

// runFlags are the flags of `ordeal run`.
type runFlags struct {
	cluster  string
	nodes    int
	workload string
	faults   string
	schedule string
	planned  *nemesis.Schedule // as read from schedule
	clients  int
	rate     float64
	duration time.Duration
	timeout  time.Duration
	bound    time.Duration
	seed     uint64
	out      string
	name     string
	mutant   string
	system   string
	deployed systems.Deployed  // what system names; nil: the project's own
	program  *external.Program // the user's, where system names one

	nodeBinary, agentBinary, compose string
	links                            string
	nodeFlags                        []string

	online bool

	// Of simulated runs of a campaign: what steers them, and the folder of the run that is made again.
	steering *sim.Steering
	again    string

	quiet, json bool
}

func (f *runFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.cluster, "cluster", "auto", "where the nodes run: docker, local (processes of this machine), sim (simulated, in this program), or auto: docker if an engine answers, else local")
	flags.IntVar(&f.nodes, "nodes", 5, "number of nodes; 0 with --faults swarm: drawn from the seed")
	flags.StringVar(&f.workload, "workload", "register", "what clients do: "+strings.Join(workloads.Names(), ", "))
	flags.StringVar(&f.faults, "faults", "kill,partition", "what the nemesis does, by name or name:mode, or none (see below)")
	flags.StringVar(&f.schedule, "schedule", "", "run the faults of this schedule.json, or of the run in this folder, in place of drawing some; it says how many nodes there are too")
	flags.IntVar(&f.clients, "clients", 10, "number of concurrent clients")
	flags.Float64Var(&f.rate, "rate", 1000, "operations a second over all clients; 0: as fast as answers come")
	flags.DurationVar(&f.duration, "time", 30*time.Second, "how long clients work and the nemesis is at it")
	flags.DurationVar(&f.timeout, "timeout", time.Second, "how long a client waits for an answer; after that the outcome is unknown")
	flags.DurationVar(&f.bound, "availability-bound", serviceBound, "how long nothing may be served while a majority is alive and connected, or the run is invalid; 0: that is not judged")
	flags.Uint64Var(&f.seed, "seed", 0, "of the schedule of faults and of the operations; drawn if not given")
	flags.StringVar(&f.out, "out", store.DefaultRoot, "folder for results")
	flags.StringVar(&f.name, "name", "", "name of the run's folder in there; the workload's if not given")
	flags.StringVar(&f.mutant, "mutant", "", "run nodes with this bug seeded (ordeal mutants list; needs a checkout and Go); not with --cluster sim, for which there is ordeal mutants run --cluster sim")
	flags.StringVar(&f.nodeBinary, "node-binary", "", "the node to test; ordeal-node beside this program if not given")
	flags.StringVar(&f.agentBinary, "agent-binary", "", "the agent for Docker; ordeal-agent beside this program if not given")
	flags.StringVar(&f.compose, "compose-file", "", "docker-compose.yml with the nodes; looked for here and above if not given")
	flags.StringVar(&f.links, "links", string(local.Userspace), "what is between the nodes of --cluster local: namespaces (a network namespace each; Linux), userspace (links through this program), or auto: namespaces where the machine has them")
	flags.StringArrayVar(&f.nodeFlags, "node-flag", nil, "flag for every node, such as --node-flag=--election-timeout=500ms; may be repeated")
	flags.BoolVar(&f.online, "check-while-running", false, "check keys as they are given up, and end the run at the first violation")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress, only the outcome")
	flags.BoolVar(&f.json, "json", false, "the verdict as JSON on standard output, no progress")
}

func runCommand() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run one test and judge it",
		Long: `run brings a cluster up, runs a workload on it while the nemesis injects faults, heals everything, reads everything a
last time, and has the history checked. The run's folder (results/<name>/<time>/, and results/latest) holds the
history, the test, the verdict, the nodes' logs and report.html.

On the cluster sim nodes, clients and faults are simulated in one thread, on simulated time: a run takes milliseconds, and the same
seed gives the same run, byte for byte. There --faults swarm draws cluster, clients and faults, those of messages and disks
included, from the seed; swarm:kill=900,loss=0 changes how likely kinds of trouble are (in a thousand).

Systems (all but the first are built by make systems; docs/systems.md):
  ` + strings.Join(catalog.Help(), "\n  ") + `

Faults:
  ` + strings.Join(nemesis.FaultHelp(), "\n  "),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.readSchedule(cmd.Flags()); err != nil {
				return err
			}
			if err := f.findSystem(cmd.Context(), cmd.Flags().Changed("availability-bound")); err != nil {
				return err
			}
			defer f.endProgram()
			seeded := cmd.Flags().Changed("seed") || f.planned != nil
			if f.cluster == "sim" {
				if !seeded {
					f.seed = rand.Uint64N(1 << 32)
				}
				return f.runSimulated(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), cmd.Flags())
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), seeded)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&f.system, "system", catalog.Own, "what is tested: NAME[@VERSION][:CONSISTENCY] of "+strings.Join(catalog.Names(), ", ")+", or exec:PROGRAM, which runs the nodes itself (see below)")
	return cmd
}

func (f *runFlags) run(ctx context.Context, stdout, stderr io.Writer, seeded bool) error {
	if !seeded {
		f.seed = rand.Uint64N(1 << 32)
	}
	test, err := f.test()
	if err != nil {
		return err
	}
	show := newProgress(stderr, f.quiet || f.json)
	test.Progress = show
	if f.nodes%2 == 0 {
		show.note("warning: %d nodes stand no more failures than %d do: an odd number is better", f.nodes, f.nodes-1)
	}
	if err := sweep(ctx, show); err != nil {
		show.warn("warning: clearing up after earlier runs: %v", err)
	}
	cluster, err := f.makeCluster(ctx, show)
	if err != nil {
		return err
	}
	defer cluster.close()
	test.Versions = map[string]string{"ordeal": version, "go": runtime.Version()}
	defer context.AfterFunc(ctx, func() {
		show.warn("interrupted: healing, taking down and checking what there is; once more ends it at once (then: ordeal cleanup)")
	})()
	outcome, err := harness.Run(ctx, test, cluster.cluster)
	show.end()
	if unable := new(nemesis.UnableError); errors.As(err, &unable) {
		return badArgument("--faults %s: %s: %w (see `ordeal doctor`)", f.faults, unable.Spec, unable.Why)
	}
	if lost := (harness.LostError{}); errors.As(err, &lost) {
		return badArgument("--system %s: before anything was served: %w", f.system, lost)
	}
	if outcome == nil {
		return badArgument("--out %s: %w; name a folder that can be written", f.out, err)
	}
	if outcome.Verdict.Verdict != "" {
		if err := f.print(stdout, outcome); err != nil {
			return failure{exitFailed, fmt.Errorf("printing the verdict: %w", err)}
		}
	}
	if err != nil && ctx.Err() != nil {
		return failure{exitUnknown, fmt.Errorf("interrupted: %w\n  what there is of the run: %s", err, outcome.Run.Folder)}
	}
	if err != nil {
		return failure{exitFailed, fmt.Errorf("%w\n  what there is of the run: %s", err, outcome.Run.Folder)}
	}
	return verdictReached{outcome.Verdict.Verdict}
}

// test is the definition that the flags ask for.
func (f *runFlags) test() (harness.Test, error) {
	t := harness.Test{Name: f.name, System: f.tested(), Workload: f.workload, Clients: f.clients, Rate: f.rate, Duration: f.duration,
		Seed: f.seed, OperationTimeout: f.timeout, ServiceBound: f.bound, CheckWhileRunning: f.online, Results: f.out, Command: f.command(), Mutant: f.mutant}
	if f.nodes < 1 || f.nodes > maxNodes {
		return t, badArgument("--nodes %d: want 1 to %d", f.nodes, maxNodes)
	}
	if f.cluster == "docker" && f.wantsLinks() {
		return t, badArgument("--links %s is for --cluster local alone, and the cluster is docker: leave it out, or use --cluster local", f.links)
	}
	if f.out == "" {
		return t, badArgument("--out: name a folder for results")
	}
	if f.name != "" && (f.name != filepath.Base(f.name) || strings.HasPrefix(f.name, ".") || f.name == store.Latest) {
		return t, badArgument("--name %q: want a plain name, it becomes a folder below --out", f.name)
	}
	if strings.TrimSpace(f.faults) == "" {
		return t, badArgument("--faults: name faults, or none for a run without")
	}
	var err error
	if t.Faults, err = nemesis.ParseFaults(f.faults); err != nil {
		return t, badArgument("--faults %q: %w", f.faults, err)
	}
	t.Schedule = f.planned
	if _, err := nemesis.NewSchedule(t.Faults, nodeNames(f.nodes), f.seed, f.duration); err != nil && f.planned == nil {
		return t, badArgument("--faults %s with --nodes %d: %w", f.faults, f.nodes, err)
	}
	if err := t.Check(); err != nil {
		return t, badArgument("%w", err)
	}
	return t, nil
}

const maxNodes = 25

func nodeNames(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("n%d", i+1))
	}
	return names
}

// command is the command line that repeats the run.
func (f *runFlags) command() []string {
	c := []string{"ordeal", "run", "--cluster", f.cluster}
	switch {
	case f.deployed != nil:
		c = append(c, "--system", f.deployed.Name())
	case f.program != nil:
		c = append(c, "--system", f.system)
	}
	if f.planned == nil {
		c = append(c, "--nodes", fmt.Sprint(f.nodes), "--faults", f.faults)
	}
	c = append(c, "--workload", f.workload,
		"--clients", fmt.Sprint(f.clients), "--rate", fmt.Sprint(f.rate), "--time", f.duration.String(), "--timeout", f.timeout.String(), "--availability-bound", f.bound.String(),
		"--seed", fmt.Sprint(f.seed))
	for _, flag := range f.nodeFlags {
		c = append(c, "--node-flag="+flag)
	}
	if f.online {
		c = append(c, "--check-while-running")
	}
	for _, flag := range [][2]string{{"--schedule", f.schedule}, {"--name", f.name}, {"--mutant", f.mutant}, {"--node-binary", f.nodeBinary},
		{"--agent-binary", f.agentBinary}, {"--compose-file", f.compose}, {"--links", f.links}} {
		if flag[1] != "" {
			c = append(c, flag[0], flag[1])
		}
	}
	return c
}

func (f *runFlags) print(w io.Writer, o *harness.Outcome) error {
	if f.json {
		return json.NewEncoder(w).Encode(map[string]any{"folder": o.Run.Folder, "verdict": o.Verdict})
	}
	return printOutcome(w, o)
}

func printOutcome(w io.Writer, o *harness.Outcome) error {
	options := report.TextOptions{Color: wantsColor(w)}
	if path := o.Run.Path(store.ReportFile); isFile(path) {
		options.Report = path
	}
	if o.History != nil {
		options.P50, options.P99, options.Slowest = report.Latency(o.History.Operations)
	}
	return report.Text(w, o.Verdict, options)
}

// wantsColor: a terminal that can show it, and NO_COLOR is not set to anything (no-color.org).
func wantsColor(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
