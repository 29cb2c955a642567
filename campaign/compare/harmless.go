package compare

import (
	"strings"
	"unicode"
)

// harmless is text from a campaign's files, which may have been put there to play with a terminal, as a line without anything that does.
func harmless(text string) string { return printed(text, "") }

// harmlessLines leaves the ends of lines in.
func harmlessLines(text string) string { return printed(text, "\n") }

func printed(text, but string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || strings.ContainsRune(but, r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
