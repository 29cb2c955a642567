// Command tinynode stands in for a node in the tests of package docker: it takes a node's flags, listens on a node's
// ports, and sends each peer a byte every few milliseconds. GET /heard tells how long ago each peer was heard.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const beat = 10 * time.Millisecond

type heard struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func main() {
	id := flag.String("id", "", "")
	for _, name := range []string{"cluster-id", "data", "heartbeat", "election-timeout"} {
		flag.String(name, "", "")
	}
	listenPeer := flag.String("listen-peer", "", "")
	listenClient := flag.String("listen-client", "", "")
	listenHTTP := flag.String("listen-http", "", "")
	peers := map[string]string{}
	flag.Func("peer", "", func(s string) error {
		peer, address, _ := strings.Cut(s, "=")
		peers[peer] = address
		return nil
	})
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	log.Printf("tinynode %s starts with %d peers", *id, len(peers))
	h := &heard{last: map[string]time.Time{}}
	go accept(listen(*listenPeer), h.receive)
	go accept(listen(*listenClient), func(c net.Conn) { fmt.Fprintf(c, "client port of %s\n", *id); c.Close() })
	for peer, address := range peers {
		if peer != *id {
			go send(*id, address)
		}
	}
	http.Handle("GET /heard", h)
	log.Fatal(http.Serve(listen(*listenHTTP), nil))
}

func listen(address string) net.Listener {
	l, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(c)
	}
}

func (h *heard) receive(c net.Conn) {
	defer c.Close()
	from := make([]byte, 1)
	for {
		if _, err := c.Read(from); err != nil {
			return
		}
		h.mu.Lock()
		h.last[string(from)] = time.Now()
		h.mu.Unlock()
	}
}

func send(id, address string) {
	for ; ; time.Sleep(beat) {
		c, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			continue
		}
		for err == nil {
			_, err = c.Write([]byte(id))
			time.Sleep(beat)
		}
		c.Close()
	}
}

func (h *heard) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ago := map[string]int64{}
	for peer, last := range h.last {
		ago["n"+peer] = time.Since(last).Milliseconds()
	}
	_ = json.NewEncoder(w).Encode(ago)
}
