// Package peers reads the command line that the servers under comparison have in common.
package peers

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Flags say which server of a cluster this is.
type Flags struct {
	ID      int
	Data    string         // its folder
	Peers   map[int]string // host:port of each server's port for the others, by id
	Clients string         // host:port for clients
}

// Parse reads "PROGRAM serve FLAGS", and reports whether the command line is one.
func Parse(args []string) (Flags, bool) {
	if len(args) < 2 || args[1] != "serve" {
		return Flags{}, false
	}
	f := Flags{Peers: map[int]string{}}
	set := flag.NewFlagSet("serve", flag.ExitOnError)
	set.IntVar(&f.ID, "id", 0, "this server's number")
	set.StringVar(&f.Data, "data", "", "folder")
	set.StringVar(&f.Clients, "clients", "", "host:port for clients")
	all := set.String("peers", "", "ID=HOST:PORT of all servers, separated by commas")
	set.Parse(args[2:])
	for _, peer := range strings.Split(*all, ",") {
		name, address, _ := strings.Cut(peer, "=")
		id, err := strconv.Atoi(name)
		if err != nil || address == "" {
			fmt.Fprintf(os.Stderr, "--peers %s: want ID=HOST:PORT\n", peer)
			os.Exit(2)
		}
		f.Peers[id] = address
	}
	return f, true
}
