package workloads

// The list-append workload runs transactions that append to lists and read them: what a read shows is the order of all
// appends before it, so that Elle's cycles show what is wrong with them.

// NewListAppend makes a generator.
func NewListAppend(o Options) Generator { return newTransactions(o, ListsObject, "a", "append") }
