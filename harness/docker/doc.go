// Package docker is the cluster of containers: one per node on a network of their own, each with an agent as PID 1.
//
// What a node is comes from docker-compose.yml alone, which is also what people start by hand; this package reads it
// and talks to the engine's API, so that no compose program is needed. Everything it creates carries compose's labels
// (`docker compose -p PROJECT ps` shows it) and labels of its own that name the run and the process that made it.
// Cleanup finds by them what a killed harness left behind, and two runs live side by side on one engine.
//
// Faults go through the agents (package nemesis/agent), which the harness reaches through ports published on 127.0.0.1:
// it needs no route to the containers and no shell in them.
package docker
