package nfqueue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
)

// The number of the first peer's queue, and those of a probe, which must not disturb a shaper.
const (
	firstQueue = 7700
	probeQueue = 7699
	probeTable = Table + "_probe"
)

// Shaper shapes what arrives in the network namespace in which its methods are called. One to a namespace is enough. The zero value is ready
// for use; it may be used by many goroutines.
type Shaper struct {
	mu     sync.Mutex
	server *server
	peers  []shaping.Peer
	probe  bool
}

func (s *Shaper) table() string {
	if s.probe {
		return probeTable
	}
	return Table
}

func (s *Shaper) queue(i int) uint16 {
	if s.probe {
		return probeQueue
	}
	return firstQueue + uint16(i)
}

// Replace shapes exactly the given peers' packets, in place of whatever was shaped before; none: nothing is. It needs CAP_NET_ADMIN.
func (s *Shaper) Replace(peers []shaping.Peer) error {
	peers, err := shaping.CheckPeers(peers)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.clear(); err != nil || len(peers) == 0 {
		return err
	}
	if err := s.put(peers); err != nil {
		return errors.Join(err, s.clear())
	}
	return nil
}

func (s *Shaper) put(peers []shaping.Peer) error {
	server, err := newServer()
	if err != nil {
		return explain(err)
	}
	if slices.ContainsFunc(peers, func(p shaping.Peer) bool { return p.Shape.Duplicate > 0 }) {
		if server.copier, err = newCopier(); err != nil {
			server.closeSockets()
			return err
		}
	}
	for i, p := range peers {
		queue := s.queue(i)
		server.lanes[queue] = shaping.NewLane(p.Shape, rand.Uint64())
		if err := server.socket.bind(queue, p.Shape.Duplicate > 0, server.take); err != nil {
			server.closeSockets()
			return explain(err)
		}
	}
	s.server, s.peers = server, peers
	go server.run()
	return s.writeRules(peers)
}

// clear lets go on what is held, and removes the rules.
func (s *Shaper) clear() error {
	if s.server != nil {
		s.server.letGo()
	}
	err := s.removeRules()
	if s.server != nil {
		err = errors.Join(err, s.server.close())
	}
	s.server, s.peers = nil, nil
	return err
}

// Counts tells, for each peer that is shaped, what was done to its packets since. The rules are read back from the kernel: a peer whose
// rule is not there is an error.
func (s *Shaper) Counts() ([]nemesis.Shaped, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil, nil
	}
	rules, err := s.countRules()
	if err != nil {
		return nil, explain(err)
	}
	if rules != len(s.peers) {
		return nil, fmt.Errorf("packet queue: the kernel has %d rules of table %s, and %d peers are shaped", rules, s.table(), len(s.peers))
	}
	counts := make([]nemesis.Shaped, len(s.peers))
	for i := range s.peers {
		counts[i] = s.server.lanes[s.queue(i)].Counts()
		counts[i].Unit, counts[i].Method = "packets", "nfqueue"
	}
	return counts, nil
}

// Peers are those that are shaped, in the order of Counts.
func (s *Shaper) Peers() []shaping.Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.peers)
}

// Close lifts everything.
func (s *Shaper) Close() error { return s.Replace(nil) }

// Probe tells why nothing can be shaped here: it makes a queue and a rule for an address that nobody has, and removes both.
func Probe() error {
	s := Shaper{probe: true}
	documentation := shaping.Peer{Address: netip.AddrFrom4([4]byte{192, 0, 2, 1})} // RFC 5737
	return errors.Join(s.Replace([]shaping.Peer{documentation}), s.Close())
}

func families(peers []shaping.Peer) []nftables.TableFamily {
	var all []nftables.TableFamily
	for _, p := range peers {
		family := nftables.TableFamilyIPv4
		if p.Address.Is6() {
			family = nftables.TableFamilyIPv6
		}
		if !slices.Contains(all, family) {
			all = append(all, family)
		}
	}
	return all
}

// writeRules has the kernel hand each peer's packets to its queue: by the queue statement, or where the kernel has none by the target
// that iptables uses for it.
func (s *Shaper) writeRules(peers []shaping.Peer) error {
	err := s.writeRulesWith(peers, queueStatement)
	if err != nil {
		if older := s.writeRulesWith(peers, queueTarget); older != nil {
			return explain(errors.Join(err, older))
		}
	}
	return nil
}

func (s *Shaper) writeRulesWith(peers []shaping.Peer, hand func(queue uint16) expr.Any) error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	for _, family := range families(peers) {
		table := conn.AddTable(&nftables.Table{Family: family, Name: s.table()})
		policy := nftables.ChainPolicyAccept
		chain := conn.AddChain(&nftables.Chain{Name: "in", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityMangle, Policy: &policy})
		for i, p := range peers {
			if p.Address.Is6() != (family == nftables.TableFamilyIPv6) {
				continue
			}
			offset := uint32(12) // of the source address in the header
			if p.Address.Is6() {
				offset = 8
			}
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
				&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
				&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binary.NativeEndian.AppendUint32(nil, copyMark)},
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(p.Address.BitLen() / 8)},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Address.AsSlice()},
				&expr.Counter{},
				hand(s.queue(i)),
			}})
		}
	}
	return conn.Flush()
}

func queueStatement(queue uint16) expr.Any {
	return &expr.Queue{Num: queue, Total: 1, Flag: expr.QueueFlagBypass}
}

// queueTarget is xt_NFQUEUE, revision 3: first queue, number of queues, flags (1: bypass).
func queueTarget(queue uint16) expr.Any {
	info := make([]byte, 8)
	binary.NativeEndian.PutUint16(info, queue)
	binary.NativeEndian.PutUint16(info[2:], 1)
	binary.NativeEndian.PutUint16(info[4:], 1)
	unknown := xt.Unknown(info)
	return &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &unknown}
}

// removeRules removes whatever tables of ours there are.
func (s *Shaper) removeRules() error {
	conn, err := nftables.New()
	if err != nil {
		return explain(err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		return explain(err)
	}
	found := false
	for _, t := range tables {
		if t.Name == s.table() {
			conn.DelTable(t)
			found = true
		}
	}
	if !found {
		return nil
	}
	if err := conn.Flush(); err != nil {
		return explain(err)
	}
	return nil
}

func (s *Shaper) countRules() (int, error) {
	conn, err := nftables.New()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, family := range families(s.peers) {
		table := &nftables.Table{Family: family, Name: s.table()}
		rules, err := conn.GetRules(table, &nftables.Chain{Name: "in", Table: table})
		if err != nil {
			return 0, err
		}
		n += len(rules)
	}
	return n, nil
}

// explain adds what to do to the errors that have a known cause.
func explain(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("packet queue: %w: it needs CAP_NET_ADMIN (in Docker: cap_add NET_ADMIN)", err)
	}
	return fmt.Errorf("packet queue: %w: the kernel needs nfnetlink_queue, and nft_queue or xt_NFQUEUE", err)
}
