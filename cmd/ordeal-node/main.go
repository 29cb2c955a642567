// Command ordeal-node runs one server of the replicated key-value store.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/raft"
)

// version is set at build time.
var version = "devel"

// Exit codes.
const (
	exitArguments = 254
	exitFailed    = 255
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := 0
	cmd := command(&code)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "ordeal-node:", err)
		if code == 0 {
			code = exitArguments
		}
	}
	return code
}

func command(code *int) *cobra.Command {
	o := node.Options{Version: version}
	var id uint64
	var peers []string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "ordeal-node",
		Short: "Run one server of a replicated key-value store (Raft)",
		Long: `ordeal-node runs one server of ordeal's replicated key-value store.

Start one process for each server of the cluster. All get the same --cluster-id and the same list of --peer,
each its own --id, --data and ports. Three servers on one machine:

  for i in 1 2 3; do ./build/ordeal-node --id $i --cluster-id demo --data /tmp/demo$i \
    --listen-peer 127.0.0.1:700$i --listen-client 127.0.0.1:710$i --listen-http 127.0.0.1:720$i \
    --peer 1=127.0.0.1:7001 --peer 2=127.0.0.1:7002 --peer 3=127.0.0.1:7003 & done
  curl 127.0.0.1:7201/status

An odd number of servers is best: 3 survive the loss of 1, 5 of 2. The log is in --data; a node that is killed at any
moment and started again has all it acknowledged. Exit codes: 0 stopped by a signal, 254 bad arguments, 255 failed.`,
		Args: noArguments, SilenceUsage: true, SilenceErrors: true, Version: version,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.ID = raft.NodeID(id)
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
			var err error
			if o.Peers, err = parsePeers(peers); err != nil {
				return err
			}
			if err := o.Check(); err != nil {
				return err
			}
			*code = exitFailed
			s, err := node.Open(o)
			if err != nil {
				return err
			}
			if err := s.Run(cmd.Context()); err != nil {
				return err
			}
			*code = 0
			return nil
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w: see ordeal-node --help", err)
	})
	f := cmd.Flags()
	f.Uint64Var(&id, "id", 0, "this server's number, from 1 on")
	f.StringVar(&o.ClusterID, "cluster-id", "", "name of the cluster; peers of another cluster are refused")
	f.StringVar(&o.Data, "data", "", "folder for this server's log")
	f.StringVar(&o.ListenPeer, "listen-peer", "127.0.0.1:7000", "host:port for the other servers")
	f.StringVar(&o.ListenClient, "listen-client", "127.0.0.1:7001", "host:port for clients")
	f.StringVar(&o.ListenHTTP, "listen-http", "127.0.0.1:7002", "host:port for /status and /healthz")
	f.StringArrayVar(&peers, "peer", nil, "ID=HOST:PORT of a server's peer port, as this node reaches it; once for each server, this one included. It counts even where the cluster's configuration has another address for the server")
	f.DurationVar(&o.Heartbeat, "heartbeat", 50*time.Millisecond, "how often a leader sends at least")
	f.DurationVar(&o.ElectionTimeout, "election-timeout", 300*time.Millisecond, "least time without a leader before an election; each wait is drawn between this and twice this")
	f.BoolVar(&o.PreVote, "pre-vote", true, "ask before disturbing with an election (thesis 9.6)")
	f.BoolVar(&o.CheckQuorum, "check-quorum", true, "a leader that does not hear a majority steps down (thesis 6.2)")
	f.Float64Var(&o.ClockDrift, "clock-drift", 0.1, "bound on how far any server's clock may run fast or slow, as a fraction; lease reads are linearizable within it. 0: no bound is known, so lease reads are confirmed with a majority like all others; so they are without --check-quorum (thesis 6.4.1)")
	f.BoolVar(&o.ClockFaults, "clock-faults", false, "for tests: whoever reaches --listen-http may set this server's clock (PUT /clock)")
	f.BoolVar(&o.Join, "join", false, "this server is new, or was removed and is to come back: it waits until the others, named by --peer, add it")
	f.Uint64Var(&o.SnapshotEntries, "snapshot-entries", 10000, "take a snapshot, and let go of the log before it, after so many applied entries; 0: never")
	f.BoolVar(&verbose, "verbose", false, "log each connection")
	return cmd
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q: there are only flags, see ordeal-node --help", args[0])
	}
	return nil
}

func parsePeers(flags []string) (map[raft.NodeID]string, error) {
	peers := map[raft.NodeID]string{}
	for _, p := range flags {
		name, address, ok := strings.Cut(p, "=")
		id, err := strconv.ParseUint(name, 10, 64)
		if !ok || err != nil || id == 0 {
			return nil, fmt.Errorf("--peer %s: want ID=HOST:PORT with an id from 1 on", p)
		}
		if _, twice := peers[raft.NodeID(id)]; twice {
			return nil, fmt.Errorf("--peer %s: server %d is named twice", p, id)
		}
		peers[raft.NodeID(id)] = address
	}
	if len(peers) == 0 {
		return nil, errors.New("--peer is missing: name all servers of the cluster, this one included")
	}
	return peers, nil
}
