// Package chromium opens pages in a real browser, for tests: what a page's script and style do shows nowhere else.
//
// # One browser a test program
//
// A browser is started by the first test that needs one and shared by those that follow, each of which gets a window
// of its own with nothing remembered from the others. Main, called from TestMain, ends it. Where the machine has no
// Chromium the tests are skipped.
//
// # No waiting without an end
//
// The browser is driven over the DevTools protocol through a pipe, and each step has a bound. It is not driven by
// --dump-dom with a budget of virtual time: whether such a browser ends depends on all its frames becoming quiet in that time,
// and under load now and then one never does. A browser that does not come up in time is killed and started once more with a
// fresh profile; if that fails too, the tests fail with what it wrote.
//
// # A page has nothing to complain of
//
// Whatever shows in the console (a message, an exception, a load that was refused, a violation of the page's policy)
// fails the test that opened the page.
package chromium
