package report

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/store"
)

const (
	commitHeight = 120
	commitPoints = 400 // a node
	maxLines     = 12  // nodes
)

// commitStep is how far a node had committed in a part of the test.
type commitStep struct {
	commit uint64
	known  bool // it told
	down   bool // at the end of the part
}

// commits draws how far each node had committed: a line that does not rise is a node that is cut off or behind.
func commits(observations []store.Observation, a axis, faults *faultView) (plot, bool) {
	steps, highest := commitSteps(observations, a)
	names := slices.SortedFunc(maps.Keys(steps), naturally)
	if highest == 0 {
		return plot{}, false
	}
	scale := newLinear(float64(highest), commitHeight)
	var d drawing
	gridlines(&d, scale.ticks())
	faults.shade(&d, commitHeight)
	d.open("svg", stretched(commitHeight)...)
	for i, name := range names {
		d.element("path", "", "class", fmt.Sprintf("commit c%d", i%8), "d", commitLine(steps[name], scale))
	}
	d.close("svg")
	d.open("g", "class", "hits")
	for i := range commitPoints {
		x, width := 100*float64(i)/commitPoints, 100.0/commitPoints
		d.element("rect", explainCommits(names, steps, i, a), "x", percent(x), "width", percent(width), "y", "0", "height", fmt.Sprint(commitHeight))
	}
	d.close("g")
	return plot{Title: "Commit index, by node", Key: commitKey(names), Height: commitHeight,
		About:  fmt.Sprintf("Commit index of each node over the test; the furthest is %s.", thousands(int(min(highest, 1<<62)))),
		Labels: labels(scale.ticks(), commitHeight), Body: d.html()}, true
}

// commitSteps thins the observations to the last of each part of the test, and carries it on until there is another.
func commitSteps(observations []store.Observation, a axis) (byNode map[string][]commitStep, highest uint64) {
	byNode = map[string][]commitStep{}
	ordered := slices.Clone(observations)
	slices.SortStableFunc(ordered, func(a, b store.Observation) int { return cmp.Compare(a.Time, b.Time) })
	told := map[string][]bool{}
	for _, o := range ordered {
		if byNode[o.Node] == nil {
			if len(byNode) == maxLines {
				continue
			}
			byNode[o.Node], told[o.Node] = make([]commitStep, commitPoints), make([]bool, commitPoints)
		}
		i := min(int(a.x(o.Time)/100*commitPoints), commitPoints-1)
		s := commitStep{commit: o.Commit, known: true, down: o.Role == "down"}
		byNode[o.Node][i], told[o.Node][i] = s, true
		highest = max(highest, o.Commit)
	}
	for node, steps := range byNode {
		for i := 1; i < commitPoints; i++ {
			if !told[node][i] {
				steps[i] = steps[i-1]
			}
		}
	}
	return byNode, highest
}

// commitLine breaks where the node was down.
func commitLine(steps []commitStep, scale linear) string {
	var path strings.Builder
	pen := "M"
	for i, s := range steps {
		if !s.known || s.down {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%s %s", pen, number((float64(i)+0.5)*scaled/commitPoints), number(scale.y(float64(s.commit))))
		pen = "L"
	}
	return path.String()
}

func explainCommits(names []string, steps map[string][]commitStep, i int, a axis) string {
	at := a.length / commitPoints * time.Duration(i)
	text := "commit index at " + instant(at)
	for _, name := range names {
		s := steps[name][i]
		switch {
		case s.down:
			text += fmt.Sprintf("\n%s: down", shown(name, 40))
		case s.known:
			text += fmt.Sprintf("\n%s: %s", shown(name, 40), thousands(int(min(s.commit, 1<<62))))
		}
	}
	return text
}

// commitKey says which line is whose.
func commitKey(names []string) template.HTML {
	var d drawing
	for i, name := range names {
		d.open("span")
		d.open("svg", "width", "22", "height", "10", "aria-hidden", "true")
		d.element("path", "", "class", fmt.Sprintf("commit c%d", i%8), "d", "M0 5H22")
		d.close("svg")
		d.b.WriteString(" " + template.HTMLEscapeString(short(name, 16)))
		d.close("span")
	}
	return d.html()
}
