// Package bisect finds the commit that brought a failure in, also one that shows in some runs only.
//
// Where a run fails each time or never (a simulated one, on its seed) one run a step is enough. Elsewhere each step is a sequential test
// that goes on until it knows enough, and the chance of naming a wrong commit is bounded and said:
//
//   - The bad end is run until it has failed a few times. That gives a rate that it surely fails at least at (Clopper and Pearson's lower
//     limit): a quarter of the error goes there.
//   - The rest is divided among the good end and the steps that the search can take, with a reserve for commits that have to be passed
//     over. A commit is good once runs without a failure have made
//     that rate unlikely enough, and bad once its failures are too many for a good one: for a good one that never fails, at the first.
//
// What this supposes: from the commit on, every version fails at no lower a rate than the bad end does; before it, at no higher a rate than
// the one given for good versions (0 if none is). Bisections of any kind suppose the like.
package bisect
