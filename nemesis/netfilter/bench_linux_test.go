package netfilter_test

import (
	"testing"

	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
)

// BenchmarkReplace puts a cut in force in place of another one, BenchmarkReplaceAndClear makes one and heals it.
func BenchmarkReplace(b *testing.B) {
	inNamespaceOf(b, func(n *namespace) error {
		for b.Loop() {
			if err := n.filter.Replace([]netfilter.Drop{{Direction: netfilter.In, Peer: addr("10.0.0.1"), Mode: netfilter.All}}); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkCounts(b *testing.B) {
	inNamespaceOf(b, func(n *namespace) error {
		err := n.filter.Replace([]netfilter.Drop{{Direction: netfilter.In, Peer: addr("10.0.0.1"), Mode: netfilter.All}})
		for b.Loop() && err == nil {
			_, err = n.filter.Counts()
		}
		return err
	})
}

func BenchmarkReplaceAndClear(b *testing.B) {
	inNamespaceOf(b, func(n *namespace) error {
		for b.Loop() {
			if err := n.filter.Replace([]netfilter.Drop{{Direction: netfilter.In, Peer: addr("10.0.0.1"), Mode: netfilter.All}}); err != nil {
				return err
			}
			if err := n.filter.Clear(); err != nil {
				return err
			}
		}
		return nil
	})
}

func inNamespaceOf(b *testing.B, f func(*namespace) error) {
	n := newNamespace(b)
	n.do(b, func() error { return f(n) })
}
