package raft

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// Each file of testdata is a story from the paper or the thesis, told in commands and in what the servers did. The
// safety properties are checked after every step of it. testdata/README says what the commands do.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if !strings.HasSuffix(path, ".txt") {
			return
		}
		s := &story{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.run(d)
		})
	})
}

// story interprets one transcript.
type story struct {
	t *testing.T
	c *cluster
}

func (s *story) run(d *datadriven.TestData) string {
	if d.Cmd == "new" {
		s.new(d)
		return "ok"
	}
	command, known := commands[d.Cmd]
	if !known {
		d.Fatalf(s.t, "no such command: %s", d.Cmd)
	}
	s.c.trace.Reset()
	if err := command(s, d); err != nil {
		s.c.logf("error: %v", err)
	}
	if d.HasArg("quiet") {
		return "ok"
	}
	if s.c.trace.Len() == 0 {
		return "nothing"
	}
	return s.c.trace.String()
}

func (s *story) new(d *datadriven.TestData) {
	var n, spares, lease, maxAppend int
	d.MaybeScanArgs(s.t, "spares", &spares)
	d.ScanArgs(s.t, "servers", &n)
	d.MaybeScanArgs(s.t, "lease", &lease)
	d.MaybeScanArgs(s.t, "max-append", &maxAppend)
	s.c = newClusterWithSpares(n, spares, Config{PreVote: d.HasArg("prevote"), CheckQuorum: d.HasArg("checkquorum"),
		LeaseDuration: time.Duration(lease) * time.Millisecond, MaxAppendBytes: maxAppend})
}

var commands = map[string]func(*story, *datadriven.TestData) error{
	"preset":    (*story).preset,
	"timeout":   (*story).timeout,
	"wait":      (*story).wait,
	"propose":   (*story).propose,
	"read":      (*story).read,
	"transfer":  (*story).transfer,
	"ready":     (*story).ready,
	"persist":   (*story).persist,
	"deliver":   (*story).deliver,
	"drop":      (*story).drop,
	"network":   (*story).showNetwork,
	"stabilize": (*story).stabilize,
	"partition": (*story).partition,
	"heal":      (*story).heal,
	"crash":     (*story).crash,
	"restart":   (*story).restart,
	"log":       (*story).log,
	"snapshot":  (*story).snapshot,
	"change":    (*story).change,
	"members":   (*story).members,
	"status":    (*story).status,
}

// servers are those named by bare numbers; all, when there are none.
func (s *story) servers(d *datadriven.TestData) (ids []NodeID) {
	for _, arg := range d.CmdArgs {
		var id uint64
		if _, err := fmt.Sscanf(arg.Key, "%d", &id); err == nil {
			ids = append(ids, NodeID(id))
		}
	}
	if len(ids) == 0 {
		return s.c.ids()
	}
	return ids
}

func (s *story) preset(d *datadriven.TestData) error {
	var hs HardState
	d.ScanArgs(s.t, "term", &hs.Term)
	var terms []uint64
	if arg, given := d.Arg("log"); given {
		for i := range arg.Vals {
			var term uint64
			arg.Scan(s.t, i, &term)
			terms = append(terms, term)
		}
	}
	s.c.preset(s.servers(d)[0], hs, terms...)
	return nil
}

func (s *story) timeout(d *datadriven.TestData) error {
	for _, id := range s.servers(d) {
		s.c.timeout(id)
	}
	return nil
}

func (s *story) wait(d *datadriven.TestData) error {
	var ms int
	d.ScanArgs(s.t, "ms", &ms)
	for _, id := range s.servers(d) {
		s.c.elapse(id, time.Duration(ms)*time.Millisecond)
	}
	return nil
}

func (s *story) propose(d *datadriven.TestData) error {
	index, term, err := s.c.core(s.servers(d)[0]).Propose([]byte(d.CmdArgs[1].Key))
	if err == nil {
		s.c.logf("entry %d/%d", index, term)
	}
	return err
}

func (s *story) read(d *datadriven.TestData) error {
	var id uint64
	d.ScanArgs(s.t, "id", &id)
	return s.c.read(s.servers(d)[0], id, d.HasArg("lease"))
}

func (s *story) transfer(d *datadriven.TestData) error {
	var to uint64
	d.ScanArgs(s.t, "to", &to)
	return s.c.core(s.servers(d)[0]).TransferLeadership(NodeID(to))
}

func (s *story) ready(d *datadriven.TestData) error {
	for _, id := range s.servers(d) {
		s.c.ready(id)
	}
	return nil
}

func (s *story) persist(d *datadriven.TestData) error {
	for _, id := range s.servers(d) {
		s.c.persist(id)
	}
	return nil
}

// matching are the messages that from=, to= and kind= name.
func (s *story) matching(d *datadriven.TestData) func(Message) bool {
	var from, to uint64
	var kind string
	d.MaybeScanArgs(s.t, "from", &from)
	d.MaybeScanArgs(s.t, "to", &to)
	d.MaybeScanArgs(s.t, "kind", &kind)
	return func(m Message) bool {
		return (from == 0 || m.From == NodeID(from)) && (to == 0 || m.To == NodeID(to)) && (kind == "" || m.Kind.String() == kind)
	}
}

func (s *story) deliver(d *datadriven.TestData) error {
	for _, m := range s.c.take(s.matching(d)) {
		s.c.deliver(m)
		if d.HasArg("copy") {
			s.c.network = append(s.c.network, m)
		}
	}
	return nil
}

func (s *story) drop(d *datadriven.TestData) error {
	for _, m := range s.c.take(s.matching(d)) {
		s.c.logf("lost: %s", describe(m))
	}
	return nil
}

func (s *story) showNetwork(*datadriven.TestData) error {
	for _, m := range s.c.network {
		s.c.logf("under way: %s", describe(m))
	}
	return nil
}

func (s *story) stabilize(d *datadriven.TestData) error {
	s.c.stabilize(s.servers(d)...)
	return nil
}

// partition: the servers named are on one side, the others on the other.
func (s *story) partition(d *datadriven.TestData) error {
	s.c.groups = make([]int, len(s.c.servers))
	for _, id := range s.servers(d) {
		s.c.groups[id-1] = 1
	}
	return nil
}

func (s *story) heal(*datadriven.TestData) error {
	s.c.groups = make([]int, len(s.c.servers))
	return nil
}

func (s *story) crash(d *datadriven.TestData) error {
	for _, id := range s.servers(d) {
		for _, w := range s.c.server(id).queue {
			s.c.logf("%d loses%s", id, describeWrite(Ready{HardState: w.hardState, Entries: w.entries}))
		}
		s.c.server(id).crash(0)
	}
	return nil
}

func (s *story) restart(d *datadriven.TestData) error {
	for _, id := range s.servers(d) {
		s.c.restart(id)
	}
	return nil
}

// log shows the terms of each server's entries; | stands after the committed ones.
func (s *story) log(d *datadriven.TestData) error {
	for _, id := range s.servers(d) {
		core := s.c.core(id)
		if core == nil {
			s.c.logf("%d is down", id)
			continue
		}
		line := fmt.Sprintf("%d:", id)
		if last := core.log.lastIncludedIndex; last > 0 {
			line += fmt.Sprintf(" (%d before)", last)
		}
		for _, e := range core.log.entries {
			line += fmt.Sprintf(" %d", e.Term)
			if e.Index == core.log.commit {
				line += " |"
			}
		}
		s.c.logf("%s", line)
	}
	return nil
}

func (s *story) status(d *datadriven.TestData) error {
	for _, id := range s.servers(d) {
		if s.c.core(id) == nil {
			s.c.logf("%d is down", id)
			continue
		}
		st := s.c.core(id).Status()
		s.c.logf("%d %v term=%d vote=%d leader=%d commit=%d last=%d durable=%d", id, st.Role, st.Term, st.Vote, st.Leader,
			st.Commit, st.LastIndex, st.Durable)
	}
	return nil
}

// snapshot takes one, and drops the log behind it.
func (s *story) snapshot(d *datadriven.TestData) error {
	var retain uint64
	d.MaybeScanArgs(s.t, "retain", &retain)
	for _, id := range s.servers(d) {
		server := s.c.server(id)
		server.takeSnapshot(retain)
		s.c.persist(id)
		s.c.persist(id) // the log goes when the snapshot is durable
		s.c.logf("%d has a snapshot at %d, its log begins after %d", id, server.core.Snapshot().LastIncludedIndex, server.disk.start.Index)
	}
	return nil
}

func (s *story) change(d *datadriven.TestData) error {
	ids := func(key string) (set []NodeID) {
		if arg, given := d.Arg(key); given {
			for i := range arg.Vals {
				var id uint64
				arg.Scan(s.t, i, &id)
				set = append(set, NodeID(id))
			}
		}
		return set
	}
	return s.c.core(s.servers(d)[0]).ChangeMembership(Configuration{Voters: ids("voters"), Learners: ids("learners")})
}

// members shows the configuration in force at each server, ? after one that it does not know to be committed.
func (s *story) members(d *datadriven.TestData) error {
	for _, id := range s.servers(d) {
		core := s.c.core(id)
		if core == nil {
			s.c.logf("%d is down", id)
			continue
		}
		c, index := core.Configuration()
		mark := ""
		if index > core.log.commit {
			mark = "?"
		}
		s.c.logf("%d: %s%s", id, describeConfiguration(c), mark)
	}
	return nil
}
