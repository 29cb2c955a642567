package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
)

// store works at the master. It asks nodes in turn, beginning with the last one that served, and takes the first that says that it is a master: a
// master that was cut off or stopped believes that for a while too.
type store struct {
	nodes     []string // its own first
	addresses map[string]string
	at        string // the node that served last
	conn      *connection
}

func newStore(node string, addresses map[string]string) *store {
	s := &store{addresses: addresses, at: node}
	for name := range addresses {
		s.nodes = append(s.nodes, name)
	}
	slices.Sort(s.nodes)
	return s
}

func (s *store) Close() { s.drop() }

func (s *store) drop() {
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
}

// swap is a script that compares and sets in one step. It answers with whether it set, whether there was a value, and which.
const swap = `local v = redis.call('GET', KEYS[1])
local same = (v == false and ARGV[1] == '0') or (v ~= false and ARGV[1] == '1' and v == ARGV[2])
if same then redis.call('SET', KEYS[1], ARGV[3]) end
return {same and '1' or '0', v and '1' or '0', v or ''}`

// Get implements cells.Store.
func (s *store) Get(ctx context.Context, key string) (cells.Cell, error) {
	r, err := s.do(ctx, "GET", key) // connections end when a master becomes a replica: sentinels see to that
	return cells.Cell{Text: r.text, Found: err == nil && !r.none}, err
}

// Put implements cells.Store.
func (s *store) Put(ctx context.Context, key, text string) error {
	_, err := s.do(ctx, "SET", key, text)
	return err
}

// CompareAndSet implements cells.Store.
func (s *store) CompareAndSet(ctx context.Context, key string, expected cells.Cell, text string) (cells.Swap, error) {
	found := "0"
	if expected.Found {
		found = "1"
	}
	r, err := s.do(ctx, "EVAL", swap, "1", key, found, expected.Text, text)
	if err == nil && len(r.array) != 3 {
		err = errors.New("the script answers with something else")
	}
	if err != nil {
		return cells.Swap{}, err
	}
	return cells.Swap{Set: r.array[0].text == "1", Seen: cells.Cell{Found: r.array[1].text == "1", Text: r.array[2].text}, Known: true}, nil
}

// do sends a command to the first node that takes it.
func (s *store) do(ctx context.Context, words ...string) (reply, error) {
	var last error
	for range len(s.nodes) {
		r, err := s.once(ctx, words)
		if err == nil || !systems.IsDefinite(err) || ctx.Err() != nil {
			return r, err
		}
		last = err
		s.next()
	}
	return reply{}, last
}

// next turns to the next node.
func (s *store) next() {
	s.drop()
	i := slices.Index(s.nodes, s.at)
	s.at = s.nodes[(i+1)%len(s.nodes)]
}

// once sends the command to the node at hand, if it is a master.
func (s *store) once(ctx context.Context, words []string) (reply, error) {
	if s.conn == nil {
		conn, err := dial(ctx, s.addresses[s.at])
		if err != nil {
			return reply{}, err
		}
		s.conn = conn
		role, err := conn.do(ctx, "ROLE")
		if err != nil || len(role.array) == 0 || role.array[0].text != "master" {
			s.drop()
			return reply{}, systems.Definitely("%s is not the master (%v)", s.at, err)
		}
	}
	r, err := s.conn.do(ctx, words...)
	if err == nil {
		return r, nil
	}
	var refused refusal
	if errors.As(err, &refused) {
		s.dropUnless(refused)
		return r, &systems.Error{Definite: neverDone(refused), Err: fmt.Errorf("%s: %w", s.at, err)}
	}
	s.drop()
	return r, fmt.Errorf("%s: %w", s.at, err)
}

// dropUnless lets go of a connection to a node that does not serve.
func (s *store) dropUnless(r refusal) {
	if neverDone(r) {
		s.drop()
	}
}

// refusals are the errors that Redis gives before it does anything of a command.
var refusals = []string{"READONLY ", "LOADING ", "MASTERDOWN ", "NOREPLICAS ", "MISCONF ", "OOM ", "BUSY ", "NOAUTH ", "NOPERM ", "CLUSTERDOWN "}

// neverDone tells whether the command surely had no effect. What a script says once it runs is not among those.
func neverDone(r refusal) bool {
	return slices.ContainsFunc(refusals, func(known string) bool { return strings.HasPrefix(string(r), known) })
}
