// Package versions turns what people call a version into a program that can be run: the one beside this program, a git reference of
// this project, a seeded bug, a binary, a container image.
//
// A git reference is built from an archive of its commit in a folder of its own (git archive), and not from a worktree: nothing is
// written into the user's repository, and a build that is killed leaves nothing there. What was built is kept in the user's cache
// folder under the commit, so that a bisection or a nightly run builds each commit once.
package versions
