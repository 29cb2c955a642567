//go:build !linux

package agent

import (
	"context"
	"errors"
)

// Run fails: it reads process states from /proc and partitions with netfilter.
func Run(context.Context, Config) error {
	return errors.New("the agent runs on Linux only: build it with GOOS=linux for use in a container")
}
