package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/store"
)

const (
	nodeLane        = 22
	maxNodeLanes    = 50
	maxNodeSegments = 1500
)

// segment is a stretch of time in which a node said the same of itself.
type segment struct {
	node       string
	role       string
	term       uint64
	start, end time.Duration
	commit     uint64 // last seen in it
}

// segments turn each node's observations into stretches. A node that changed nothing but its commit index stays in one.
func segments(observations []store.Observation, length time.Duration) map[string][]segment {
	byNode := map[string][]segment{}
	ordered := slices.Clone(observations)
	slices.SortStableFunc(ordered, func(a, b store.Observation) int { return cmp.Compare(a.Time, b.Time) })
	for _, o := range ordered {
		list := byNode[o.Node]
		if n := len(list); n > 0 {
			last := &list[n-1]
			last.end = o.Time
			if last.role == o.Role && (last.term == o.Term || o.Role == "down") {
				last.commit = max(last.commit, o.Commit)
				continue
			}
		}
		byNode[o.Node] = append(list, segment{node: o.Node, role: o.Role, term: o.Term, start: o.Time, commit: o.Commit})
	}
	for _, list := range byNode {
		list[len(list)-1].end = max(length, list[len(list)-1].start)
	}
	return byNode
}

// fromLeaderships stands in where nobody kept observations.
func fromLeaderships(leaders []store.Leadership) map[string][]segment {
	byNode := map[string][]segment{}
	for _, l := range leaders {
		byNode[l.Node] = append(byNode[l.Node], segment{node: l.Node, role: "leader", term: l.Term, start: l.Start, end: l.End})
	}
	return byNode
}

// whoLed draws a lane a node: when it led and in which term, when it stood for election, when it was down.
func whoLed(nodes []string, byNode map[string][]segment, a axis, faults *faultView) plot {
	names := laneNames(nodes, byNode)
	height := max(len(names), 1) * nodeLane
	var d drawing
	faults.shade(&d, height)
	apart := enoughApart(byNode, names, a.length)
	for i, name := range names {
		y := float64(i * nodeLane)
		d.element("line", "", "x1", "0", "x2", "100%", "y1", number(y+nodeLane/2), "y2", number(y+nodeLane/2), "class", "follow")
		for _, s := range thinned(byNode[name], apart) {
			drawSegment(&d, s, y, a)
		}
	}
	about := "Which node led in which term, and which were down."
	if apart > 0 {
		about += fmt.Sprintf(" There are more changes than can be drawn; those within %s of another are left out.", duration(apart))
	}
	return plot{Title: "Who led, by term", Height: height, About: about, Labels: rows(names, nodeLane), Body: d.html()}
}

// enoughApart is the distance in time at which the segments that remain are few enough to draw.
func enoughApart(byNode map[string][]segment, names []string, length time.Duration) time.Duration {
	for apart := time.Duration(0); ; apart = max(2*apart, length/4000, 1) {
		n := 0
		for _, name := range names {
			n += len(thinned(byNode[name], apart))
		}
		if n <= maxNodeSegments || apart > length {
			return apart
		}
	}
}

// thinned are a node's segments that stand out and begin at least so far from one another.
func thinned(list []segment, apart time.Duration) []segment {
	var kept []segment
	for _, s := range list {
		if s.role == "follower" || len(kept) > 0 && s.start-kept[len(kept)-1].start < apart {
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

func laneNames(nodes []string, byNode map[string][]segment) []string {
	names := slices.Clone(nodes)
	var others []string
	for name := range byNode {
		if !slices.Contains(names, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	names = append(names, others...)
	return names[:min(len(names), maxNodeLanes)]
}

// drawSegment draws what stands out; a follower is the line that is there anyway.
func drawSegment(d *drawing, s segment, y float64, a axis) {
	class, label := "", ""
	switch s.role {
	case "leader":
		class, label = "leader", fmt.Sprint(s.term)
		if s.term%2 == 0 {
			class += " even"
		}
	case "candidate":
		class = "candidate"
	case "down":
		class, label = "down", "down"
	default:
		return
	}
	x, width := a.span(s.start, s.end)
	d.open("g", "tabindex", "-1", "role", "img", "aria-label", explainSegment(s))
	d.title(explainSegment(s))
	d.element("rect", "", "x", percent(x), "width", percent(max(width, 0.15)), "y", number(y+3), "height", fmt.Sprint(nodeLane-6), "class", class)
	if label != "" {
		d.label(label, x, width, y+3, nodeLane-6, "name on-"+s.role)
	}
	d.close("g")
}

func explainSegment(s segment) string {
	what := s.role
	if s.role != "down" {
		what = fmt.Sprintf("%s in term %d", s.role, s.term)
	}
	text := fmt.Sprintf("%s: %s\n%s to %s (%s)", shown(s.node, 40), what, instant(s.start), instant(s.end), duration(s.end-s.start))
	if s.commit > 0 {
		text += fmt.Sprintf("\ncommit index %s at its end", thousands(int(min(s.commit, 1<<62))))
	}
	return text
}

// leaderSummary is the leaders in a phrase: 4 leaderships of 3 nodes, terms 1 to 9.
func leaderSummary(leaders []store.Leadership) string {
	if len(leaders) == 0 {
		return "none seen"
	}
	nodes := map[string]bool{}
	low, high := leaders[0].Term, leaders[0].Term
	for _, l := range leaders {
		nodes[l.Node] = true
		low, high = min(low, l.Term), max(high, l.Term)
	}
	terms := fmt.Sprintf("terms %d to %d", low, high)
	if low == high {
		terms = fmt.Sprintf("term %d", low)
	}
	return fmt.Sprintf("%s of %s, %s", plural(len(leaders), "leadership"), plural(len(nodes), "node"), terms)
}
