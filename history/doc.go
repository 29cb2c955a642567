// Package history is what a test recorded: events in the order they happened, the file they are kept in, and the
// operations they make up.
//
// A history is the only witness of a run, so the file is written while the run goes on: one line of JSON an event,
// flushed ten times a second. A harness that is killed loses at most the lines of the last tenth of a second, and what
// is left can be read with jq. After the run the file is compressed. Reading is streaming and strict: a line that does
// not fit is an error with its number, because a checker that skips a line it cannot read gives a verdict on another
// history. docs/history-format.md describes the format.
//
// The package knows nothing of workloads, models or clusters.
package history
