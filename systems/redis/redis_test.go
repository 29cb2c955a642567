package redis

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// What Redis 7.0.15 answers, as it was recorded.
const (
	master  = "*3\r\n$6\r\nmaster\r\n:4128\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$5\r\n16380\r\n$4\r\n4128\r\n"
	replica = "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:16379\r\n$9\r\nconnected\r\n:4128\r\n"
)

// server is a Redis with one answer to each command; an empty answer ends the connection.
type server struct {
	address string
	mu      sync.Mutex
	asked   []string
}

func serve(t *testing.T, answers map[string]string) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &server{address: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(conn, answers)
		}
	}()
	return s
}

func (s *server) talk(conn net.Conn, answers map[string]string) {
	defer conn.Close()
	for in := bufio.NewReader(conn); ; {
		words, err := command(in)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.asked = append(s.asked, strings.Join(words, " "))
		s.mu.Unlock()
		answer := answers[words[0]]
		if _, err := io.WriteString(conn, answer); err != nil || answer == "" {
			return
		}
	}
}

func command(in *bufio.Reader) ([]string, error) {
	number := func() (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	var words []string
	for i := 0; i < n && err == nil; i++ {
		var length int
		if length, err = number(); err == nil {
			word := make([]byte, length+2)
			_, err = io.ReadFull(in, word)
			words = append(words, string(word[:length]))
		}
	}
	return words, err
}

func (s *server) commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.asked...)
}

func client(t *testing.T, addresses map[string]string) systems.Client {
	c, err := System{}.Open("n1", addresses)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestAnswers(t *testing.T) {
	s := serve(t, map[string]string{"ROLE": master, "GET": "$1\r\n5\r\n", "SET": "+OK\r\n", "EVAL": "*3\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n7\r\n"})
	c := client(t, map[string]string{"n1": s.address})
	require.Equal(t, systems.Completion{Type: history.OK, Output: history.Int(5), Node: "n1"}, c.Invoke(t.Context(), workloads.Operation{F: "get", Key: "k"}))
	require.Equal(t, history.OK, c.Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)}).Type)
	cas := c.Invoke(t.Context(), workloads.Operation{F: "cas", Key: "k", Input: history.List(history.Int(5), history.Int(6))})
	require.Equal(t, systems.Completion{Type: history.OK, Output: history.Int(7), Node: "n1"}, cas, "it was 7, and was not set")
	require.Equal(t, []string{"ROLE", "GET k", "SET k 5", "EVAL " + swap + " 1 k 1 5 6"}, s.commands())

	s = serve(t, map[string]string{"ROLE": master, "GET": "$-1\r\n"})
	got := client(t, map[string]string{"n1": s.address}).Invoke(t.Context(), workloads.Operation{F: "get", Key: "k"})
	require.Equal(t, systems.Completion{Type: history.OK, Node: "n1"}, got)
}

// Only a master is worked at: replicas and nodes that are down are passed by.
func TestTheMasterIsLookedFor(t *testing.T) {
	const down = "127.0.0.1:1" // a port that was listened on and is free again may be another test's in a moment
	r, m := serve(t, map[string]string{"ROLE": replica, "SET": "+OK\r\n"}), serve(t, map[string]string{"ROLE": master, "SET": "+OK\r\n"})
	c := client(t, map[string]string{"n1": r.address, "n2": down, "n3": m.address})
	require.Equal(t, history.OK, c.Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)}).Type)
	require.Equal(t, []string{"ROLE"}, r.commands())
	require.Equal(t, []string{"ROLE", "SET k 5"}, m.commands())

	c = client(t, map[string]string{"n1": r.address, "n2": down})
	require.Equal(t, history.Fail, c.Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)}).Type, "nobody took it")
}

func TestErrors(t *testing.T) {
	for answer, want := range map[string]history.Type{
		"-READONLY You can't write against a read only replica.\r\n": history.Fail,
		"-LOADING Redis is loading the dataset in memory\r\n":        history.Fail,
		"-NOREPLICAS Not enough good replicas to write.\r\n":         history.Fail,
		"-ERR Error running script\r\n":                              history.Info,
		"-UNKILLABLE Sorry\r\n":                                      history.Info,
		"HTTP/1.1 400 Bad Request\r\n":                               history.Info,
		"$x\r\n":                                                     history.Info,
		"\r\n":                                                       history.Info,
		"":                                                           history.Info,
	} {
		s := serve(t, map[string]string{"ROLE": master, "SET": answer})
		got := client(t, map[string]string{"n1": s.address}).Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)})
		require.Equal(t, want, got.Type, "%q: %s", answer, got.Error)
		require.NotEmpty(t, got.Error)
	}
}

func TestStatus(t *testing.T) {
	m, r := serve(t, map[string]string{"ROLE": master}), serve(t, map[string]string{"ROLE": replica})
	mon := System{}.Monitor(map[string]string{"n1": m.address, "n2": r.address})
	for node, leads := range map[string]bool{"n1": true, "n2": false} {
		s, err := mon.Status(t.Context(), node)
		require.NoError(t, err)
		require.Equal(t, leads, s.Leads)
	}
}

// Configuration files are per node; all but the first copy it.
func TestConfiguration(t *testing.T) {
	site := systems.Site{Node: "n2", Nodes: []string{"n1", "n2", "n3"}, Data: "/d", Listen: func(p string) string { return "127.0.0.1:" + map[string]string{"client": "1", "sentinel": "2"}[p] },
		At: func(n, _ string) string { return "127.0.0.1:1" + n[1:] }}
	c := System{}.Command(site)
	require.Contains(t, c.Files["/d/redis.conf"], "port 1\nbind 127.0.0.1\n")
	require.Contains(t, c.Files["/d/redis.conf"], "replicaof 127.0.0.1 11\n")
	require.Contains(t, c.Beside[0].Files["/d/sentinel.conf"], "sentinel monitor ordeal 127.0.0.1 11 2\n")
	site.Node = "n1"
	require.NotContains(t, System{}.Command(site).Files["/d/redis.conf"], "replicaof")
}
