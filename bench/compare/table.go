package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

type kind struct {
	op      string
	clients int
	servers int
}

// table prints the median of the rounds, and how many times faster this project's node is.
func table(w io.Writer, systems []string, all []measurement) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "load\tclients\tservers\tsystem\tops/s\tp50 us\tp99 us\tserver CPU us/op\tclient CPU us/op\tMB on disk\tordeal is\t")
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
			fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%.0f\t%.0f\t%.0f\t%.1f\t%.1f\t%.0f\t%s\t\n", l.op, l.clients, l.servers, system, rate,
				median(rounds, func(m measurement) float64 { return m.P50 }), median(rounds, func(m measurement) float64 { return m.P99 }),
				median(rounds, func(m measurement) float64 { return m.ServerCPU * 1e6 / float64(max(1, m.Operations)) }),
				median(rounds, func(m measurement) float64 { return m.CPU * 1e6 / float64(max(1, m.Operations)) }),
				median(rounds, func(m measurement) float64 { return float64(m.Bytes) / 1e6 }), ratio)
		}
	}
	return t.Flush()
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
