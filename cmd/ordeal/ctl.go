package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/node"
	"github.com/ordeal-dev/ordeal/raft"
)

// ctl talks to a running cluster over HTTP.
type ctl struct {
	addresses []string
	timeout   time.Duration
	json      bool
}

func ctlCommand() *cobra.Command {
	c := &ctl{}
	cmd := &cobra.Command{
		Use:   "ctl",
		Short: "Talk to a running cluster of ordeal-node",
		Long: `ctl asks the nodes whose HTTP addresses --http names, one after the other until the one that leads has answered.

  ordeal ctl --http 127.0.0.1:7201,127.0.0.1:7202,127.0.0.1:7203 status
  ordeal ctl put colour blue
  ordeal ctl members add 4=127.0.0.1:7004

Exit codes: 0 done, 1 it had no effect (a compare-and-set that found another value, a key that is absent), 2 nobody knows whether
it takes effect, 254 bad arguments, 255 no node could do it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := cmd.PersistentFlags()
	f.StringSliceVar(&c.addresses, "http", []string{"127.0.0.1:7002"}, "host:port of the nodes' HTTP ports, separated by commas")
	f.DurationVar(&c.timeout, "timeout", 10*time.Second, "how long to look for a leader that answers")
	f.BoolVar(&c.json, "json", false, "the node's answer as JSON")
	cmd.AddCommand(c.statusCommand(), c.getCommand(), c.putCommand(), c.casCommand(), c.txnCommand(), c.membersCommand(), c.transferCommand(), c.snapshotCommand())
	return cmd
}

func (c *ctl) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "What each node says of itself", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context(), cmd.OutOrStdout()) },
	}
}

// status prints a line a node. It fails when none answers.
func (c *ctl) status(ctx context.Context, w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if !c.json {
		fmt.Fprintln(table, "HTTP\tNODE\tROLE\tTERM\tLEADER\tCOMMIT\tAPPLIED\tSNAPSHOT\tVOTERS\tLEARNERS\tPEERS LAST HEARD")
	}
	answered := 0
	for _, address := range c.addresses {
		var s node.StatusReport
		code, text, err := c.call(ctx, http.MethodGet, address, "/status", nil)
		if err == nil && code == http.StatusOK {
			err = json.Unmarshal(text, &s)
		}
		switch {
		case err != nil:
			fmt.Fprintf(table, "%s\t%v\n", address, err)
			continue
		case c.json:
			w.Write(text)
		default:
			fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%v\t%v\t%s\n", address, s.ID, s.Role, s.Term, s.Leader, s.Commit, s.Applied, s.Snapshot, s.Voters, s.Learners, heard(s.Peers))
		}
		answered++
	}
	if err := table.Flush(); err != nil {
		return failure{exitFailed, err}
	}
	if answered == 0 {
		return failure{exitFailed, errors.New("no node answers: see that they run, and name their HTTP ports with --http")}
	}
	return nil
}

func heard(peers []node.PeerReport) string {
	var all []string
	for _, p := range peers {
		all = append(all, fmt.Sprintf("%d: %d ms", p.ID, p.LastHeardMS))
	}
	return strings.Join(all, ", ")
}

func (c *ctl) getCommand() *cobra.Command {
	consistency := ""
	cmd := &cobra.Command{
		Use: "get KEY", Short: "Read a key", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.txn(cmd, node.TxnRequest{Consistency: consistency, Ops: []node.OpRequest{{Op: "get", Key: args[0]}}})
			if err != nil || c.json {
				return err
			}
			if !a.Results[0].Found {
				return failure{exitInvalid, fmt.Errorf("%s is absent", args[0])}
			}
			fmt.Fprintln(cmd.OutOrStdout(), a.Results[0].Value+string(a.Results[0].Base64))
			return nil
		},
	}
	cmd.Flags().StringVar(&consistency, "consistency", "read-index", "read-index, log and lease are linearizable; stale is what the asked node has")
	return cmd
}

func (c *ctl) putCommand() *cobra.Command {
	return &cobra.Command{
		Use: "put KEY VALUE", Short: "Set a key", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := c.txn(cmd, node.TxnRequest{Ops: []node.OpRequest{{Op: "put", Key: args[0], Value: args[1]}}})
			return err
		},
	}
}

func (c *ctl) casCommand() *cobra.Command {
	absent := false
	cmd := &cobra.Command{
		Use: "cas KEY EXPECTED VALUE", Short: "Set a key if it holds what is expected (--absent: cas --absent KEY VALUE)", Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 2) != absent {
				return badArgument("cas wants KEY EXPECTED VALUE, or --absent KEY VALUE")
			}
			op := node.OpRequest{Op: "cas", Key: args[0], Value: args[len(args)-1], ExpectAbsent: absent}
			if !absent {
				op.Expected = args[1]
			}
			a, err := c.txn(cmd, node.TxnRequest{Ops: []node.OpRequest{op}})
			if err == nil && !a.Applied {
				return failure{exitInvalid, fmt.Errorf("not set: %s, it holds %q", a.Reason, a.Results[0].Value)}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&absent, "absent", false, "expect that the key is absent")
	return cmd
}

func (c *ctl) txnCommand() *cobra.Command {
	return &cobra.Command{
		Use: "txn JSON", Short: `Run a transaction: '{"ops":[{"op":"put","key":"a","value":"1"},{"op":"get","key":"b"}]}'`, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var q node.TxnRequest
			d := json.NewDecoder(strings.NewReader(args[0]))
			d.DisallowUnknownFields()
			if err := d.Decode(&q); err != nil {
				return badArgument("txn: %w", err)
			}
			if d.More() {
				return badArgument("txn: one transaction at a time")
			}
			c.json = true
			a, err := c.txn(cmd, q)
			if err == nil && !a.Applied {
				return failure{exitInvalid, errors.New(a.Reason)}
			}
			return err
		},
	}
}

// txn runs a transaction on the leader.
func (c *ctl) txn(cmd *cobra.Command, q node.TxnRequest) (node.TxnAnswer, error) {
	var a node.TxnAnswer
	text, err := c.leader(cmd.Context(), "/v1/txn", q)
	if err != nil {
		return a, err
	}
	if c.json {
		cmd.OutOrStdout().Write(text)
	}
	if err := json.Unmarshal(text, &a); err != nil || len(a.Results) == 0 {
		return a, failure{exitFailed, fmt.Errorf("the node's answer cannot be read: %s", text)}
	}
	return a, nil
}

func (c *ctl) membersCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "members", Short: "Add and remove servers",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }, Args: cobra.NoArgs}
	change := func(use, short string, parse func(*node.MembersRequest, string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				q := node.MembersRequest{Add: map[string]string{}}
				for _, arg := range args {
					if err := parse(&q, arg); err != nil {
						return badArgument("%w", err)
					}
				}
				return c.changeMembers(cmd, q)
			}}
	}
	add := func(q *node.MembersRequest, arg string) error {
		id, address, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%s: want ID=HOST:PORT, the server's peer address", arg)
		}
		q.Add[id] = address
		return nil
	}
	remove := func(q *node.MembersRequest, arg string) error {
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil {
			return fmt.Errorf("%s: want a server's id", arg)
		}
		q.Remove = append(q.Remove, raft.NodeID(id))
		return nil
	}
	either := func(q *node.MembersRequest, arg string) error {
		if text, ok := strings.CutPrefix(arg, "+"); ok {
			return add(q, text)
		}
		if text, ok := strings.CutPrefix(arg, "-"); ok {
			return remove(q, text)
		}
		return fmt.Errorf("%s: want +ID=HOST:PORT or -ID", arg)
	}
	cmd.AddCommand(change("add ID=HOST:PORT...", "Add servers (started with --join) by their peer addresses", add),
		change("remove ID...", "Remove servers; they stop by themselves", remove),
		change("change -- +ID=HOST:PORT -ID...", "Add and remove in one change", either))
	return cmd
}

// membersPatience is how long the answer to a change of members is waited for: the node gives one within a minute.
const membersPatience = 70 * time.Second

func (c *ctl) changeMembers(cmd *cobra.Command, q node.MembersRequest) error {
	text, err := c.leaderWithin(cmd.Context(), max(c.timeout, membersPatience), "/v1/members", q)
	if err != nil {
		return err
	}
	var s node.StatusReport
	if err := json.Unmarshal(text, &s); err != nil {
		return failure{exitFailed, fmt.Errorf("the node's answer cannot be read: %s", text)}
	}
	if c.json {
		cmd.OutOrStdout().Write(text)
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "voters are now %v\n", s.Voters)
	return nil
}

func (c *ctl) transferCommand() *cobra.Command {
	return &cobra.Command{
		Use: "transfer [ID]", Short: "Hand leadership to a server, or to the one with the most complete log", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var q node.TransferRequest
			if len(args) == 1 {
				id, err := strconv.ParseUint(args[0], 10, 64)
				if err != nil || id == 0 {
					return badArgument("transfer %s: want a server's id", args[0])
				}
				q.To = raft.NodeID(id)
			}
			_, err := c.leader(cmd.Context(), "/v1/transfer", q)
			return err
		},
	}
}

func (c *ctl) snapshotCommand() *cobra.Command {
	return &cobra.Command{
		Use: "snapshot", Short: "Have every node named take a snapshot now", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var errs []error
			for _, address := range c.addresses {
				code, text, err := c.call(cmd.Context(), http.MethodPost, address, "/v1/snapshot", struct{}{})
				if err == nil && code != http.StatusOK {
					err = refusal(text)
				}
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", address, err)) // the others take theirs
				}
			}
			if err := errors.Join(errs...); err != nil {
				return failure{exitFailed, err}
			}
			return nil
		},
	}
}

// leader asks node after node until the one that leads has answered, for which it is given as long as the search may last.
func (c *ctl) leader(ctx context.Context, path string, body any) ([]byte, error) {
	return c.leaderWithin(ctx, c.timeout, path, body)
}

// leaderWithin gives an answer longer than the search for the leader.
func (c *ctl) leaderWithin(ctx context.Context, answer time.Duration, path string, body any) ([]byte, error) {
	var last error
	for end := time.Now().Add(c.timeout); time.Now().Before(end) && ctx.Err() == nil; pause(ctx) {
		for _, address := range c.addresses {
			asking, cancel := context.WithTimeout(ctx, answer)
			code, text, err := c.call(asking, http.MethodPost, address, path, body)
			cancel()
			switch {
			case err != nil && !refusedConnection(err):
				return nil, failure{exitUnknown, fmt.Errorf("%s: no answer, it may take effect or not: %w", address, err)}
			case err != nil:
				last = err
			case code == http.StatusOK:
				return text, nil
			case code == http.StatusMisdirectedRequest || code == http.StatusServiceUnavailable && codeOf(text) == exitFailed:
				last = refusal(text) // it had no effect, and will be taken in a moment, here or elsewhere
			case code == http.StatusBadRequest:
				return nil, failure{exitArguments, refusal(text)}
			default:
				return nil, failure{codeOf(text), fmt.Errorf("%s: %w", address, refusal(text))}
			}
		}
	}
	return nil, failure{exitFailed, fmt.Errorf("no leader found among %s within %v: %w", strings.Join(c.addresses, ", "), c.timeout, last)}
}

// pause lets an election go on.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
}

// refusedConnection: the request surely was not received.
func refusedConnection(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

func refusal(text []byte) error {
	var r node.Refused
	if json.Unmarshal(text, &r) != nil || r.Error == "" {
		return fmt.Errorf("%s", bytes.TrimSpace(text))
	}
	return errors.New(r.Error)
}

func codeOf(text []byte) int {
	var r node.Refused
	if json.Unmarshal(text, &r) == nil && r.Unknown {
		return exitUnknown
	}
	return exitFailed
}

func (c *ctl) call(ctx context.Context, method, address, path string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, reader)
	if err != nil {
		return 0, nil, badArgument("--http %s: %w", address, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	return resp.StatusCode, text, err
}
