package qdisc

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// requeuesAt is where struct gnet_stats_queue has its requeues.
const requeuesAt = 12

// overtaken is how many packets a netem has put before those that waited: it counts them as requeues. The library forgets these, for it
// reads the older struct tc_stats behind the newer one.
func overtaken(index int, handle uint32) (uint64, error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETQDISC, unix.NLM_F_DUMP)
	request.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(index)})
	messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWQDISC)
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		if head := nl.DeserializeTcMsg(m); head.Ifindex != int32(index) || head.Handle != handle {
			continue
		}
		queue, err := attributeOf(m[nl.SizeofTcMsg:], nl.TCA_STATS2, nl.TCA_STATS_QUEUE)
		if err == nil && len(queue) < requeuesAt+4 {
			err = fmt.Errorf("its counts have %d bytes", len(queue))
		}
		if err != nil {
			return 0, err
		}
		return uint64(binary.NativeEndian.Uint32(queue[requeuesAt:])), nil
	}
	return 0, fmt.Errorf("the kernel does not list it")
}

// attributeOf finds an attribute within others.
func attributeOf(b []byte, path ...int) ([]byte, error) {
	for _, kind := range path {
		attributes, err := nl.ParseRouteAttr(b)
		if err != nil {
			return nil, err
		}
		b = nil
		for _, a := range attributes {
			if int(a.Attr.Type) == kind {
				b = a.Value
			}
		}
	}
	return b, nil
}
