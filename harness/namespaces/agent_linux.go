package namespaces

import (
	"context"
	"net/netip"
	"os"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

const (
	agentLogLimit = 1 << 20 // of what an agent without a child keeps of its own notes
	agentGrace    = time.Second
)

// run is an agent that only keeps its namespace: it cuts, shapes and probes.
func (c *agentConfig) run() error {
	log, err := os.OpenFile(c.Log, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	return agent.Run(context.Background(), agent.Config{
		Name: c.Node, Secret: c.Secret, LogDir: c.Folder, LogLimit: agentLogLimit, Grace: agentGrace, Stdout: log,
		Control: netip.AddrPortFrom(c.Address, agentPort).String(), Probe: netip.AddrPortFrom(c.Address, probePort).String(),
	})
}
