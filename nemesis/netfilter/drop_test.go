package netfilter_test

import (
	"net/netip"
	"testing"

	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/stretchr/testify/require"
)

// A drop that is no drop of one peer's packets is refused before the kernel is asked.
func TestReplaceRefuses(t *testing.T) {
	peer := netip.MustParseAddr("10.0.0.1")
	for name, c := range map[string]struct {
		drop netfilter.Drop
		want string
	}{
		"direction":     {netfilter.Drop{Direction: "sideways", Peer: peer, Mode: netfilter.All}, `direction is "sideways"`},
		"mode":          {netfilter.Drop{Direction: netfilter.In, Peer: peer, Mode: "some"}, `mode is "some"`},
		"no peer":       {netfilter.Drop{Direction: netfilter.In, Mode: netfilter.All}, "no peer address"},
		"loopback":      {netfilter.Drop{Direction: netfilter.In, Peer: netip.MustParseAddr("127.0.0.1"), Mode: netfilter.All}, "not the address of one peer"},
		"unspecified":   {netfilter.Drop{Direction: netfilter.In, Peer: netip.MustParseAddr("::"), Mode: netfilter.All}, "not the address of one peer"},
		"port and peer": {netfilter.Drop{Direction: netfilter.In, Peer: peer, Port: 7001, Mode: netfilter.All}, "of port 7001 all that arrives"},
		"port out":      {netfilter.Drop{Direction: netfilter.Out, Port: 7001, Mode: netfilter.All}, "of port 7001 all that arrives"},
		"multicast":     {netfilter.Drop{Direction: netfilter.In, Peer: netip.MustParseAddr("224.0.0.1"), Mode: netfilter.All}, "not the address of one peer"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, new(netfilter.Filter).Replace([]netfilter.Drop{c.drop}), c.want)
		})
	}
}
