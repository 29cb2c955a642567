// Command etcd is an etcd server, embedded, and the load on a cluster of them, for the comparison with this project's node.
//
//	etcd serve --id 1 --data DIR --peers 1=HOST:PORT,... --clients HOST:PORT
//	etcd --addresses HOST:PORT,... --op put --clients 16
package main

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/ordeal-dev/ordeal/bench/load"
	"github.com/ordeal-dev/ordeal/bench/peers"
)

type store struct{ *clientv3.Client }

func (s store) Put(ctx context.Context, key string, value []byte) error {
	_, err := s.Client.Put(ctx, key, string(value))
	return err
}

func (s store) Get(ctx context.Context, key string) error {
	_, err := s.Client.Get(ctx, key) // linearizable unless told otherwise
	return err
}

func main() {
	if f, serving := peers.Parse(os.Args); serving {
		log.Fatal(serve(f))
	}
	load.Main(func(addresses []string) (load.Store, error) {
		var leader []string
		for _, address := range addresses {
			c, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, DialTimeout: 5 * time.Second})
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			status, err := c.Status(ctx, address)
			cancel()
			if err == nil && status.Leader == status.Header.MemberId {
				leader = []string{address}
			}
			c.Close()
		}
		if leader == nil {
			leader = addresses
		}
		c, err := clientv3.New(clientv3.Config{Endpoints: leader, DialTimeout: 5 * time.Second})
		return store{c}, err
	})
}

func serve(f peers.Flags) error {
	c := embed.NewConfig()
	c.Name, c.Dir, c.LogLevel, c.LogOutputs = fmt.Sprint("n", f.ID), f.Data, "error", []string{"stderr"}
	c.ListenPeerUrls, c.AdvertisePeerUrls = urls(f.Peers[f.ID]), urls(f.Peers[f.ID])
	c.ListenClientUrls, c.AdvertiseClientUrls = urls(f.Clients), urls(f.Clients)
	c.QuotaBackendBytes = 8 << 30
	var cluster []string
	for id, address := range f.Peers {
		cluster = append(cluster, fmt.Sprintf("n%d=http://%s", id, address))
	}
	c.InitialCluster = strings.Join(cluster, ",")
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	return <-e.Err()
}

func urls(address string) []url.URL { return []url.URL{{Scheme: "http", Host: address}} }
