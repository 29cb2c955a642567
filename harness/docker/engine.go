package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/client"
)

// connect gives a client of the engine that the environment names (DOCKER_HOST and the like), at the newest version of
// the API that both sides speak. It fails if no engine answers.
func connect(ctx context.Context) (*client.Client, error) {
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("docker engine: %w", err)
	}
	if _, err := engine.Ping(ctx); err != nil {
		engine.Close()
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
