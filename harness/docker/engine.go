package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/client"
)

// pingLimit is how long an engine may take to say that it is there.
const pingLimit = 5 * time.Second

// connect gives a client of the engine that the environment names (DOCKER_HOST and the like), at the newest version of
// the API that both sides speak. It fails if no engine answers.
func connect(ctx context.Context) (*client.Client, error) {
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("docker engine: %w", err)
	}
	ping, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	if _, err := engine.Ping(ping); err != nil {
		engine.Close()
		if ctx.Err() == nil && ping.Err() != nil {
			err = fmt.Errorf("it takes connections and says nothing for %v", pingLimit)
		}
		return nil, fmt.Errorf("no docker engine answers: %w: start Docker, set DOCKER_HOST, or use --cluster local", err)
	}
	return engine, nil
}

// Available tells why no Docker cluster can be had here; nil means that an engine answers.
func Available(ctx context.Context) error {
	engine, err := connect(ctx)
	if err != nil {
		return err
	}
	return engine.Close()
}
