package sim

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ordeal-dev/ordeal/store"
)

// chronicle writes down what happens in a run: the trace, what the nodes would say of themselves, and their logs.
type chronicle struct {
	trace        *store.TraceWriter
	observations *store.Observations
	logs         []*nodeLog
	states       []store.Observation // of each node, as it was told last
	minors       Minors
	began        time.Time     // that the logs' times are from
	every        time.Duration // commits of a node are told no more often
	err          error
}

// nodeLog is a node's log.
type nodeLog struct {
	file   *os.File
	buffer *bufio.Writer
}

func newChronicle(folder *store.Run, p *Plan, began time.Time) (*chronicle, error) {
	c := &chronicle{began: began, every: p.Duration / 500}
	var err error
	if c.trace, err = folder.CreateTrace(); err != nil {
		return nil, err
	}
	if c.observations, err = folder.CreateObservations(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	if err := os.MkdirAll(folder.Path(store.NodesFolder), 0o755); err != nil {
		return nil, errors.Join(err, c.close())
	}
	for i := range p.Nodes {
		name := fmt.Sprintf("n%d", i+1)
		f, err := os.Create(folder.NodeLog(name))
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.logs = append(c.logs, &nodeLog{f, bufio.NewWriter(f)})
		c.states = append(c.states, store.Observation{Node: name})
	}
	return c, nil
}

func (c *chronicle) close() error {
	err := c.err
	if c.trace != nil {
		err = errors.Join(err, c.trace.Close())
	}
	if c.observations != nil {
		err = errors.Join(err, c.observations.Close())
	}
	for _, l := range c.logs {
		err = errors.Join(err, l.buffer.Flush(), l.file.Close())
	}
	return err
}

// note takes in an event.
func (c *chronicle) note(e Event) {
	line := store.TraceEvent{At: e.At, Kind: e.Kind.String(), Number: e.Number, Term: e.Term, Index: e.Index, Text: e.Text}
	if e.Node > 0 {
		line.Node = fmt.Sprintf("n%d", e.Node)
	}
	if e.Peer > 0 {
		line.Peer = fmt.Sprintf("n%d", e.Peer)
	}
	switch {
	case e.Kind == MessageSent:
		line.Label, line.Class, line.Minor, line.Text = Brief(e.Message), MessageClass(e.Message.Kind), c.minors.Minor(e.Message), Describe(e.Message)
	case e.Client != nil:
		line.Index = uint64(e.Client.Index)
	}
	c.trace.Write(&line)
	if e.Node > 0 && e.Message == nil {
		c.log(e)
		c.observe(e)
	}
}

// observe tells what a node would say of itself, where that changes.
func (c *chronicle) observe(e Event) {
	s := &c.states[e.Node-1]
	switch e.Kind {
	case RoleChanged:
		s.Role, s.Term = e.Text, e.Term
	case NodeStarted:
		s.Role, s.Term, s.Commit = "follower", e.Term, 0
	case NodeEnded:
		s.Role, s.Term, s.Commit = "down", 0, 0
	case Committed:
		s.Commit = e.Index
		if e.At < s.Time+c.every {
			return
		}
	default:
		return
	}
	s.Time = e.At
	if err := c.observations.Write(*s); err != nil && c.err == nil {
		c.err = err
	}
}

// log writes what happened to a node into its log.
func (c *chronicle) log(e Event) {
	text, level := "", "INFO"
	switch e.Kind {
	case NodeStarted:
		text = fmt.Sprintf("msg=started term=%d last_entry=%d", e.Term, e.Index)
	case NodeEnded:
		text, level = fmt.Sprintf("msg=ended how=%q", e.Text), "WARN"
	case RoleChanged:
		text = fmt.Sprintf("msg=\"role changed\" role=%s term=%d", e.Text, e.Term)
	case SnapshotSaved:
		text = fmt.Sprintf("msg=\"snapshot saved\" index=%d", e.Index)
	case SnapshotTaken:
		text = fmt.Sprintf("msg=\"snapshot installed\" index=%d", e.Index)
	case ViolationFound:
		text, level = fmt.Sprintf("msg=violation what=%q", e.Text), "ERROR"
	default:
		return
	}
	fmt.Fprintf(c.logs[e.Node-1].buffer, "time=%s level=%s %s\n", c.began.Add(e.At).Format(time.RFC3339Nano), level, text)
}
