// Package client talks to a cluster of nodes. It finds the leader, and it tells failures apart: one that surely had no
// effect from one whose outcome nobody knows. It never sends a transaction again that may have been received.
//
// The three ways to find the leader (R14): Redirect follows the address that a follower answers with; Poll asks the
// nodes in turn until one serves; HealthCheck asks who leads in the background and keeps the answer fresh.
package client
