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
// The page never holds all operations of a long run. One pass over the history's events fills time buckets with counts and
// logarithmic latency histograms, and thins the points of the latency plot to one a cell of the picture, keeping the slowest
// and the number of those it stands for: the plot looks as if every point were drawn, and no outlier is lost. Of the
// operations one by one there are as many as the page has room for: all of a short run; of a long one, found in a second pass, those
// in stretches of time around the evidence and the faults and some spread over the rest, those on the evidence's keys, and those
// that did not go well. The page says where it has gaps. Whatever is listed (keys, faults, evidence, lines of logs) is cut at a
// budget, with what is worth most first, and says so. Operations, keys, logs and pictures are packed (compressed JSON in base64)
// and unpacked after the page is in view.
//
// # Addresses
//
// What is in view stands in the page's address after #, as base.js lists: the stretch of time, the filters, the chosen
// operation, moment or key. An address that is sent shows the same to whoever opens it.
//
// # Messages
//
// A simulated run's trace becomes a page of its own, messages.html: the page of a run leads there from its evidence and from any
// operation. It holds the events (of a long trace those near faults, elections and evidence) and draws a window of them.
//
// # By keyboard, on paper
//
// Each drawing is one stop of the Tab key, and the arrow keys go from mark to mark in it (marks.js). A page that is printed shows
// what is in view, without its controls.
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
// as well as by colour, outcomes by shape as well as by colour (the palette is Okabe and Ito's). The clients' operations are
// drawn by the page's script instead, as far as they are in view, since an element for each would be too many.
package report
