package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

type kind struct {
	op      string
	clients int
	servers int
}

// columns are what the table tells of each load on each system.
var columns = []string{"load", "clients", "servers", "system", "ops/s", "p50 us", "p99 us", "server CPU us/op", "client CPU us/op", "MB on disk", "ordeal is"}

// table prints, in Markdown, the median of the rounds, and how many times faster this project's node is.
func table(w io.Writer, systems []string, all []measurement) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	row(t, columns...)
	row(t, slices.Repeat([]string{"---"}, len(columns))...)
	for _, l := range loads(all) {
		own := median(of(all, "ordeal", l), func(m measurement) float64 { return m.Rate })
		for _, system := range systems {
			rounds := of(all, system, l)
			if len(rounds) == 0 {
				continue
			}
			rate := median(rounds, func(m measurement) float64 { return m.Rate })
			ratio := ""
			if system != "ordeal" && rate > 0 && own > 0 {
				ratio = fmt.Sprintf("%.2f x", own/rate)
			}
			figure := func(digits int, f func(measurement) float64) string {
				return strconv.FormatFloat(median(rounds, f), 'f', digits, 64)
			}
			row(t, l.op, fmt.Sprint(l.clients), fmt.Sprint(l.servers), system, strconv.FormatFloat(rate, 'f', 0, 64),
				figure(0, func(m measurement) float64 { return m.P50 }), figure(0, func(m measurement) float64 { return m.P99 }),
				figure(1, func(m measurement) float64 { return m.ServerCPU * 1e6 / float64(max(1, m.Operations)) }),
				figure(1, func(m measurement) float64 { return m.CPU * 1e6 / float64(max(1, m.Operations)) }),
				figure(0, func(m measurement) float64 { return float64(m.Bytes) / 1e6 }), ratio)
		}
	}
	return t.Flush()
}

// row prints a row of a table in Markdown.
func row(w io.Writer, cells ...string) {
	fmt.Fprintf(w, "| %s\t|\n", strings.Join(cells, "\t| "))
}

// loads are the kinds of load, in the order in which they were measured.
func loads(all []measurement) []kind {
	var list []kind
	seen := map[kind]bool{}
	for _, m := range all {
		if l := (kind{m.Op, m.Clients, m.Servers}); !seen[l] {
			seen[l] = true
			list = append(list, l)
		}
	}
	return list
}

func of(all []measurement, system string, l kind) []measurement {
	var some []measurement
	for _, m := range all {
		if m.System == system && m.Op == l.op && m.Clients == l.clients && m.Servers == l.servers {
			some = append(some, m)
		}
	}
	return some
}
