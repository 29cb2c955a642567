package checker

// group is a group of transactions on registers, and what is known of their order: the closure of all edges, as a bit set for
// each of them. Edges that a choice adds can be taken back.
type group struct {
	o       *orders
	nodes   []int32         // transactions
	number  map[int32]int32 // by transaction: its number in the group
	words   int             // of a row
	after   []uint64
	choices []choice
	trail   []change
	broken  bool    // what must hold anyway is a cycle
	stuck   *choice // the first of which neither way was possible
}

// choice is two versions of a key of which nobody knows yet which came first.
type choice struct {
	v, w    int32    // versions
	first   [2]int32 // who wrote them, by number in the group
	readers [2][]int32
	done    bool
}

// change is a word of a row, or a choice, as it was.
type change struct {
	at     int
	before uint64
	choice *choice
}

// group prepares the decision on some transactions with the edges that are known (nil: only those that they tell themselves).
// What binds them to others is left out, so that no order for a part means none for the whole. Of a whole component the known
// edges say what its transactions tell too, only sooner; of a part of one they say more.
func (o *orders) group(nodes []int32, known *graph) *group {
	n := len(nodes)
	g := &group{o: o, nodes: nodes, words: (n + 63) / 64, number: make(map[int32]int32, n)}
	g.after = make([]uint64, n*g.words)
	o.effort -= n * n / 8
	for i, a := range nodes {
		g.number[a] = int32(i)
		for j, b := range nodes {
			if o.precedes(a, b) {
				g.after[i*g.words+j/64] |= 1 << (j % 64)
			}
		}
	}
	if known != nil {
		for i, t := range nodes {
			for _, e := range known.out(t) {
				if to, ok := g.number[e.to]; ok {
					g.add(int32(i), to)
				}
			}
		}
	}
	finals := g.link()
	for _, versions := range finals {
		g.addChoices(versions)
	}
	g.trail = nil // none of this is taken back
	return g
}

// link links all with what they read, and returns the versions that they left, by key.
func (g *group) link() [][]int32 {
	o, at := g.o, make(map[int32]int) // by key
	var finals [][]int32
	for _, t := range g.nodes {
		for _, s := range o.ts.all[t].steps {
			if s.kind != stepWrite || !o.ts.versions[s.version].final {
				continue
			}
			if _, ok := at[s.key]; !ok {
				at[s.key] = len(finals)
				finals = append(finals, nil)
			}
			finals[at[s.key]] = append(finals[at[s.key]], s.version)
			for _, r := range g.members(o.readers[s.version]) {
				g.add(g.number[t], r)
			}
			for _, r := range g.members(o.nils[s.key]) {
				g.add(r, g.number[t])
			}
		}
	}
	return finals
}

// members are those of the transactions that are in the group, by number.
func (g *group) members(ts []int32) (in []int32) {
	for _, t := range ts {
		if i, ok := g.number[t]; ok {
			in = append(in, i)
		}
	}
	return in
}

// addChoices has each two versions of a key in the order that is possible, or notes that both are.
func (g *group) addChoices(versions []int32) {
	readers := make([][]int32, len(versions))
	for i, v := range versions {
		readers[i] = g.members(g.o.readers[v])
	}
	writer := func(v int32) int32 { return g.number[g.o.ts.versions[v].writer] }
	for i, v := range versions {
		for j, w := range versions[:i] {
			c := choice{v: w, w: v, first: [2]int32{writer(w), writer(v)}, readers: [2][]int32{readers[j], readers[i]}}
			if one, two := g.possible(&c, 0), g.possible(&c, 1); one != two {
				g.choose(&c, way(two))
			} else if !g.broken {
				g.choices = append(g.choices, c)
			}
		}
		if g.spent() || g.broken {
			return
		}
	}
}

// way is the second of the ways of a choice, or the first.
func way(second bool) int {
	if second {
		return 1
	}
	return 0
}

// is tells whether one is known to come before another.
func (g *group) is(a, b int32) bool { return g.after[int(a)*g.words+int(b/64)]>>(b%64)&1 != 0 }

// add has one come before another, and all that follows from it.
func (g *group) add(a, b int32) {
	switch {
	case a == b || g.is(a, b):
		return
	case g.is(b, a):
		g.broken = true
		return
	}
	to := g.after[int(b)*g.words : (int(b)+1)*g.words]
	g.o.effort -= len(g.nodes)
	for x := range int32(len(g.nodes)) {
		if x != a && !g.is(x, a) {
			continue
		}
		from := int(x) * g.words
		g.o.effort -= g.words
		for i, bits := range to {
			if i == int(b/64) {
				bits |= 1 << (b % 64)
			}
			g.set(from+i, g.after[from+i]|bits)
		}
	}
}

func (g *group) set(at int, bits uint64) {
	if before := g.after[at]; before != bits {
		g.trail = append(g.trail, change{at: at, before: before})
		g.after[at] = bits
	}
}

// undo takes back all that came after a mark of the trail.
func (g *group) undo(mark int) {
	for i := len(g.trail) - 1; i >= mark; i-- {
		if c := g.trail[i]; c.choice != nil {
			c.choice.done = false
		} else {
			g.after[c.at] = c.before
		}
	}
	g.trail, g.broken = g.trail[:mark], false
}

// possible tells whether a way of a choice contradicts nothing that is known: who wrote the first version and who read it come
// before who wrote the second.
func (g *group) possible(c *choice, way int) bool {
	second := c.first[1-way]
	if g.is(second, c.first[way]) {
		return false
	}
	for _, r := range c.readers[way] {
		if g.is(second, r) {
			return false
		}
	}
	return true
}

// choose takes a way of a choice.
func (g *group) choose(c *choice, way int) {
	c.done = true
	g.trail = append(g.trail, change{choice: c})
	second := c.first[1-way]
	g.add(c.first[way], second)
	for _, r := range c.readers[way] {
		g.add(r, second)
	}
}

// infer takes the way of each choice that has only one left, until none has; false: one has none.
func (g *group) infer() bool {
	for again := true; again; {
		again = false
		for i := range g.choices {
			c := &g.choices[i]
			if c.done {
				continue
			}
			g.o.effort -= 1 + len(c.readers[0]) + len(c.readers[1])
			one, two := g.possible(c, 0), g.possible(c, 1)
			switch {
			case one && two:
				continue
			case !one && !two:
				g.broken = true
			case one:
				g.choose(c, 0)
			default:
				g.choose(c, 1)
			}
			if g.broken {
				g.stuck = c
				return false
			}
			again = true
		}
		if g.spent() {
			return true
		}
	}
	return true
}

// try tells whether a way of a choice leads to no contradiction at once.
func (g *group) try(c *choice, way int) bool {
	g.choose(c, way)
	return !g.broken && g.infer()
}

func (g *group) spent() bool { return g.o.effort < 0 || g.o.b.stopped() }

// solve decides whether the group has an order; Unknown where the effort ends.
func (g *group) solve() Verdict {
	switch {
	case g.broken || !g.infer() || !g.probe() || !g.search(0):
		return Invalid
	case g.spent():
		return Unknown
	}
	return Valid
}

// probe tries each way of each choice by itself: most of what is impossible shows so, wherever in the group it is, without
// all ways of choices elsewhere being tried with it. False: one has no way left.
func (g *group) probe() bool {
	for again := true; again && !g.spent(); {
		again = false
		for i := range g.choices {
			c := &g.choices[i]
			for way := range 2 {
				if c.done || g.spent() {
					break
				}
				mark := len(g.trail)
				fits := g.try(c, way)
				g.undo(mark)
				if fits {
					continue
				}
				again = true
				if !g.try(c, 1-way) {
					g.stuck = c
					return false
				}
			}
		}
	}
	return true
}

// search tries the choices that are left, from one on, in all ways.
func (g *group) search(from int) bool {
	for from < len(g.choices) && g.choices[from].done {
		from++
	}
	if from == len(g.choices) || g.spent() {
		return true
	}
	c := &g.choices[from]
	for way := range 2 {
		mark := len(g.trail)
		if g.try(c, way) && g.search(from+1) {
			return true
		}
		g.undo(mark)
	}
	g.stuck = c
	return false
}
