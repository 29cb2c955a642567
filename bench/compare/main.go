// Command compare measures this project's node beside other Raft stores: three servers each, as processes on this machine's
// loopback, every write synced to disk, the same closed loop of clients. The systems take turns, so that what the machine does
// meanwhile hits all of them. Only the ratios carry over to other machines.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/bench/load"
)

type options struct {
	bin, node, dir string
	systems        []string
	clients        []int
	servers        []int
	rounds         int
	time           time.Duration
}

func main() {
	var o options
	systems := flag.String("systems", "ordeal,etcd,hashicorp,dragonboat", "who is measured")
	clients := flag.String("clients", "1,16,64,256", "closed-loop clients")
	servers := flag.String("servers", "3", "servers of a cluster; several numbers: each in turn")
	flag.StringVar(&o.bin, "bin", "build/bench", "folder with a program of each system's name")
	flag.StringVar(&o.node, "node", "build/ordeal-node", "this project's node")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where the servers' folders go: the disk that is measured")
	flag.IntVar(&o.rounds, "rounds", 2, "how often each system has its turn")
	flag.DurationVar(&o.time, "time", 3*time.Second, "how long each load is measured")
	asJSON := flag.Bool("json", false, "every measurement as a line of JSON, and no table")
	flag.Parse()
	o.systems = strings.Split(*systems, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx, *clients, *servers, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context, clients, servers string, asJSON bool) error {
	var err error
	if o.clients, err = numbers("--clients", clients); err != nil {
		return err
	}
	if o.servers, err = numbers("--servers", servers); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "ordeal-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	before := busy()
	zeroed, growing, err := syncRates(dir)
	if err != nil {
		return err
	}
	var all []measurement
	for round := range o.rounds {
		for i := range o.systems {
			name := o.systems[(i+round)%len(o.systems)]
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, name)
			for _, servers := range o.servers {
				m, err := o.turn(ctx, name, filepath.Join(dir, fmt.Sprint(name, round)), servers)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				all = append(all, m...)
			}
		}
	}
	if asJSON {
		for _, m := range all {
			if err := json.NewEncoder(os.Stdout).Encode(m); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Printf("%d processors; load average before %s, after %s; bare fdatasync: %.0f a second into a file of zeros, %.0f into a growing one\n\n",
		runtime.NumCPU(), before, busy(), zeroed, growing)
	return table(os.Stdout, o.systems, all)
}

// busy is the machine's load average over the last minute: what else there was to do shows in it.
func busy() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// numbers reads a flag's list.
func numbers(flag, list string) ([]int, error) {
	var all []int
	for _, text := range strings.Split(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s %s: want numbers from 1 on, separated by commas", flag, list)
		}
		all = append(all, n)
	}
	return all, nil
}

// measurement is one load on one system.
type measurement struct {
	System  string `json:"system"`
	Servers int    `json:"servers"`
	load.Result
	ServerCPU float64 `json:"server_cpu_seconds"` // of all servers; 0 where the machine does not tell
	Bytes     int64   `json:"bytes"`              // on disk in all folders, at the end of this load
}

// turn starts a system, runs every load on it, and ends it.
func (o *options) turn(ctx context.Context, name, dir string, servers int) (all []measurement, err error) {
	c, err := start(o, name, dir, servers)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.end(), os.RemoveAll(dir)) }()
	if _, err := c.load(ctx, "fill", 64, 0); err != nil { // waits for a leader, too
		return nil, err
	}
	ops := []string{"put", "get"}
	if name == "ordeal" {
		ops = append(ops, "lease")
	}
	for _, op := range ops {
		for _, clients := range o.clients {
			m, err := c.load(ctx, op, clients, o.time)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// load runs the system's own load program.
func (c *cluster) load(ctx context.Context, op string, clients int, d time.Duration) (measurement, error) {
	before := c.cpu()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, c.name), "--addresses", strings.Join(c.clients, ","), "--op", op,
		"--clients", fmt.Sprint(clients), "--time", d.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return measurement{}, fmt.Errorf("%s with %d clients: %w", op, clients, err)
	}
	m := measurement{System: c.name, Servers: len(c.servers)}
	if err := json.Unmarshal(out, &m.Result); err != nil {
		return m, err
	}
	if m.Failed > 0 && op != "fill" {
		fmt.Fprintf(os.Stderr, "%s, %s with %d clients: %d operations failed: %s\n", c.name, op, clients, m.Failed, m.Why)
	}
	m.ServerCPU, m.Bytes = c.cpu()-before, size(c.dir)
	return m, nil
}

func size(dir string) int64 {
	var all int64
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				all += info.Size()
			}
		}
		return nil
	})
	return all
}

// syncRates is how often a second the disk makes 512 bytes durable, one after the other.
func syncRates(dir string) (zeroed, growing float64, err error) {
	path := filepath.Join(dir, "fsync")
	f, err := os.Create(path)
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(path)
	defer f.Close()
	rate := func(from int64) (float64, error) {
		n, began := int64(0), time.Now()
		for ; time.Since(began) < time.Second; n++ {
			if _, err := f.WriteAt(make([]byte, 512), from+n*512); err != nil {
				return 0, err
			}
			if err := syncData(f); err != nil {
				return 0, err
			}
		}
		return float64(n) / time.Since(began).Seconds(), nil
	}
	const room = 32 << 20
	if _, err := f.WriteAt(make([]byte, room), 0); err != nil {
		return 0, 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, 0, err
	}
	if zeroed, err = rate(0); err != nil {
		return 0, 0, err
	}
	growing, err = rate(room)
	return zeroed, growing, err
}

// median of the values that f gives; 0 of none.
func median[T any](of []T, f func(T) float64) float64 {
	var values []float64
	for _, x := range of {
		values = append(values, f(x))
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
