package netfilter

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// payloadInner is NFT_PAYLOAD_INNER_HEADER: the bytes behind the transport header. Reading one breaks the rule off for
// a packet that has none, which is how "carries payload" is asked.
const payloadInner expr.PayloadBase = 3

// TCP's flags byte and the two bits that tell an opening segment.
const (
	tcpFlagsOffset = 13
	tcpSYN         = 0x02
	tcpACK         = 0x10
)

// Filter writes and reads the rules of the network namespace in which its methods are called. There is one table to a
// namespace, so one Filter to a namespace is enough. The zero value is ready for use; it may be used by many goroutines.
//
// It keeps its netlink connection: closing one makes the kernel wait until it has freed what was replaced, some
// milliseconds, where the change itself takes a tenth of one.
type Filter struct {
	mu   sync.Mutex
	conn *nftables.Conn
}

// Replace puts exactly these drops in force in place of all earlier ones, in one transaction, and reads them back. No
// drops is the same as Clear. When it returns without error nothing that a drop covers is delivered any more. It needs
// CAP_NET_ADMIN in the namespace.
func (f *Filter) Replace(drops []Drop) error {
	drops, err := normalizeAll(drops)
	if err != nil {
		return err
	}
	if len(drops) == 0 {
		return f.Clear()
	}
	return f.with(func(conn *nftables.Conn) error { return replace(conn, drops) })
}

// Clear removes every rule. It is no error if there are none.
func (f *Filter) Clear() error { return f.with(clearTable) }

// Counts tells what each drop in force has stopped, sorted by direction, mode and peer.
func (f *Filter) Counts() (counts []Count, err error) {
	err = f.with(func(conn *nftables.Conn) error {
		counts, err = readCounts(conn)
		return err
	})
	return counts, err
}

// Close lets go of the connection. The rules stay.
func (f *Filter) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.close()
}

func (f *Filter) close() error {
	conn := f.conn
	f.conn = nil
	if conn == nil {
		return nil
	}
	return conn.CloseLasting()
}

// with does something over the connection. After an error the connection is not used again: it may hold answers that
// nobody has read.
func (f *Filter) with(do func(*nftables.Conn) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		conn, err := nftables.New(nftables.AsLasting())
		if err != nil {
			return explain("open", err)
		}
		f.conn = conn
	}
	err := do(f.conn)
	if err != nil {
		_ = f.close()
	}
	return err
}

func replace(conn *nftables.Conn, drops []Drop) error {
	if err := writeTable(conn, drops); err != nil {
		return err
	}
	// The check at flush is not enough: a partition was once seen that answered well and was not there.
	counts, err := readCounts(conn)
	if err != nil {
		return fmt.Errorf("read the rules back: %w", err)
	}
	got := make([]Drop, len(counts))
	for i, c := range counts {
		got[i] = c.Drop
	}
	if !slices.Equal(got, drops) {
		return fmt.Errorf("the kernel accepted the rules and holds others: asked %v, read back %v", drops, got)
	}
	return nil
}

func clearTable(conn *nftables.Conn) error {
	dropTable(conn)
	if err := conn.Flush(); err != nil {
		return explain("clear", err)
	}
	present, err := tablePresent(conn)
	if err != nil {
		return err
	}
	if present {
		return fmt.Errorf("table %s is still there after its removal was acknowledged", Table)
	}
	return nil
}

func table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: Table}
}

// dropTable queues the table's removal. It is added first because removing what is not there is an error.
func dropTable(conn *nftables.Conn) {
	conn.DelTable(conn.AddTable(table()))
}

// writeTable replaces the table by one that holds drops.
func writeTable(conn *nftables.Conn, drops []Drop) error {
	dropTable(conn)
	t := conn.AddTable(table())
	chains := map[Direction]*nftables.Chain{
		In:  addChain(conn, t, "in", nftables.ChainHookPrerouting),
		Out: addChain(conn, t, "out", nftables.ChainHookOutput),
	}
	if slices.ContainsFunc(drops, func(d Drop) bool { return d.Peer.Is6() }) {
		for _, chain := range chains {
			conn.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: passNeighborDiscovery()})
		}
	}
	for _, g := range groups() {
		elements := g.elements(drops)
		if len(elements) == 0 {
			continue
		}
		set := g.set(t)
		if err := conn.AddSet(set, elements); err != nil {
			return fmt.Errorf("set %s: %w", set.Name, err)
		}
		for _, match := range g.matches() {
			conn.AddRule(&nftables.Rule{Table: t, Chain: chains[g.direction], Exprs: g.rule(set, match)})
		}
	}
	if err := conn.Flush(); err != nil {
		return explain("write", err)
	}
	return nil
}

func addChain(conn *nftables.Conn, t *nftables.Table, name string, hook *nftables.ChainHook) *nftables.Chain {
	accept := nftables.ChainPolicyAccept
	return conn.AddChain(&nftables.Chain{
		Name: name, Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: hook, Priority: nftables.ChainPriorityRaw, Policy: &accept,
	})
}

// explain adds what to do to the errors that have a known cause.
func explain(what string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("packet filter: %s: %w: it needs CAP_NET_ADMIN (in Docker: cap_add NET_ADMIN)", what, err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("packet filter: %s: %w: this kernel has no nf_tables for family inet", what, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("packet filter: %s: %w: counting needs Linux 5.11 or newer, mode %q 5.16", what, err, Data)
	}
	return fmt.Errorf("packet filter: %s: %w", what, err)
}
