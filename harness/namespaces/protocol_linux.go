package namespaces

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
)

// partVariable tells a program that it was started to be a part of namespaces, and what.
const partVariable = "ORDEAL_NAMESPACES"

// part is what a program is started to be.
type part struct {
	Keeper *keeperConfig `json:"keeper,omitempty"`
	Agent  *agentConfig  `json:"agent,omitempty"`
}

// keeperConfig is what the keeper has to know. Its descriptors from firstListener on are Listeners, in this order; before them is its end of the
// connection to who started it.
type keeperConfig struct {
	Nodes     []place    `json:"nodes"`
	Listeners []listener `json:"listeners"`
	Secret    string     `json:"secret"`
}

const (
	controlDescriptor = 3
	firstListener     = 4
)

// place is a node's.
type place struct {
	Node    string     `json:"node"`
	Address netip.Addr `json:"address"`
	Log     string     `json:"log"`    // of its agent
	Folder  string     `json:"folder"` // of its agent
}

// listener says to which port of which node a listener's connections are carried.
type listener struct {
	Node int `json:"node"`
	Port int `json:"port"`
}

type agentConfig struct {
	place
	Secret string `json:"secret"`
}

// variable is the part as an environment variable.
func (p part) variable() (string, error) {
	text, err := json.Marshal(p)
	return partVariable + "=" + string(text), err
}

// Main takes over a program that was started to be a part of namespaces, and does not return then. Whoever calls Open calls it first of all.
func Main() {
	text, is := os.LookupEnv(partVariable)
	if !is {
		return
	}
	_ = os.Unsetenv(partVariable) // not for what is started from here
	if err := run(text); err != nil {
		fmt.Fprintln(os.Stderr, "ordeal: network namespaces:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(text string) error {
	var p part
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("%s, which is not to be set by hand: %w", partVariable, err)
	}
	switch {
	case p.Keeper != nil:
		return p.Keeper.run()
	case p.Agent != nil:
		return p.Agent.run()
	}
	return fmt.Errorf("%s, which is not to be set by hand, names no part", partVariable)
}

// What the keeper is asked over its connection, by package net/rpc.

const serviceName = "Keeper"

// Nothing is an argument or an answer that says nothing.
type Nothing struct{}

// StartRequest asks to run a command in a node's namespace.
type StartRequest struct {
	Node    string
	Command Command
}

// Started is the process. It is waited for only when Wait is asked, so that its number is nobody else's before.
type Started struct{ PID int }
