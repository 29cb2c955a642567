package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

// What a terminal shows well.
const (
	diagramKeys       = 3
	diagramOperations = 12
	diagramWidth      = 160
)

// printDiagrams draws the evidence against the first invalid keys over time, where it is small enough to be read.
func printDiagrams(w io.Writer, v store.Verdict) error {
	drawn := 0
	for _, result := range v.Results {
		for _, k := range result.Keys {
			if k.Verdict != checker.Invalid || len(k.Evidence) == 0 || len(k.Evidence) > diagramOperations || drawn == diagramKeys {
				continue
			}
			lines := strings.Split(strings.TrimSuffix(checker.Diagram(k.Evidence), "\n"), "\n")
			if slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > diagramWidth }) {
				continue
			}
			drawn++
			title := "over time"
			if k.Key != "" {
				title = "key " + printable(k.Key) + " " + title
			}
			if _, err := fmt.Fprintf(w, "\n  %s\n    %s\n", title, printable(strings.Join(lines, "\n"), '\n')); err != nil {
				return err
			}
		}
	}
	return nil
}

// printable is text whose characters do nothing to a terminal, but for those allowed; lines after the first are indented.
func printable(text string, allowed ...rune) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || slices.Contains(allowed, r) {
			return r
		}
		return '\uFFFD'
	}, text)
	return strings.ReplaceAll(text, "\n", "\n    ")
}
