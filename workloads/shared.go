package workloads

import (
	"fmt"
	"sync"

	"github.com/ordeal-dev/ordeal/history"
)

// sharing says how workers share objects. Deciding linearizability costs more than linearly in the operations that are
// concurrent on one object, so groups of a few workers share one, and give it up for a new one after a while, or when too
// many of its operations have an unknown outcome: each of those may take effect at any later time.
type sharing struct {
	prefix     string // of the objects' names
	workers    int    // that share an object
	operations int    // on one object
	crashes    int    // operations of unknown outcome on one object
}

// shared are the objects of a run, each with what the generator knows of it. Its lock guards what it gives out as well.
type shared[S any] struct {
	sharing
	fresh func(name string) S

	mu     sync.Mutex
	groups []*object[S]
	all    []*object[S] // in order
	byName map[string]*object[S]
	sealed []string // given up and not told yet
}

// object is one that workers share, or shared.
type object[S any] struct {
	name       string
	operations int
	crashes    int
	state      S
}

func newShared[S any](o Options, s sharing, fresh func(name string) S) *shared[S] {
	p := &shared[S]{sharing: s, fresh: fresh, byName: map[string]*object[S]{},
		groups: make([]*object[S], (o.Workers+s.workers-1)/s.workers)}
	for g := range p.groups {
		p.replace(g)
	}
	return p
}

// replace gives a group a new object.
func (p *shared[S]) replace(g int) {
	name := fmt.Sprintf("%s%d", p.prefix, len(p.all))
	p.groups[g] = &object[S]{name: name, state: p.fresh(name)}
	p.all = append(p.all, p.groups[g])
	p.byName[name] = p.groups[g]
}

// next is the object for a worker's next operation, which counts.
func (p *shared[S]) next(worker int) *object[S] {
	g := worker / p.workers
	if o := p.groups[g]; o.operations >= p.operations || o.crashes >= p.crashes {
		p.sealed = append(p.sealed, o.name)
		p.replace(g)
	}
	p.groups[g].operations++
	return p.groups[g]
}

// completed is the object that an operation was on; false: none of these. Crashes count, but for those of operations that
// change nothing.
func (p *shared[S]) completed(key string, outcome history.Type, changes bool) (*object[S], bool) {
	o, ok := p.byName[key]
	if ok && outcome == history.Info && changes {
		o.crashes++
	}
	return o, ok
}

// Sealed implements Sealer.
func (p *shared[S]) Sealed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	sealed := p.sealed
	p.sealed = nil
	return sealed
}

// finals makes the last operations, for each object there was.
func (p *shared[S]) finals(last func(o *object[S]) []Operation) []Operation {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ops []Operation
	for _, o := range p.all {
		ops = append(ops, last(o)...)
	}
	return ops
}
