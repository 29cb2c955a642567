// Command exec is a store that ordeal tests as `ordeal run --system 'exec:PROGRAM [--stale]'`: an example of the protocol of docs/exec-protocol.md, in
// which nodes are parts of the program. They share one map; with --stale each reads from a copy of its own that lags behind.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
)

type question struct {
	ID   uint64 `json:"id"`
	Do   string `json:"do"`
	Node string `json:"node"`
	// A client is a number, opened at a node.
	Client uint64 `json:"client"`
	Op     struct {
		F     string `json:"f"`
		Key   string `json:"key"`
		Value any    `json:"value"`
	} `json:"op"`
}

type answer map[string]any

type store struct {
	stale   bool
	running map[string]bool
	clients map[uint64]string         // the node of each
	values  map[string]any            // what is true
	copies  map[string]map[string]any // what each node reads with --stale
	writes  int
}

func main() {
	s := &store{stale: slices.Contains(os.Args, "--stale"), running: map[string]bool{}, clients: map[uint64]string{}, values: map[string]any{},
		copies: map[string]map[string]any{}}
	out := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); { // the end of the input is the end of the test
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, "not a question:", err)
			os.Exit(1)
		}
		a := s.do(q)
		a["id"] = q.ID
		_ = out.Encode(a) // nobody listens: the input ends too
	}
}

func (s *store) do(q question) answer {
	switch q.Do {
	case "hello":
		return answer{"protocol": 1, "name": "example", "abilities": answer{"workloads": []string{"register"}}}
	case "start":
		s.running[q.Node], s.copies[q.Node] = true, map[string]any{}
	case "kill":
		s.running[q.Node] = false
	case "state":
		return answer{"running": s.running[q.Node]}
	case "open":
		s.clients[q.Client] = q.Node
	case "close":
		delete(s.clients, q.Client)
	case "invoke":
		return s.invoke(s.clients[q.Client], q.Op.F, q.Op.Key, q.Op.Value)
	case "setup", "teardown":
	default:
		return answer{"error": "there is no " + q.Do}
	}
	return answer{}
}

func (s *store) invoke(node, f, key string, value any) answer {
	old, read := s.values[key], s.values[key]
	if s.stale {
		read = s.copies[node][key]
	}
	switch pair, _ := value.([]any); {
	case !s.running[node]:
		return answer{"type": "fail", "error": node + " is down"} // it surely had no effect
	case f == "put":
		s.values[key] = value
	case f == "cas" && reflect.DeepEqual(old, pair[0]):
		s.values[key] = pair[1]
	}
	if s.writes++; s.writes%10 == 0 { // now and then a copy catches up
		for k, v := range s.values {
			s.copies[node][k] = v
		}
	}
	if f == "get" {
		return answer{"type": "ok", "value": read}
	}
	return answer{"type": "ok", "value": old} // a cas answers with what it saw; nobody looks at the answer to a put
}
