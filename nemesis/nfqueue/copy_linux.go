package nfqueue

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// copyMark is on every copy, so that the rules let it pass: "ordl".
const copyMark = 0x6f72646c

// copier sends packets that have arrived here once more, to where they were going. A packet that is sent to this machine's own address
// arrives as one from outside does, whoever its sender is said to be.
type copier struct{ ipv4, ipv6 int }

func newCopier() (*copier, error) {
	c := &copier{-1, -1}
	var errs [2]error
	c.ipv4, errs[0] = rawSocket(unix.AF_INET)
	c.ipv6, errs[1] = rawSocket(unix.AF_INET6)
	if c.ipv4 < 0 && c.ipv6 < 0 {
		return nil, fmt.Errorf("packet queue: a socket for copies of packets: %w%s", errors.Join(errs[:]...), rawRemedy(errs[0]))
	}
	return c, nil
}

func rawRemedy(err error) string {
	if errors.Is(err, unix.EPERM) {
		return ": it needs CAP_NET_RAW (in Docker: cap_add NET_RAW)"
	}
	return ""
}

// rawSocket is a socket for whole packets, with their own header.
func rawSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return -1, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, copyMark); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (c *copier) close() {
	for _, fd := range []int{c.ipv4, c.ipv6} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// send sends a copy.
func (c *copier) send(packet []byte) error {
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		return unix.Sendto(c.ipv4, packet, 0, &unix.SockaddrInet4{Addr: [4]byte(packet[16:20])})
	case len(packet) >= 40 && packet[0]>>4 == 6:
		return unix.Sendto(c.ipv6, packet, 0, &unix.SockaddrInet6{Addr: [16]byte(packet[24:40])})
	}
	return errors.New("a packet to be copied has no header that is known")
}

// ProbeCopies tells why no packet can come twice here.
func ProbeCopies() error {
	c, err := newCopier()
	if err == nil {
		c.close()
	}
	return err
}
