package shrink

// Minimize leaves out of items as many as it can while fails stays true of what is left, which keeps its order: halves
// first, single ones last (Zeller's delta debugging). Of the result nothing more can be left out, neither one item nor two
// neighbours, as long as fails is a function of its argument and never gave up. That fails(items) is true is taken for
// granted. A fails that has run out of time says false to all, and ends it soon.
func Minimize[T any](items []T, fails func([]T) bool) []T {
	for size := (len(items) + 1) / 2; size > 0; {
		less := pass(items, size, fails)
		switch {
		case size > 1:
			size = min(size/2, max(1, len(less)/2))
			if len(less) == 0 {
				size = 0
			}
		case len(less) == len(items):
			return pairs(less, fails)
		}
		items = less
	}
	return items
}

// pass goes once over items, last ones first (what came after the failure's cause goes at once), and leaves out every stretch of
// size that can go.
func pass[T any](items []T, size int, fails func([]T) bool) []T {
	for end := len(items); end > 0; end -= size {
		start := max(0, end-size)
		if less := without(items, start, end); fails(less) {
			items = less
		}
	}
	return items
}

// pairs leaves out neighbours of which neither can go alone: a fault and its heal, a kill and the start after it.
func pairs[T any](items []T, fails func([]T) bool) []T {
	for start := len(items) - 2; start >= 0; start-- {
		if less := without(items, start, start+2); fails(less) {
			return Minimize(less, fails)
		}
	}
	return items
}

func without[T any](items []T, start, end int) []T {
	left := make([]T, 0, len(items)-(end-start))
	return append(append(left, items[:start]...), items[end:]...)
}
