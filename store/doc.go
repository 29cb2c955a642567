// Package store is what a run leaves behind: one folder, results/<name>/<time>/, that holds everything needed to
// judge the run again, to repeat it and to read about it, and that can be copied to another machine as it is.
//
// # Layout
//
//	results/
//	  latest                       symlink to the run started last (a file holding the path where links cannot be made)
//	  register-docker/
//	    20261123T063322.123Z/
//	      test.json                what was run, on what ground, and the command that repeats it
//	      history.jsonl[.zst]      every event, written while it happened
//	      observations.jsonl       what the nodes said of themselves
//	      verdict.json             the outcome
//	      progress.json            how far it is, while it goes on
//	      report.html              the page for people
//	      harness.log, nodes/*.log
//
// # Reasons
//
// Plain files in plain folders: every tool people have already (grep, jq, rsync, an artifact upload in CI) works on
// them, and a harness that is killed leaves what it had written. Whole documents (test.json, verdict.json) are replaced
// atomically, so that a reader sees the old one or the new one and never half of one. Streams (history,
// observations) are lines, so that a torn last line is all that a kill can cost.
//
// A run without a verdict was killed or is still going: that is a state of its own, not an error.
package store
