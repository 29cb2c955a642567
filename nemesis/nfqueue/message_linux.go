package nfqueue

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel's nfnetlink_queue protocol: linux/netfilter/nfnetlink_queue.h.
const (
	messagePacket  = unix.NFNL_SUBSYS_QUEUE << 8
	messageVerdict = unix.NFNL_SUBSYS_QUEUE<<8 | 1
	messageConfig  = unix.NFNL_SUBSYS_QUEUE<<8 | 2

	packetHeader  = 1  // of a packet: its id, 4 bytes, first
	packetPayload = 10 // its bytes
	packetLength  = 13 // its whole length, where less was copied
	verdictHeader = 2  // of a verdict: verdict and packet id
	configCommand = 1
	configParams  = 2
	configLength  = 3 // how many packets a queue holds
	configMask    = 4
	configFlags   = 5

	commandBind = 1
	copyPacket  = 2
	flagGSO     = 1 << 2 // large segments come whole

	drop, accept = 0, 1

	headerSize = 16 + 4 // of netlink and of nfnetlink
	queueLimit = 1 << 16
	copyRange  = 4 // bytes of a packet that are wanted: the kernel tells the length only where it copies some
	copyWhole  = 1<<16 - 1
	bufferSize = 2 * copyWhole // for a message with a whole packet
)

// message is a request about a queue.
func message(kind, flags, queue uint16, attributes ...[]byte) []byte {
	b := make([]byte, headerSize)
	binary.BigEndian.PutUint16(b[18:], queue)
	for _, a := range attributes {
		b = append(b, a...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|flags)
	return b
}

func attribute(kind uint16, data []byte) []byte {
	b := make([]byte, align(4+len(data)))
	binary.NativeEndian.PutUint16(b, uint16(4+len(data)))
	binary.NativeEndian.PutUint16(b[2:], kind)
	copy(b[4:], data)
	return b
}

func align(n int) int { return (n + 3) &^ 3 }

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func verdict(queue uint16, id, what uint32) []byte {
	return message(messageVerdict, 0, queue, attribute(verdictHeader, append(be32(what), be32(id)...)))
}

// packet is one packet that the kernel has handed over.
type packet struct {
	queue uint16
	id    uint32
	size  int
	bytes []byte // as many as were copied
}

// packets reads the packets of what the kernel sent. What is no packet is passed over, and what is cut short ends it.
func packets(b []byte) []packet {
	var all []packet
	for len(b) >= headerSize {
		size := int(binary.NativeEndian.Uint32(b))
		if size < headerSize || size > len(b) {
			return all
		}
		if binary.NativeEndian.Uint16(b[4:]) == messagePacket {
			p := packet{queue: binary.BigEndian.Uint16(b[18:])}
			if p.read(b[headerSize:size]) {
				all = append(all, p)
			}
		}
		b = b[min(len(b), align(size)):]
	}
	return all
}

// read takes what is wanted of a packet's attributes, and reports whether there is an id.
func (p *packet) read(b []byte) bool {
	known := false
	for len(b) >= 4 {
		size := int(binary.NativeEndian.Uint16(b))
		if size < 4 || size > len(b) {
			break
		}
		data := b[4:size]
		switch kind := binary.NativeEndian.Uint16(b[2:]) &^ (1<<15 | 1<<14); {
		case kind == packetHeader && len(data) >= 4:
			p.id, known = binary.BigEndian.Uint32(data), true
		case kind == packetLength && len(data) >= 4:
			p.size = int(binary.BigEndian.Uint32(data))
		case kind == packetPayload:
			p.bytes = data
		}
		b = b[min(len(b), align(size)):]
	}
	return known
}

// socket is a netlink socket to the queues of the namespace in which it was opened.
type socket int

func openSocket() (socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, err
	}
	s := socket(fd)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		s.close()
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1); err != nil {
		s.close()
		return -1, err
	}
	return s, nil
}

func (s socket) close() { unix.Close(int(s)) }

func (s socket) send(b []byte) error {
	return unix.Sendto(int(s), b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// configure asks something of a queue and waits for the kernel's word. Packets that come before it are given to took.
func (s socket) configure(queue uint16, took func([]byte), attributes ...[]byte) error {
	if err := s.send(message(messageConfig, unix.NLM_F_ACK, queue, attributes...)); err != nil {
		return err
	}
	buf := make([]byte, bufferSize)
	for {
		n, _, err := unix.Recvfrom(int(s), buf, 0)
		if err != nil {
			return err
		}
		if n >= headerSize && binary.NativeEndian.Uint16(buf[4:]) == unix.NLMSG_ERROR {
			if code := int32(binary.NativeEndian.Uint32(buf[16:])); code != 0 {
				return fmt.Errorf("packet queue %d: %w", queue, syscall.Errno(-code))
			}
			return nil
		}
		took(buf[:n])
	}
}

// bind makes a queue. Where packets come whole, so that they can be sent again, large segments come in parts: those that have not been
// cut into packets have no checksum yet.
func (s socket) bind(queue uint16, whole bool, took func([]byte)) error {
	wanted, flags := uint32(copyRange), uint32(flagGSO)
	if whole {
		wanted, flags = copyWhole, 0
	}
	if err := s.configure(queue, took, attribute(configCommand, []byte{commandBind, 0, 0, 0})); err != nil {
		return err
	}
	return s.configure(queue, took, attribute(configParams, append(be32(wanted), copyPacket)), attribute(configLength, be32(queueLimit)),
		attribute(configMask, be32(flagGSO)), attribute(configFlags, be32(flags)))
}
