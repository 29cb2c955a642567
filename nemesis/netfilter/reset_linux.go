package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// TCP states that have no connection to destroy.
const (
	tcpTimeWait = 6
	tcpClose    = 7
	tcpListen   = 10
)

// ResetConnections destroys the namespace's TCP connections with the peers, also those that are being opened, and
// returns how many. Their owners see ECONNABORTED at once; the peer gets an RST. A kernel built without socket
// destruction answers EOPNOTSUPP: connections then wait for their own timers.
func ResetConnections(peers []netip.Addr) (int, error) {
	want := make([]netip.Addr, len(peers))
	for i, p := range peers {
		want[i] = p.Unmap()
	}
	destroyed := 0
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if errors.Is(err, netlink.ErrDumpInterrupted) {
			err = nil // connections came and went meanwhile; those that were cut were there all along
		}
		if err != nil {
			if family == unix.AF_INET6 && gone(err) {
				continue // no IPv6 here
			}
			return destroyed, fmt.Errorf("list TCP connections: %w", err)
		}
		for _, s := range sockets {
			if !connectsTo(s, want) {
				continue
			}
			switch err := destroy(s); {
			case err == nil:
				destroyed++
			case gone(err):
			default:
				return destroyed, fmt.Errorf("destroy the connection %v:%d to %v:%d: %w",
					s.ID.Source, s.ID.SourcePort, s.ID.Destination, s.ID.DestinationPort, err)
			}
		}
	}
	return destroyed, nil
}

// gone tells the answers for a connection that ended since it was listed.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) }

func connectsTo(s *netlink.Socket, peers []netip.Addr) bool {
	switch s.State {
	case tcpTimeWait, tcpClose, tcpListen:
		return false
	}
	remote, ok := netip.AddrFromSlice(s.ID.Destination)
	return ok && slices.Contains(peers, remote.Unmap())
}

// destroy names the socket by addresses, ports and cookie, so that a newer connection on the same ports is left alone.
func destroy(s *netlink.Socket) error {
	req := nl.NewNetlinkRequest(nl.SOCK_DESTROY, unix.NLM_F_ACK)
	req.AddData(destroyRequest{s})
	_, err := req.Execute(unix.NETLINK_INET_DIAG, 0)
	return err
}

// destroyRequest is struct inet_diag_req_v2 of linux/inet_diag.h.
type destroyRequest struct{ s *netlink.Socket }

func (destroyRequest) Len() int { return 56 }

func (r destroyRequest) Serialize() []byte {
	id := r.s.ID
	source, destination := []byte(id.Source.To16()), []byte(id.Destination.To16())
	if r.s.Family == unix.AF_INET {
		source, destination = id.Source.To4(), id.Destination.To4()
	}
	b := make([]byte, r.Len())
	b[0], b[1] = r.s.Family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], 1<<r.s.State)
	binary.BigEndian.PutUint16(b[8:], id.SourcePort)
	binary.BigEndian.PutUint16(b[10:], id.DestinationPort)
	copy(b[12:28], source)
	copy(b[28:44], destination)
	binary.NativeEndian.PutUint32(b[44:], id.Interface)
	binary.NativeEndian.PutUint32(b[48:], id.Cookie[0])
	binary.NativeEndian.PutUint32(b[52:], id.Cookie[1])
	return b
}
