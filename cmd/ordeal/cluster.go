package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ordeal-dev/ordeal/harness"
	"github.com/ordeal-dev/ordeal/harness/docker"
	"github.com/ordeal-dev/ordeal/harness/local"
	"github.com/ordeal-dev/ordeal/harness/managed"
	"github.com/ordeal-dev/ordeal/mutants"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/scratch"
	"github.com/ordeal-dev/ordeal/systems/ordeal"
)

// ownedCluster is a cluster with what was made for it alone. The cluster is not embedded: what it can do beside harness.Cluster is found by
// looking at it, and does not show through another type.
type ownedCluster struct {
	cluster   harness.Cluster
	temporary *scratch.Folder // to remove; nil: none
}

func (c *ownedCluster) close() {
	c.temporary.Remove()
}

// makeCluster makes the kind of cluster asked for, and says which one auto has chosen.
func (f *runFlags) makeCluster(ctx context.Context, show *progress) (*ownedCluster, error) {
	if f.program != nil {
		return &ownedCluster{cluster: managed.New(f.program, nodeNames(f.nodes))}, nil
	}
	switch f.cluster {
	case "docker":
		if err := docker.Available(ctx); err != nil {
			return nil, badArgument("--cluster docker: %w; --cluster local needs no engine", err)
		}
		return f.dockerCluster(ctx)
	case "local":
		return f.localCluster(ctx, show)
	case "auto":
		why := f.whyLocal(ctx)
		if ctx.Err() != nil {
			return nil, failure{exitUnknown, errors.New("interrupted before anything was started")}
		}
		if why != nil {
			show.note("cluster: local processes, because %v", why)
			return f.localCluster(ctx, show)
		}
		c, err := f.dockerCluster(ctx)
		if err != nil {
			show.note("cluster: local processes; a Docker engine answers, but %v", err)
			return f.localCluster(ctx, show)
		}
		show.note("cluster: docker (an engine answers)")
		return c, nil
	}
	return nil, badArgument("--cluster %s: want auto, docker, local or sim", f.cluster)
}

// whyLocal tells why --cluster auto takes local processes; nil: an engine answers.
func (f *runFlags) whyLocal(ctx context.Context) error {
	if f.wantsLinks() {
		return fmt.Errorf("--links %s is for those", f.links)
	}
	return docker.Available(ctx)
}

// wantsLinks reports whether other links than the usual ones were asked for, which only local nodes have.
func (f *runFlags) wantsLinks() bool { return f.links != "" && f.links != string(local.Userspace) }

func (f *runFlags) localCluster(ctx context.Context, show *progress) (*ownedCluster, error) {
	if f.deployed != nil {
		c, err := local.New(local.Options{System: f.deployed, Nodes: nodeNames(f.nodes), Flags: f.nodeFlags, Disks: f.needsDisks(), Links: local.Links(f.links)})
		if err != nil {
			return nil, badArgument("%w", err)
		}
		show.note("cluster: local (%s)", c.Between())
		return &ownedCluster{cluster: c}, nil
	}
	binary, temporary, err := f.nodeOr(ctx, sibling("ordeal-node"))
	if err != nil {
		return nil, err
	}
	c, err := local.New(local.Options{Binary: binary, Nodes: nodeNames(f.nodes), Flags: f.flagsOfNodes(), Disks: f.needsDisks(), Links: local.Links(f.links)})
	if err != nil {
		temporary.Remove()
		return nil, badArgument("%w", err)
	}
	show.note("cluster: local (%s)", c.Between())
	return &ownedCluster{c, temporary}, nil
}

func (f *runFlags) dockerCluster(ctx context.Context) (*ownedCluster, error) {
	if f.deployed != nil {
		c, err := docker.New(docker.Options{System: f.deployed, AgentBinary: f.agent(), Nodes: f.nodes, NodeFlags: f.nodeFlags, Disks: f.needsDisks()})
		if err != nil {
			return nil, badArgument("%w", err)
		}
		return &ownedCluster{cluster: c}, nil
	}
	binary, temporary, err := f.nodeOr(ctx, sibling("image/ordeal-node"), "GOOS=linux")
	if err != nil {
		return nil, err
	}
	c, err := docker.New(docker.Options{ComposeFile: f.compose, NodeBinary: binary, AgentBinary: f.agent(), Nodes: f.nodes, NodeFlags: f.flagsOfNodes(), Disks: f.needsDisks()})
	if err != nil {
		temporary.Remove()
		return nil, badArgument("%w", err)
	}
	return &ownedCluster{c, temporary}, nil
}

// agent is the agent's binary that the flags ask for, else the usual one.
func (f *runFlags) agent() string {
	if f.agentBinary != "" {
		return f.agentBinary
	}
	return sibling("image/ordeal-agent")
}

// needsDisks reports whether a fault asked for is one of disks: those cost what the nodes have at other times for nothing.
func (f *runFlags) needsDisks() bool {
	specs, err := nemesis.ParseFaults(f.faults)
	return err == nil && slices.ContainsFunc(specs, func(s nemesis.Spec) bool { return nemesis.NeedsDisks(s.Fault) })
}

// flagsOfNodes are the flags asked for, with those that the faults need.
func (f *runFlags) flagsOfNodes() []string {
	specs, err := nemesis.ParseFaults(f.faults)
	if err == nil && slices.ContainsFunc(specs, func(s nemesis.Spec) bool { return s.Fault == nemesis.ClockSkew }) {
		return append(slices.Clone(f.nodeFlags), ordeal.System{}.ClockFlags()...)
	}
	return f.nodeFlags
}

// nodeOr is the node's binary that the flags ask for, else the usual one; a mutant is built in a temporary folder.
func (f *runFlags) nodeOr(ctx context.Context, usual string, env ...string) (binary string, temporary *scratch.Folder, err error) {
	switch {
	case f.mutant != "" && f.nodeBinary != "":
		return "", nil, badArgument("--mutant and --node-binary exclude each other")
	case f.mutant == "" && f.nodeBinary == "":
		return usual, nil, nil
	case f.mutant == "":
		return f.nodeBinary, nil, nil
	}
	m, err := mutants.Find(f.mutant)
	if err != nil {
		return "", nil, badArgument("--mutant: %w", err)
	}
	root, err := mutants.ModuleRoot()
	if err != nil {
		return "", nil, badArgument("--mutant: %w", err)
	}
	if temporary, err = scratch.New("mutant"); err != nil {
		return "", nil, failure{exitFailed, err}
	}
	binary = filepath.Join(temporary.Path, "ordeal-node")
	if err := m.Build(ctx, root, "./cmd/ordeal-node", binary, env...); err != nil {
		temporary.Remove()
		return "", nil, failure{exitFailed, err}
	}
	return binary, temporary, nil
}

// sibling is the path of a file beside this program.
func sibling(name string) string {
	return filepath.Join(filepath.Dir(self()), filepath.FromSlash(name))
}

// self is the path of this program, whatever it is called; its name where nobody can tell where it is.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return filepath.Base(os.Args[0])
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}

// sweep removes what runs left whose harness was killed.
func sweep(ctx context.Context, show *progress) error {
	removed, err := removeLeftovers(ctx, false)
	for _, what := range removed {
		show.note("removed a leftover: %s", what)
	}
	return err
}

// removeLeftovers removes what dead runs left, on Docker too where an engine answers.
func removeLeftovers(ctx context.Context, all bool) ([]string, error) {
	removed, err := local.Cleanup(ctx)
	if err != nil {
		err = fmt.Errorf("local: %w", err)
	}
	swept, scratchErr := scratch.Sweep()
	removed, err = append(removed, swept...), errors.Join(err, scratchErr)
	if docker.Available(ctx) != nil {
		return removed, err
	}
	clean := docker.Cleanup
	if all {
		clean = docker.CleanupAll
	}
	more, dockerErr := clean(ctx)
	if dockerErr != nil {
		dockerErr = fmt.Errorf("docker: %w", dockerErr)
	}
	return append(removed, more...), errors.Join(err, dockerErr)
}
