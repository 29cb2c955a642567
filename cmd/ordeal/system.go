package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/versions"
	"github.com/ordeal-dev/ordeal/harness/managed"
	"github.com/ordeal-dev/ordeal/harness/managed/external"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/catalog"
	"github.com/ordeal-dev/ordeal/systems/ordeal"
)

// findSystem finds the system that the flags name. One that is not the project's own says how long it may go without serving, unless the flags do.
func (f *runFlags) findSystem(ctx context.Context, bounded bool) (err error) {
	if f.system == catalog.Own || f.system == "" {
		return nil
	}
	if command, ok := strings.CutPrefix(f.system, execPrefix); ok {
		return f.startProgram(ctx, command, bounded)
	}
	if f.deployed, err = catalog.Find(f.system, sibling("systems")); err != nil {
		return badArgument("--system %s: %w", f.system, err)
	}
	for _, flag := range [][2]string{{"--mutant", f.mutant}, {"--node-binary", f.nodeBinary}, {"--compose-file", f.compose}} {
		if flag[1] != "" {
			return badArgument("%s is of this project's own node, and --system %s is tested", flag[0], f.system)
		}
	}
	if f.cluster == simCluster {
		return badArgument("--cluster sim simulates this project's own node only: use local or docker for --system %s", f.system)
	}
	if _, err := f.deployed.Programs(); err != nil {
		return badArgument("--system %s: %w", f.system, err)
	}
	if !bounded {
		f.bound = f.deployed.ServiceBound()
	}
	return nil
}

// execPrefix stands before a program that runs the nodes itself.
const execPrefix = "exec:"

// startProgram starts the user's program that runs the nodes.
func (f *runFlags) startProgram(ctx context.Context, command string, bounded bool) (err error) {
	switch {
	case f.cluster != "auto" && f.cluster != "local":
		return badArgument("--cluster %s: the program of --system %s runs the nodes: leave --cluster out", f.cluster, f.system)
	case f.mutant != "" || f.nodeBinary != "" || f.compose != "" || len(f.nodeFlags) > 0:
		return badArgument("--mutant, --node-binary, --node-flag and --compose-file are of nodes that ordeal starts; those of --system %s it does not", f.system)
	}
	if f.program, err = external.Start(ctx, strings.Fields(command)); err != nil {
		return badArgument("--system %s: %w", f.system, err)
	}
	if !bounded {
		f.bound = f.program.Abilities().ServiceBound
	}
	return nil
}

// endProgram ends what startProgram started.
func (f *runFlags) endProgram() error {
	if f.program == nil {
		return nil
	}
	return f.program.Teardown(context.Background())
}

// tested is the system under test.
func (f *runFlags) tested() systems.System {
	if f.program != nil {
		return managed.System{Manager: f.program}
	}
	if f.deployed != nil {
		return f.deployed
	}
	return ordeal.System{}
}

// builtSystem is a system of somebody else's as a version of a campaign; false: the name is none of those.
func builtSystem(name string) (versions.Built, bool, error) {
	if !catalog.IsReference(name) {
		return versions.Built{}, false, nil
	}
	s, err := catalog.Find(name, sibling("systems"))
	if err != nil {
		return versions.Built{}, true, err
	}
	programs, err := s.Programs()
	if err != nil {
		return versions.Built{}, true, err
	}
	v := versions.Built{Version: campaign.Version{Name: name}, System: name}
	for _, path := range programs {
		digest, err := versions.Digest(path)
		if err != nil {
			return v, true, fmt.Errorf("version %s: %w", name, err)
		}
		v.Digest = max(v.Digest, digest) // of several programs, always the same one
	}
	return v, true, nil
}
