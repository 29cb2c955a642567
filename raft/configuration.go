package raft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Configuration is the set of servers that take part (paper section 6). All slices are sorted.
type Configuration struct {
	// Voters of C-new; of the only configuration when not joint.
	Voters []NodeID
	// Outgoing are the voters of C-old while joint, else none.
	Outgoing []NodeID
	// Learners receive entries and do not vote (thesis 4.2.1).
	Learners []NodeID
	// Addresses are where servers can be reached, for the driver; the core does not read them. Sorted by ID.
	Addresses []Address
}

// Address is where a server listens for its peers: host:port.
type Address struct {
	ID   NodeID
	Peer string
}

// Joint reports whether this is a C-old,new: elections and commitment need both majorities.
func (c Configuration) Joint() bool { return len(c.Outgoing) > 0 }

// Voter reports whether id votes in either half.
func (c Configuration) Voter(id NodeID) bool {
	return slices.Contains(c.Voters, id) || slices.Contains(c.Outgoing, id)
}

// Members are all servers that receive entries, sorted.
func (c Configuration) Members() []NodeID {
	all := slices.Concat(c.Voters, c.Outgoing, c.Learners)
	slices.Sort(all)
	return slices.Compact(all)
}

// validate reports what makes c unusable.
func (c Configuration) validate() error {
	if len(c.Voters) == 0 {
		return errors.New("configuration has no voters")
	}
	for _, set := range [][]NodeID{c.Voters, c.Outgoing, c.Learners} {
		for i, id := range set {
			if id == 0 {
				return errors.New("configuration names server 0, which means nobody")
			}
			if i > 0 && set[i-1] >= id {
				return fmt.Errorf("configuration lists server %d out of order or twice", id)
			}
		}
	}
	for _, id := range c.Learners {
		if slices.Contains(c.Voters, id) {
			return fmt.Errorf("server %d is both voter and learner", id)
		}
	}
	for i, a := range c.Addresses {
		if a.ID == 0 || i > 0 && c.Addresses[i-1].ID >= a.ID {
			return fmt.Errorf("configuration lists the address of server %d out of order or twice", a.ID)
		}
	}
	return nil
}

// EvenVotersWarning says why an even number of voters is a poor choice (R19), or "" for an odd one.
func (c Configuration) EvenVotersWarning() string {
	n := len(c.Voters)
	if n%2 == 1 {
		return ""
	}
	return fmt.Sprintf("%d voters survive the loss of %d, as %d would, and an even number can split its votes in half: prefer %d or %d",
		n, (n-1)/2, n-1, n-1, n+1)
}

// quorum reports whether the servers for which has is true are a majority, of both halves while joint.
func (c Configuration) quorum(has func(NodeID) bool) bool {
	return majority(c.Voters, has) && (len(c.Outgoing) == 0 || majority(c.Outgoing, has))
}

func majority(set []NodeID, has func(NodeID) bool) bool {
	n := 0
	for _, id := range set {
		if has(id) {
			n++
		}
	}
	return n > len(set)/2
}

// reached is the greatest value that a majority (both, while joint) has reached.
func (c Configuration) reached(value func(NodeID) uint64) uint64 {
	v := reachedByMajority(c.Voters, value)
	if len(c.Outgoing) > 0 {
		v = min(v, reachedByMajority(c.Outgoing, value))
	}
	return v
}

func reachedByMajority(set []NodeID, value func(NodeID) uint64) uint64 {
	var few [9]uint64 // no allocation for clusters of the usual size
	values := few[:0]
	for _, id := range set {
		values = append(values, value(id))
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// Encode gives the Data of a configuration entry: three lists, each its length and its ids, then the addresses, their
// number and of each id, length and bytes. Numbers are unsigned varints.
func (c Configuration) Encode() []byte {
	var b []byte
	for _, set := range [][]NodeID{c.Voters, c.Outgoing, c.Learners} {
		b = binary.AppendUvarint(b, uint64(len(set)))
		for _, id := range set {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(c.Addresses)))
	for _, a := range c.Addresses {
		b = binary.AppendUvarint(b, uint64(a.ID))
		b = binary.AppendUvarint(b, uint64(len(a.Peer)))
		b = append(b, a.Peer...)
	}
	return b
}

// DecodeConfiguration reads the Data of a configuration entry.
func DecodeConfiguration(b []byte) (Configuration, error) {
	d := configurationDecoder{rest: b}
	c := Configuration{Voters: d.ids(), Outgoing: d.ids(), Learners: d.ids(), Addresses: d.addresses()}
	if d.bad == "" && len(d.rest) > 0 {
		d.fail("bytes too many")
	}
	if d.bad != "" {
		return Configuration{}, fmt.Errorf("configuration entry: %s, %d bytes before its end", d.bad, d.left)
	}
	return c, c.validate()
}

// configurationDecoder keeps the first thing that is wrong, and reads nothing after it.
type configurationDecoder struct {
	rest []byte
	bad  string
	left int // bytes before the end where it is wrong
}

func (d *configurationDecoder) fail(what string) {
	if d.bad == "" {
		d.bad, d.left = what, len(d.rest)
	}
	d.rest = nil
}

func (d *configurationDecoder) number(what string) uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail(what)
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// count reads the length of a list, none of whose members is shorter than a byte.
func (d *configurationDecoder) count() uint64 {
	n := d.number("bad list length")
	if n > uint64(len(d.rest)) {
		d.fail("bad list length")
		return 0
	}
	return n
}

func (d *configurationDecoder) ids() []NodeID {
	var ids []NodeID
	for range d.count() {
		ids = append(ids, NodeID(d.number("bad server id")))
	}
	return ids
}

func (d *configurationDecoder) addresses() []Address {
	var list []Address
	for range d.count() {
		a := Address{ID: NodeID(d.number("bad server id"))}
		n := d.count()
		a.Peer = string(d.rest[:n])
		d.rest = d.rest[n:]
		list = append(list, a)
	}
	return list
}
