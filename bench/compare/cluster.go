package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// cluster is the servers of one system.
type cluster struct {
	name, bin, dir string
	clients        []string // host:port
	servers        []*exec.Cmd
}

// start starts the servers. That they serve shows at the first load.
func start(o *options, name, dir string, servers int) (*cluster, error) {
	c := &cluster{name: name, bin: o.bin, dir: dir}
	var peers, http []string
	for _, list := range []*[]string{&peers, &c.clients, &http} {
		for range servers {
			address, err := freeAddress()
			if err != nil {
				return nil, err
			}
			*list = append(*list, address)
		}
	}
	for i := range servers {
		data := filepath.Join(dir, fmt.Sprint(i+1))
		if err := os.MkdirAll(data, 0o755); err != nil {
			return nil, errors.Join(err, c.end())
		}
		if err := c.serve(c.command(o, i, data, peers, http[i]), data); err != nil {
			return nil, errors.Join(err, c.end())
		}
	}
	return c, nil
}

func (c *cluster) command(o *options, i int, data string, peers []string, http string) *exec.Cmd {
	id := fmt.Sprint(i + 1)
	var named []string
	for j, address := range peers {
		named = append(named, fmt.Sprintf("%d=%s", j+1, address))
	}
	if c.name != "ordeal" {
		return exec.Command(filepath.Join(c.bin, c.name), "serve", "--id", id, "--data", data, "--clients", c.clients[i], "--peers", strings.Join(named, ","))
	}
	args := []string{"--id", id, "--cluster-id", "compare", "--data", data, "--listen-peer", peers[i], "--listen-client", c.clients[i], "--listen-http", http,
		"--heartbeat", "100ms", "--election-timeout", "1s"} // as the others have it
	for _, peer := range named {
		args = append(args, "--peer", peer)
	}
	return exec.Command(o.node, args...)
}

func (c *cluster) serve(cmd *exec.Cmd, data string) error {
	log, err := os.Create(data + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	c.servers = append(c.servers, cmd)
	return nil
}

// end kills the servers.
func (c *cluster) end() error {
	for _, cmd := range c.servers {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}
	return nil
}

// cpu is what the servers have used so far, in seconds.
func (c *cluster) cpu() float64 {
	const ticks = 100 // a second: USER_HZ, the same on all of Linux's machines
	all := 0.0
	for _, cmd := range c.servers {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err != nil {
			return 0
		}
		_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything but that
		fields := strings.Fields(rest)
		if len(fields) < 13 {
			return 0
		}
		for _, field := range fields[11:13] { // utime, stime
			n, _ := strconv.ParseFloat(field, 64)
			all += n / ticks
		}
	}
	return all
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
