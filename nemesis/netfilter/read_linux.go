package netfilter

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

func tablePresent(conn *nftables.Conn) (bool, error) {
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, explain("list tables", err)
	}
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == Table }), nil
}

// readCounts reads the table from the kernel. A set counts as in force only when the chain of its direction has the
// rules that use it.
func readCounts(conn *nftables.Conn) ([]Count, error) {
	present, err := tablePresent(conn)
	if err != nil || !present {
		return nil, err
	}
	t := table()
	sets, err := conn.GetSets(t)
	if err != nil {
		return nil, explain("list sets", err)
	}
	uses, err := setUses(conn, t)
	if err != nil {
		return nil, err
	}
	var counts []Count
	for _, g := range groups() {
		if !slices.ContainsFunc(sets, func(s *nftables.Set) bool { return s.Name == g.name() }) {
			continue
		}
		if want := len(g.matches()); uses[g.name()] != want {
			return nil, fmt.Errorf("table %s: %d rules use set %s, want %d", Table, uses[g.name()], g.name(), want)
		}
		elements, err := conn.GetSetElements(g.set(t))
		if err != nil {
			return nil, explain("list set "+g.name(), err)
		}
		cs, err := g.counts(elements)
		if err != nil {
			return nil, err
		}
		counts = append(counts, cs...)
	}
	slices.SortFunc(counts, func(a, b Count) int { return compareDrops(a.Drop, b.Drop) })
	return counts, nil
}

// setUses counts, for each set, the rules that look it up and drop.
func setUses(conn *nftables.Conn, t *nftables.Table) (map[string]int, error) {
	uses := map[string]int{}
	for _, name := range []string{"in", "out"} {
		rules, err := conn.GetRules(t, &nftables.Chain{Name: name, Table: t})
		if err != nil {
			return nil, explain("list chain "+name, err)
		}
		for _, r := range rules {
			if set, drops := looksUpAndDrops(r); drops {
				uses[set]++
			}
		}
	}
	return uses, nil
}

func looksUpAndDrops(r *nftables.Rule) (set string, drops bool) {
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Lookup:
			set = e.SetName
		case *expr.Verdict:
			drops = e.Kind == expr.VerdictDrop
		}
	}
	return set, drops && set != ""
}
