package raft

import "testing"

// BenchmarkCommit proposes a command of 100 bytes at the leader and carries it to commitment on a majority: the
// core's whole path, over a network and disks that cost nothing.
func BenchmarkCommit(b *testing.B) {
	for name, batch := range map[string]int{"one at a time": 1, "64 at a time": 64} {
		b.Run(name, func(b *testing.B) { benchmarkCommit(b, batch) })
	}
}

func benchmarkCommit(b *testing.B, batch int) {
	c := newCluster(3, Config{})
	c.elect(1)
	command := make([]byte, 100)
	work := func(id NodeID) {
		core := c.core(id)
		r, _ := core.Ready()
		if r.HasWrite() {
			core.Persisted(r.Write)
		}
		for _, m := range r.Messages {
			c.core(m.To).Step(m)
		}
		for _, m := range r.AfterWrite {
			c.core(m.To).Step(m)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += batch {
		for range batch {
			if _, _, err := c.core(1).Propose(command); err != nil {
				b.Fatal(err)
			}
		}
		for range 2 {
			for id := NodeID(1); id <= 3; id++ {
				work(id)
			}
		}
	}
	if core := c.core(1); core.log.commit != core.log.lastIndex() {
		b.Fatalf("committed %d of %d", core.log.commit, core.log.lastIndex())
	}
}
