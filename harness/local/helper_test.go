package local

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/namespaces"
)

// The test binary is also the node and the harness of the tests: started again with a node's flags it is a small server that
// talks to its peers, with ORDEAL_TEST_HARNESS it is a harness that sets up a cluster and waits to be killed.
func TestMain(m *testing.M) {
	namespaces.Main()
	switch {
	case slices.Contains(os.Args, "--cluster-id"):
		os.Exit(nodeMain())
	case os.Getenv("ORDEAL_TEST_HARNESS") != "":
		os.Exit(harnessMain())
	}
	os.Exit(m.Run())
}

// status is what a test node says of itself.
type status struct {
	PID      int            `json:"pid"`
	Starts   int            `json:"starts"`   // processes that used this data folder
	Heard    map[string]int `json:"heard"`    // requests from each peer
	Answered map[string]int `json:"answered"` // answers from each peer
}

// testNode greets each peer every few milliseconds on one connection, and answers greetings on those it accepted.
type testNode struct {
	id      string
	cluster string
	mu      sync.Mutex
	status  status
}

type peerFlags map[string]string

func (p peerFlags) String() string { return "" }

func (p peerFlags) Set(text string) error {
	id, address, ok := strings.Cut(text, "=")
	if !ok {
		return fmt.Errorf("want ID=HOST:PORT")
	}
	p[id] = address
	return nil
}

func nodeMain() int {
	n := &testNode{status: status{PID: os.Getpid(), Heard: map[string]int{}, Answered: map[string]int{}}}
	peers := peerFlags{}
	f := flag.NewFlagSet("node", flag.ExitOnError)
	f.StringVar(&n.id, "id", "", "")
	f.StringVar(&n.cluster, "cluster-id", "", "")
	data := f.String("data", "", "")
	peer := f.String("listen-peer", "", "")
	client := f.String("listen-client", "", "")
	web := f.String("listen-http", "", "")
	collide := f.String("collide-once", "", "a file that says that it has happened")
	fail := f.Bool("fail", false, "")
	f.Var(peers, "peer", "")
	_ = f.Parse(os.Args[1:])
	fmt.Printf("node %s begins\n", n.id)
	if *fail {
		fmt.Fprintln(os.Stderr, "the disk is on fire")
		return 3
	}
	if err := n.run(*data, *peer, *client, *web, *collide, peers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (n *testNode) run(data, peer, client, web, collide string, peers peerFlags) error {
	starts, err := countStarts(data)
	if err != nil {
		return err
	}
	n.status.Starts = starts
	if collide != "" && os.Mkdir(collide, 0o755) == nil {
		return errTaken()
	}
	var listeners []net.Listener
	for _, at := range []string{peer, client, web} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
	}
	go n.acceptPeers(listeners[0])
	go func() { // clients are answered with a line
		for {
			conn, err := listeners[1].Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(conn, "node %s of %s\n", n.id, n.cluster)
			_ = conn.Close()
		}
	}()
	for id, at := range peers {
		if id != n.id {
			go n.greet(id, at)
		}
	}
	return http.Serve(listeners[2], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.mu.Lock()
		defer n.mu.Unlock()
		_ = json.NewEncoder(w).Encode(n.status)
	}))
}

// errTaken is what the kernel says when somebody else has the port.
func errTaken() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = net.Listen("tcp", l.Addr().String())
	return err
}

// countStarts keeps a count in the data folder, so that tests see that it outlives the process.
func countStarts(data string) (int, error) {
	path := filepath.Join(data, "starts")
	text, _ := os.ReadFile(path)
	n, _ := strconv.Atoi(string(text))
	return n + 1, os.WriteFile(path, []byte(strconv.Itoa(n+1)), 0o644)
}

func (n *testNode) acceptPeers(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				n.mu.Lock()
				n.status.Heard[lines.Text()]++
				n.mu.Unlock()
				if _, err := fmt.Fprintln(conn, n.id); err != nil {
					return
				}
			}
		}()
	}
}

func (n *testNode) greet(id, at string) {
	for ; ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			continue
		}
		go func() {
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				n.mu.Lock()
				n.status.Answered[id]++
				n.mu.Unlock()
			}
			_ = conn.Close()
		}()
		for {
			if _, err := fmt.Fprintln(conn, n.id); err != nil {
				break
			}
			time.Sleep(3 * time.Millisecond)
		}
	}
}

// harnessMain sets up a cluster, says so, and waits.
func harnessMain() int {
	if os.Getenv("ORDEAL_TEST_HARNESS") == "no-death-signal" {
		deathSignal = false
	}
	self, err := os.Executable()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	c, err := New(Options{Binary: self, Nodes: []string{"n1", "n2", "n3"}, Dir: os.Getenv("ORDEAL_TEST_DIR"), Links: cmp.Or(Links(os.Getenv("ORDEAL_TEST_LINKS")), Userspace)})
	if err == nil {
		err = c.Setup(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	up := map[string]int{}
	for _, name := range c.Nodes() {
		s, _ := c.Process(context.Background(), name)
		up[name] = s.PID
	}
	_ = json.NewEncoder(os.Stdout).Encode(up)
	select {}
}
