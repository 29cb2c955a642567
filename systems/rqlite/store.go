package rqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/systems/cells"
	"github.com/ordeal-dev/ordeal/systems/web"
)

// store asks one node. It implements cells.Store.
type store struct {
	web   *web.Client
	level string
	made  bool // the table is there
}

func (s *store) Close() { s.web.Close() }

// result of a statement.
type result struct {
	Values [][]*string `json:"values"` // of a query; a column of text that may be NULL
	Rows   int         `json:"rows_affected"`
	Error  string      `json:"error"`
}

const (
	table  = "CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v TEXT NOT NULL)"
	get    = "SELECT v FROM kv WHERE k = ?"
	put    = "INSERT INTO kv (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
	add    = "INSERT INTO kv (k, v) VALUES (?, ?) ON CONFLICT (k) DO NOTHING"
	update = "UPDATE kv SET v = ? WHERE k = ? AND v = ?"
)

// Get implements cells.Store.
func (s *store) Get(ctx context.Context, key string) (cells.Cell, error) {
	r, err := s.do(ctx, "/db/query?level="+s.level, get, key)
	if err != nil || len(r.Values) == 0 {
		return cells.Cell{}, err
	}
	if len(r.Values) > 1 || len(r.Values[0]) != 1 || r.Values[0][0] == nil {
		return cells.Cell{}, fmt.Errorf("a key has %d rows, of which one was to be expected with a value", len(r.Values))
	}
	return cells.Cell{Text: *r.Values[0][0], Found: true}, nil
}

// Put implements cells.Store.
func (s *store) Put(ctx context.Context, key, text string) error {
	_, err := s.execute(ctx, put, key, text)
	return err
}

// CompareAndSet implements cells.Store. Rows that are changed tell whether it was set; what was there instead is not told.
func (s *store) CompareAndSet(ctx context.Context, key string, expected cells.Cell, text string) (cells.Swap, error) {
	words := []any{add, key, text}
	if expected.Found {
		words = []any{update, text, key, expected.Text}
	}
	r, err := s.execute(ctx, words...)
	return cells.Swap{Set: err == nil && r.Rows == 1}, err
}

// execute makes the table first where this client has not done that yet.
func (s *store) execute(ctx context.Context, statement ...any) (result, error) {
	if !s.made {
		if _, err := s.do(ctx, "/db/execute", table); err != nil {
			return result{}, &systems.Error{Definite: true, Err: fmt.Errorf("making the table: %w", err)}
		}
		s.made = true
	}
	return s.do(ctx, "/db/execute", statement...)
}

func (s *store) do(ctx context.Context, path string, statement ...any) (result, error) {
	var out struct {
		Results []result `json:"results"`
		Error   string   `json:"error"`
	}
	a, err := s.web.JSON(ctx, post, path, [][]any{statement}, &out)
	switch {
	case err != nil:
		return result{}, err
	case a.Code != http.StatusOK:
		return result{}, refusal(a)
	case out.Error != "":
		return result{}, errors.New(out.Error)
	case len(out.Results) != 1:
		return result{}, fmt.Errorf("one statement has %d results: %.200s", len(out.Results), a.Body)
	case strings.HasPrefix(out.Results[0].Error, noTable):
		if path != "/db/execute" { // nobody has written anything yet: the key is not there
			return result{}, nil
		}
		return result{}, systems.Definitely("%s", out.Results[0].Error)
	case out.Results[0].Error != "":
		return result{}, errors.New(out.Results[0].Error)
	}
	return out.Results[0], nil
}

// noTable is what SQLite says where the table was not made.
const noTable = "no such table"

// refusal is an answer that is no result. Only a request for which there was no leader surely was not put into the log.
func refusal(a web.Answer) error {
	text := strings.TrimSpace(string(a.Body))
	if a.Code == http.StatusServiceUnavailable && text == "leader not found" {
		return systems.Definitely("%s", text)
	}
	return fmt.Errorf("%d: %.200s", a.Code, text)
}

type monitor map[string]*web.Client

// Monitor implements systems.Deployed.
func (System) Monitor(addresses map[string]string) systems.Monitor {
	return monitor(web.Each(addresses))
}

// Status asks the node for the state of its Raft.
func (m monitor) Status(ctx context.Context, node string) (systems.Status, error) {
	a, err := m[node].Do(ctx, http.MethodGet, "/status", nil, jsonKind)
	if err != nil {
		return systems.Status{}, err
	}
	var out struct {
		Store struct {
			Raft struct {
				State   string
				Term    uint64
				Commit  uint64 `json:"commit_index"`
				Applied uint64 `json:"applied_index"`
			}
		}
	}
	if err := json.Unmarshal(a.Body, &out); err != nil || a.Code != http.StatusOK {
		return systems.Status{}, fmt.Errorf("%d: %w: %.200s", a.Code, err, a.Body)
	}
	r := out.Store.Raft
	return systems.Status{Leads: r.State == "Leader", Term: r.Term, Commit: r.Commit, Applied: r.Applied, Loose: true}, nil
}

func (m monitor) Close() {
	for _, c := range m {
		c.Close()
	}
}
