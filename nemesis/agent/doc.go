// Package agent acts beside one node: it is PID 1 of the node's container, has the node as its child, and does there
// what the harness asks for over HTTP.
//
// Why an agent and not the engine's API: a fault takes effect within a millisecond or two instead of 50 to 350, and a
// kill of the node leaves its network namespace, rules and files where they are, as the kill of a server's process
// leaves the machine. `docker kill` takes all of it away.
//
// Server side (Linux): Run supervises the child and serves the control API. The child's end does not end the agent, and
// the child is started again only when told to be. What the child prints goes to the agent's own standard output and to
// a bounded log that the API serves. The API takes orders only from who knows the secret; without a secret it is off.
//
// Client side (everywhere): Client is one agent as the harness sees it.
//
// A probe sends datagrams with a nonce from one agent to another, and the receiver is asked what came: thus each
// direction is known by itself, without the need of an answer over the other one.
package agent
