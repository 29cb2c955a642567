// Package namespaces gives each node of a cluster on this machine a network namespace of its own, as containers have, without Docker: an address,
// interfaces, packet filter and packet queues that are the node's alone. The namespaces are joined by a bridge. It takes Linux, and either root
// or a kernel that lets anybody make user namespaces; Probe tries it.
//
// # How it is built
//
// Open starts this program once more, as the keeper: in a network namespace of its own, and where the caller is not root in a user namespace
// too, in which it has the rights that all below needs. The keeper has a bridge there and one thread for each node, which has left for a namespace
// of its own that a pair of virtual interfaces ties to the bridge. What is to run in a node's namespace is started from its thread: an
// agent (package nemesis/agent, this program once more), and whatever Start is asked for.
//
// Nobody outside has a route to the nodes. The keeper listens on ports of 127.0.0.1, on sockets that the caller made and handed over, and
// carries each connection on to the node over the bridge, as Docker does for published ports. The caller's own network is not touched:
// no interface, route or rule is made in it.
//
// # What is left behind
//
// Nothing. Namespaces have no names: the kernel takes them away, with all interfaces and rules in them, when their last process is gone. The kernel
// kills the keeper when the thread that started it ends (PR_SET_PDEATHSIG), and with the keeper's threads go the agents and the nodes.
package namespaces
