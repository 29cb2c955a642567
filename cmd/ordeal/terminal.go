package main

import (
	"slices"
	"strings"
	"unicode"
)

// harmless is text of several lines whose other characters do nothing to a terminal: what came out of files may have been put there to.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || slices.Contains([]rune{'\n', '\t', '\u00a0'}, r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
