// Package nemesis hurts a cluster on purpose: it injects faults, proves that they took hold, heals them and proves that they
// are gone. It knows a cluster only as a World, a few verbs that plain processes, containers and simulations all have,
// and by the Abilities that it may have beside, and knows nothing else of what the nodes do. Each fault is a kind with a
// file of its own.
//
// # From a flag to a fault
//
//	ParseFaults   "kill,partition:bridge"            -> specs: which faults, which modes
//	NewSchedule   specs, nodes, seed, duration       -> a Schedule: what is injected and healed when; a pure function
//	Nemesis.Run   a Schedule on a World              -> Events, each with the evidence for what it says
//
// Everything that can be drawn beforehand is in the schedule, so that one seed gives one schedule and a schedule can be
// saved and run on another kind of cluster. Only what the run alone can tell, such as who leads, is resolved at
// injection, and recorded in the event.
//
// # Evidence
//
// A fault that does nothing is worse than none, because the verdict then speaks of an ordeal that never was. So nothing
// is believed because a call returned without an error: cut links are probed and must not be crossed, links that the
// partition leaves open must be crossed, killed processes must be gone, and all this again shortly before the heal.
// A change of members shows in what the nodes say of them and in the end of the removed nodes' processes, a transfer in another
// node that leads a later term. What the evidence does not show is reported as not taken, with the reason.
//
// # Terms
//
// As in Jepsen: a grudge is the set of directed links that a partition cuts; a bridge is the one node that both halves still
// reach; a fault is injected and healed.
package nemesis
