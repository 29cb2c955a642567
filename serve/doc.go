// Package serve shows a folder of results in a browser: all runs and campaigns, a run that is under way, every file.
//
// # Nothing else
//
// It only reads, it answers only GET and HEAD, and it reaches nothing outside the folder: files are opened through an
// os.Root, and a run or a campaign whose files lead elsewhere is refused whole, since the packages that read it go by path.
//
// # What results contain
//
// Results may come from elsewhere, and histories hold whatever the system under test said. Lists are made of text by script;
// the pages' policies allow the program's own scripts and nothing inline. A run's report.html is a page that somebody made: it is
// shown in a sandbox of an origin of its own, where it can reach neither this server nor other runs. All other files are text
// or downloads, and never guessed to be pages. A request that names the server otherwise than by an address, localhost or the
// host it listens on is refused, so that no page on the net can have its name point here and read along.
//
// # A run under way
//
// The harness keeps its progress in the run's folder (store.Progress), and the server reads that file: the run is not disturbed,
// and it does not matter who started it.
package serve
