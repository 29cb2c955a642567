package nats

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

// What nats-server 2.12 answers, as it was recorded.
const (
	created = `{"type":"io.nats.jetstream.api.v1.stream_create_response","config":{"name":"KV_ordeal"}}`
	stored  = `{"stream":"KV_ordeal","seq":6}`
	wrong   = `{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 9"},"stream":"KV_ordeal","seq":0}`
	absent  = `{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","error":{"code":404,"err_code":10037,"description":"no message found"}}`
	present = `{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":{"subject":"$KV.ordeal.k","seq":4,"data":"NQ==","time":"2026-01-01T00:00:00Z"}}`
)

// server answers requests by the beginning of their subject. An answer that begins with NATS/1.0 is headers and data; an empty one ends the connection.
type server struct {
	address string
	answers map[string]string
	mu      sync.Mutex
	asked   []string
}

func serve(t *testing.T, answers map[string]string) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &server{address: l.Addr().String(), answers: answers}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(conn)
		}
	}()
	return s
}

func (s *server) talk(conn net.Conn) {
	defer conn.Close()
	_, _ = io.WriteString(conn, "INFO {\"server_id\":\"X\",\"headers\":true}\r\n")
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		switch words[0] {
		case "PING":
			_, _ = io.WriteString(conn, "PONG\r\n")
		case "PUB", "HPUB":
			size, _ := strconv.Atoi(words[len(words)-1])
			data := make([]byte, size+2)
			if _, err := io.ReadFull(in, data); err != nil {
				return
			}
			s.mu.Lock()
			s.asked = append(s.asked, words[1]+" "+string(data[:size]))
			s.mu.Unlock()
			if !s.answer(conn, words[1], words[2]) {
				return
			}
		}
	}
}

func (s *server) answer(conn net.Conn, subject, reply string) bool {
	for begin, text := range s.answers {
		if !strings.HasPrefix(subject, begin) {
			continue
		}
		if text == "" {
			return false
		}
		_, _ = io.WriteString(conn, "PING\r\nMSG _INBOX.somebody-else 1 2\r\nno\r\n") // neither must be taken for the answer
		if headers, data, ok := strings.Cut(text, "\r\n\r\n"); ok {
			fmt.Fprintf(conn, "HMSG %s 1 %d %d\r\n%s\r\n", reply, len(headers)+4, len(text), headers+"\r\n\r\n"+data)
		} else {
			fmt.Fprintf(conn, "MSG %s 1 %d\r\n%s\r\n", reply, len(text), text)
		}
	}
	return true
}

func (s *server) subjects() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(all, s.asked...)
}

func open(t *testing.T, consistency, address string) systems.Client {
	s, err := New(systems.Reference{Name: "nats", Consistency: consistency}, "")
	require.NoError(t, err)
	c, err := s.Open("n1", map[string]string{"n1": address})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

const create = "$JS.API.STREAM.CREATE."

func TestReads(t *testing.T) {
	for _, c := range []struct {
		consistency, subject, answer string
		want                         systems.Completion
	}{
		{leader, "$JS.API.STREAM.MSG.GET.KV_ordeal", present, systems.Completion{Type: history.OK, Output: history.Int(5), Node: "n1"}},
		{leader, "$JS.API.STREAM.MSG.GET.KV_ordeal", absent, systems.Completion{Type: history.OK, Node: "n1"}},
		{direct, "$JS.API.DIRECT.GET.KV_ordeal.$KV.ordeal.k", "NATS/1.0\r\nNats-Stream: KV_ordeal\r\nNats-Sequence: 4\r\n\r\n5", systems.Completion{Type: history.OK, Output: history.Int(5), Node: "n1"}},
		{direct, "$JS.API.DIRECT.GET.KV_ordeal.$KV.ordeal.k", "NATS/1.0 404 Message Not Found\r\n\r\n", systems.Completion{Type: history.OK, Node: "n1"}},
	} {
		s := serve(t, map[string]string{create: created, c.subject: c.answer})
		require.Equal(t, c.want, open(t, c.consistency, s.address).Invoke(t.Context(), workloads.Operation{F: "get", Key: "k"}))
		require.Len(t, s.subjects(), 2)
	}
	for _, answer := range []string{`{}`, `oops`, "NATS/1.0 503\r\n\r\n", ""} {
		s := serve(t, map[string]string{create: created, "$JS.API.STREAM.MSG": answer})
		require.Equal(t, history.Fail, open(t, leader, s.address).Invoke(t.Context(), workloads.Operation{F: "get", Key: "k"}).Type, answer)
	}
}

func TestWrites(t *testing.T) {
	s := serve(t, map[string]string{create: created, "$KV.ordeal.": stored, "$JS.API.STREAM.MSG": present})
	c := open(t, leader, s.address)
	require.Equal(t, history.OK, c.Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)}).Type)
	cas := workloads.Operation{F: "cas", Key: "k", Input: history.List(history.Int(5), history.Int(6))}
	require.Equal(t, systems.Completion{Type: history.OK, Output: history.Int(5), Node: "n1"}, c.Invoke(t.Context(), cas))
	asked := s.subjects()
	require.Len(t, asked, 4)
	require.Equal(t, "$KV.ordeal.k 5", asked[1])
	require.Equal(t, "$KV.ordeal.k NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 4\r\n\r\n6", asked[3])

	cas.Input = history.List(history.Int(8), history.Int(6))
	require.Equal(t, history.Fail, c.Invoke(t.Context(), cas).Type, "what was read says nothing by itself")
	require.Len(t, s.subjects(), 5, "nothing was written")
}

func TestErrorsOfWrites(t *testing.T) {
	for answer, want := range map[string]history.Type{
		wrong: history.Fail, "NATS/1.0 503\r\n\r\n": history.Fail,
		`{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`: history.Info,
		`{"error":{"code":503,"err_code":10077,"description":"error"}}`:                                    history.Info,
		`{"stream":"KV_other","seq":6}`: history.Info, `{"stream":"KV_ordeal"}`: history.Info, `oops`: history.Info, "": history.Info,
	} {
		s := serve(t, map[string]string{create: created, "$KV.ordeal.": answer})
		got := open(t, leader, s.address).Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)})
		require.Equal(t, want, got.Type, "%q: %s", answer, got.Error)
		require.NotEmpty(t, got.Error)
	}
	for _, answer := range []string{"NATS/1.0 503\r\n\r\n", `{"error":{"code":500,"err_code":10047,"description":"insufficient storage"}}`, ""} {
		s := serve(t, map[string]string{create: answer})
		got := open(t, leader, s.address).Invoke(t.Context(), workloads.Operation{F: "put", Key: "k", Input: history.Int(5)})
		require.Equal(t, history.Fail, got.Type, "without a stream nothing is written")
	}
}

func TestStatus(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"server_id":"X","account_details":[{"name":"$G","stream_detail":[{"name":"KV_ordeal","cluster":{"name":"c","leader":"n2"}}]}]}`)
	}))
	defer s.Close()
	address := strings.TrimPrefix(s.URL, "http://")
	m := System{}.Monitor(map[string]string{"n1": address, "n2": address})
	defer m.Close()
	for node, leads := range map[string]bool{"n1": false, "n2": true} {
		got, err := m.Status(t.Context(), node)
		require.NoError(t, err)
		require.Equal(t, systems.Status{Leads: leads, Loose: true}, got)
	}
}
