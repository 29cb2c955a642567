package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/store"
)

// What a terminal shows well.
const (
	diagramKeys       = 3
	diagramOperations = 12
	diagramWidth      = 160
)

// printDiagrams draws the evidence against the first invalid keys over time, and the transactions of the first anomalies,
// where they are few enough to be read.
func printDiagrams(w io.Writer, v store.Verdict) error {
	drawn := 0
	draw := func(title string, operations []history.Operation) error {
		if len(operations) == 0 || len(operations) > diagramOperations || drawn == diagramKeys {
			return nil
		}
		lines := strings.Split(strings.TrimSuffix(checker.Diagram(operations), "\n"), "\n")
		if slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > diagramWidth }) {
			return nil
		}
		drawn++
		_, err := fmt.Fprintf(w, "\n  %s over time\n    %s\n", printable(title), printable(strings.Join(lines, "\n"), '\n'))
		return err
	}
	for _, result := range v.Results {
		for _, k := range result.Keys {
			if k.Verdict != checker.Invalid {
				continue
			}
			title := "all"
			if k.Key != "" {
				title = "key " + k.Key
			}
			if err := draw(title, k.Evidence); err != nil {
				return err
			}
		}
		for _, a := range result.Anomalies {
			if a.Tolerated || result.Verdict != checker.Invalid {
				continue
			}
			if err := draw(a.Name, a.Operations); err != nil {
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
