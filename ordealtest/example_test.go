package ordealtest_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/ordealtest"
)

// cluster is a store of one map that its nodes are doors to. What is written to a node that is down is refused.
type cluster struct {
	mu     sync.Mutex
	up     map[string]bool
	values map[string]ordealtest.Value
	// forgets has the store keep nothing any more once a node was killed, as if the disk were gone.
	forgets, forgot bool
}

func (c *cluster) Start(_ context.Context, node string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[node] = true
	return nil
}

func (c *cluster) Kill(_ context.Context, node string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[node] = false
	c.forgot = c.forgets
	return nil
}

func (c *cluster) Open(node string) (ordealtest.Client, error) { return &door{c, node}, nil }

type door struct {
	c    *cluster
	node string
}

func (d *door) Close() {}

func (d *door) Invoke(_ context.Context, op ordealtest.Operation) ordealtest.Completion {
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	if !d.c.up[d.node] {
		return ordealtest.Completion{Type: ordealtest.Fail, Node: d.node, Error: "it is down"} // which surely had no effect
	}
	if d.c.forgot {
		clear(d.c.values)
	}
	old := d.c.values[op.Key]
	switch op.F {
	case "put":
		d.c.values[op.Key] = op.Input
	case "cas":
		if expected, to, _ := op.Input.AsPair(); expected.Equal(old) {
			d.c.values[op.Key] = to
		}
	}
	return ordealtest.Completion{Type: ordealtest.OK, Output: old, Node: d.node}
}

func Example() {
	results, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(results)
	for _, forgets := range []bool{false, true} {
		c := &cluster{up: map[string]bool{}, values: map[string]ordealtest.Value{}, forgets: forgets}
		v, err := ordealtest.Run(context.Background(), c, ordealtest.Options{Name: "doors", Faults: "kill:one", Time: 2 * time.Second, Seed: 1, Results: results})
		fmt.Println(v.Verdict, err)
	}
	// Output:
	// valid <nil>
	// invalid <nil>
}
