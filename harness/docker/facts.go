package docker

import (
	"context"
	"fmt"
	"maps"
)

// readFacts asks the engine what it is, and checks that the image can run on it.
func (c *Cluster) readFacts(ctx context.Context) error {
	info, err := c.engine.Info(ctx)
	if err != nil {
		return fmt.Errorf("docker engine: %w", err)
	}
	if info.OSType != "linux" {
		return fmt.Errorf("the docker engine runs %s containers, this needs linux ones: switch it over", info.OSType)
	}
	if err := c.image.check(info.Architecture); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts = map[string]string{
		"docker.engine":         info.ServerVersion,
		"docker.api":            c.engine.ClientVersion(),
		"docker.os":             info.OperatingSystem,
		"docker.kernel":         info.KernelVersion,
		"docker.architecture":   info.Architecture,
		"docker.storage-driver": info.Driver,
		"docker.image":          c.image.tag(),
		"docker.project":        c.plan.project,
		"docker.partition":      "nftables via netlink in each container's namespace, mode " + string(c.options.Mode),
		"docker.process":        "signals from an agent that is PID 1 of each container",
	}
	return nil
}

// Facts tells what the test stands on.
func (c *Cluster) Facts() map[string]string {
	c.mu.Lock()
	facts := maps.Clone(c.facts)
	c.mu.Unlock()
	facts["docker.heal"] = c.Heals()
	return facts
}
