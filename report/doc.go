// Package report turns what a run left behind into something a person can read: one HTML page that says what happened
// and why the verdict is what it is, and the few lines a terminal shows.
//
// # One file
//
// The page is a single file without a reference to anything outside it: it is attached to an issue, kept as an artifact
// and opened years later without a network. A content security policy in the page holds it to that. Links to the history
// and the nodes' logs are relative, and work while the page lies in the run's folder.
//
// # A million operations
//
// The page never holds the operations. One pass over the history's events fills time buckets with counts and logarithmic
// latency histograms, and thins the points of the latency plot to one a cell of the picture, keeping the slowest and the
// number of those it stands for: the plot looks as if every point were drawn, and no outlier is lost. Whatever is listed
// (keys, faults, evidence) is cut at a budget, with the worst first, and says so.
//
// # Hostile histories
//
// Keys, values and errors come from the system under test. They reach the page only as text: through html/template,
// through escaped SVG, or as JSON in which <, > and & are written as escapes; control and direction-changing characters
// are made visible, broken UTF-8 is replaced, and long strings are cut. The picture that porcupine draws lives in a
// frame with an origin of its own.
//
// # Plots
//
// Positions along time are percentages and everything else is in pixels, so that the plots fit any width without
// distorting their text; zooming makes the drawing wider inside a frame that scrolls. Fault kinds differ by pattern
// as well as by colour, outcomes by shape as well as by colour (the palette is Okabe and Ito's).
package report
