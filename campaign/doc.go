// Package campaign is many runs of one plan: versions x workloads x mixtures of faults x seeds.
//
// # Layout
//
//	results/torture/20261124T150000.000Z/
//	  campaign.json    Plan: what is run, with the versions' digests and the command that goes on with it
//	  runs.jsonl       a line for every finished run, appended and synced; a torn last line is all that a kill can cost
//	  runs/000017/     the whole folder of a run that failed, as package store writes it
//
// # Numbers
//
// A run has a number, and the number alone says what is run: number modulo cells is the cell (a version, a workload and a
// mixture), number divided by cells the round, and every round has a seed of its own, the same for all cells. So a campaign that
// was killed goes on with the numbers that have no line; shards take every n-th round, and merged they are what one machine would
// have done; and versions are compared on the same seeds, minutes apart, on the same machine.
//
// # What it knows
//
// Nothing of how a run is carried out: that is a Runner, which the command line makes for local processes, for containers and for
// the simulator. Statistics are in campaign/stats, what clients felt in campaign/felt, comparisons in campaign/compare.
package campaign
