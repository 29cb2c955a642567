package local

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/ports"
)

const (
	readyPoll = 10 * time.Millisecond
	tailBytes = 2000 // of a node's log, in an error
)

// comeUp returns once the node's ports answer. A node that ended because somebody has taken one of its ports gets others:
// nobody knows them yet but its own links, which are told. Those of a deployed system are in its peers' command lines.
func (c *Cluster) comeUp(ctx context.Context, n *node) error {
	for attempt := 1; ; attempt++ {
		err := c.answers(ctx, n)
		if err == nil {
			return nil
		}
		tail := c.logTail(n.node)
		collision := strings.Contains(tail, "address already in use")
		if n.state().Running || !collision || c.options.System != nil || attempt == setupAttempts || ctx.Err() != nil {
			return fmt.Errorf("%s did not come up: %w; its log ends:\n%s", n.node, err, tail)
		}
		if err := c.drawPorts(n); err != nil {
			return err
		}
		if err := c.launch(n.node); err != nil {
			return err
		}
	}
}

// answers waits until all ports of the running process accept connections.
func (c *Cluster) answers(ctx context.Context, n *node) error {
	n.mu.Lock()
	gone := n.gone
	n.mu.Unlock()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for _, port := range n.listeners() {
		for !c.accepts(ctx, n, port) {
			select {
			case <-gone:
				return fmt.Errorf("its process ended: %s", n.state().Ended)
			case <-ctx.Done():
				return fmt.Errorf("%s does not answer: %w", c.address(n, port), ctx.Err())
			case <-tick.C:
			}
		}
	}
	select {
	case <-gone:
		return fmt.Errorf("its process ended: %s", n.state().Ended)
	default:
		return nil
	}
}

func (c *Cluster) accepts(ctx context.Context, n *node, port int) bool {
	if c.inside != nil {
		return c.inside.net.Reach(ctx, n.node, port) == nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", ports.Address(port))
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// logTail is the end of what the node's last process logged.
func (c *Cluster) logTail(name string) string {
	log, err := os.ReadFile(c.logPath(name))
	if err != nil {
		return err.Error()
	}
	if i := bytes.LastIndex(log, []byte(" starts: ")); i >= 0 {
		log = log[i:]
	}
	if len(log) > tailBytes {
		log = log[len(log)-tailBytes:]
	}
	return string(log)
}
