package transport

import (
	"bufio"
	"fmt"
	"net"

	"github.com/ordeal-dev/ordeal/node/wire"
	"github.com/ordeal-dev/ordeal/raft"
)

// Receive takes in messages from a peer that has introduced itself, until the connection ends, and gives each to take.
// The receiver's own hello must have been sent.
func Receive(conn net.Conn, peer wire.Hello, self raft.NodeID, take func([]raft.Message)) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	var buf []byte
	for {
		payload, err := wire.ReadFrame(r, buf)
		if err != nil {
			return err
		}
		buf = payload[:cap(payload)]
		if len(payload) == 0 {
			if err := pong(conn); err != nil {
				return err
			}
			continue
		}
		var messages []raft.Message
		if err := wire.DecodeMessages(payload, func(m raft.Message) { messages = append(messages, m) }); err != nil {
			return err
		}
		for _, m := range messages {
			if m.From != peer.From || m.To != self {
				return fmt.Errorf("message from node %d to node %d on the connection of node %d to node %d", m.From, m.To, peer.From, self)
			}
		}
		take(messages)
	}
}

func pong(conn net.Conn) error {
	b, start := wire.BeginFrame(nil)
	_, err := conn.Write(wire.EndFrame(b, start))
	return err
}
