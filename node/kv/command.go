package kv

import (
	"encoding/binary"
	"fmt"

	"github.com/ordeal-dev/ordeal/node/codec"
)

// CommandKind says what a command of the log asks of the state machine.
type CommandKind uint8

const (
	// Transact runs a transaction, in a session or without one.
	Transact CommandKind = iota + 1
	// OpenSession begins a client session, whose id is the index of this command's entry (thesis 6.3, R21).
	OpenSession
)

// Command is the Data of a command entry.
type Command struct {
	Kind CommandKind
	Txn  Txn // Transact

	// Transact in a session (0: in none): the command with this Sequence takes effect once, however often it is in the
	// log. The client has the answers to all sequence numbers up to Acknowledged, and will not ask for them again.
	Session      uint64
	Sequence     uint64
	Acknowledged uint64
}

// Check reports what makes the command unacceptable.
func (c Command) Check() error {
	switch {
	case c.Kind == OpenSession:
		return nil
	case c.Session != 0 && c.Sequence <= c.Acknowledged:
		return fmt.Errorf("sequence number %d is not after %d, whose answer the client has", c.Sequence, c.Acknowledged)
	}
	return c.Txn.Check()
}

// ReadOnly reports whether the command can change nothing, so that it need not go through the log.
func (c Command) ReadOnly() bool { return c.Kind == Transact && c.Txn.ReadOnly() }

// AppendCommand appends the encoding of c to b. A transaction without a session is encoded as AppendTxn does; the others
// begin with a format version of their own: 2, session, sequence, acknowledged, transaction; 3 alone opens a session.
func AppendCommand(b []byte, c Command) []byte {
	switch {
	case c.Kind == OpenSession:
		return append(b, openVersion)
	case c.Session == 0:
		return AppendTxn(b, c.Txn)
	}
	b = append(b, sessionVersion)
	b = binary.AppendUvarint(b, c.Session)
	b = binary.AppendUvarint(b, c.Sequence)
	b = binary.AppendUvarint(b, c.Acknowledged)
	return AppendTxn(b, c.Txn)
}

const (
	sessionVersion = 2
	openVersion    = 3
)

// DecodeCommand reads what AppendCommand wrote. The result shares no memory with b.
func DecodeCommand(b []byte) (Command, error) {
	if len(b) == 0 || b[0] != sessionVersion && b[0] != openVersion {
		t, err := DecodeTxn(b)
		return Command{Kind: Transact, Txn: t}, err
	}
	r := codec.NewReader(b[1:])
	if b[0] == openVersion {
		return Command{Kind: OpenSession}, r.End("command")
	}
	c := Command{Kind: Transact, Session: r.Uvarint(), Sequence: r.Uvarint(), Acknowledged: r.Uvarint()}
	if r.Err() == nil && c.Session == 0 {
		r.Fail("session 0")
	}
	if r.Err() != nil {
		return Command{}, r.End("command")
	}
	var err error
	if c.Txn, err = DecodeTxn(r.Rest()); err != nil {
		return Command{}, err
	}
	return c, c.Check()
}
