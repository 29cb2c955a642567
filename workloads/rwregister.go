package workloads

// The rw-register workload runs transactions that write registers and read them. A read shows less than that of a list,
// but it is what most systems offer.

// NewRWRegister makes a generator.
func NewRWRegister(o Options) Generator { return newTransactions(o, RegistersObject, "w", "w") }
