package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	dockerimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// Cleanup removes what runs of dead processes of this machine left on the engine, and images that no run used lately.
// It returns what it removed, in words.
func Cleanup(ctx context.Context) (removed []string, err error) { return cleanup(ctx, false) }

// CleanupAll removes everything of ordeal's on the engine, also what living runs use and every image.
func CleanupAll(ctx context.Context) (removed []string, err error) { return cleanup(ctx, true) }

func cleanup(ctx context.Context, all bool) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, teardownLimit)
	defer cancel()
	engine, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	removed, err := removeLeftovers(ctx, engine, all)
	images, imageErr := removeImages(ctx, engine, all)
	return append(removed, images...), errors.Join(err, imageErr)
}

// settle is how long the engine may still be at work on the last request of a harness that was killed.
const settle = 200 * time.Millisecond

// removeLeftovers looks again after it removed something, until nothing more turns up: what a dead harness asked for
// last may come to be only after it is gone.
func removeLeftovers(ctx context.Context, engine *client.Client, all bool) (removed []string, err error) {
	for {
		gone, err := removeAll(ctx, engine, filters.Arg("label", labelRun), func(t thing) bool {
			return all || ownerOf(t.labels).gone()
		})
		removed = append(removed, gone...)
		if err != nil || len(gone) == 0 || !sleep(ctx, settle) {
			return removed, err
		}
	}
}

// removeTries is how often what is found is removed and looked for again while something cannot be removed.
const removeTries = 10

// removeAll removes what carries the label and is wanted. When something is in use it looks again: what uses it may have
// been made since.
func removeAll(
	ctx context.Context, engine *client.Client, label filters.KeyValuePair, want func(thing) bool,
) (removed []string, err error) {
	for range removeTries {
		var found []thing
		if found, err = findLabelled(ctx, engine, filters.NewArgs(label)); err != nil {
			return removed, err
		}
		var gone []string
		gone, err = remove(ctx, engine, slices.DeleteFunc(found, func(t thing) bool { return !want(t) }))
		removed = append(removed, gone...)
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return removed, err
}

// thing is something on the engine that a run made.
type thing struct {
	kind   string // "container", "network" or "volume"
	id     string
	name   string
	labels map[string]string
}

func (t thing) String() string { return t.kind + " " + t.name }

// findLabelled lists containers, networks and volumes.
func findLabelled(ctx context.Context, engine *client.Client, by filters.Args) ([]thing, error) {
	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var found []thing
	for _, c := range containers {
		name := c.ID
		if len(c.Names) > 0 {
			name = c.Names[0][1:] // without the slash
		}
		found = append(found, thing{"container", c.ID, name, c.Labels})
	}
	networks, err := engine.NetworkList(ctx, network.ListOptions{Filters: by})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range networks {
		found = append(found, thing{"network", n.ID, n.Name, n.Labels})
	}
	volumes, err := engine.VolumeList(ctx, volume.ListOptions{Filters: by})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range volumes.Volumes {
		found = append(found, thing{"volume", v.Name, v.Name, v.Labels})
	}
	return found, nil
}

// remove removes containers first: networks and volumes cannot go while one uses them.
func remove(ctx context.Context, engine *client.Client, found []thing) (removed []string, err error) {
	for _, kind := range []string{"container", "network", "volume"} {
		var (
			wait sync.WaitGroup
			mu   sync.Mutex
		)
		for _, t := range found {
			if t.kind != kind {
				continue
			}
			wait.Go(func() {
				e := removeThing(ctx, engine, t)
				mu.Lock()
				defer mu.Unlock()
				if e != nil {
					err = errors.Join(err, fmt.Errorf("remove %v: %w", t, e))
					return
				}
				removed = append(removed, t.String())
			})
		}
		wait.Wait()
	}
	slices.Sort(removed)
	return removed, err
}

// busyLimit is how long to wait for the engine to let go of one thing.
const busyLimit = 2 * time.Second

func removeThing(ctx context.Context, engine *client.Client, t thing) error {
	deadline := time.Now().Add(busyLimit)
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := removeOnce(ctx, engine, t)
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		// Someone else may be removing it at this moment, or the engine may still be letting go of a container.
		busy := errdefs.IsConflict(err) || errdefs.IsPermissionDenied(err)
		if !busy || time.Now().After(deadline) || !sleep(ctx, wait) {
			return err
		}
	}
}

func removeOnce(ctx context.Context, engine *client.Client, t thing) error {
	switch t.kind {
	case "container":
		return engine.ContainerRemove(ctx, t.id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	case "network":
		return engine.NetworkRemove(ctx, t.id)
	case "volume":
		return engine.VolumeRemove(ctx, t.id, true)
	}
	panic("docker: nothing is known of things of kind " + t.kind)
}

// imageRest is how long an image is left alone after its last use: another run may be about to start from it.
const imageRest = 10 * time.Minute

// removeImages removes the images built here, except the newest and those in use; all of them if asked to.
func removeImages(ctx context.Context, engine *client.Client, all bool) (removed []string, err error) {
	images, err := engine.ImageList(ctx, dockerimage.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", labelImage)),
	})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	slices.SortFunc(images, func(a, b dockerimage.Summary) int { return cmp.Compare(b.Created, a.Created) })
	for i, summary := range images {
		if !all {
			inspected, err := engine.ImageInspect(ctx, summary.ID)
			if err != nil || i == 0 || time.Since(inspected.Metadata.LastTagTime) < imageRest {
				continue
			}
		}
		_, e := engine.ImageRemove(ctx, summary.ID, dockerimage.RemoveOptions{Force: all, PruneChildren: true})
		switch {
		case e == nil:
			removed = append(removed, "image "+imageName(summary))
		case errdefs.IsConflict(e), errdefs.IsNotFound(e): // in use, or gone with another
		default:
			err = errors.Join(err, fmt.Errorf("remove image %s: %w", imageName(summary), e))
		}
	}
	return removed, err
}

func imageName(s dockerimage.Summary) string {
	if len(s.RepoTags) > 0 {
		return s.RepoTags[0]
	}
	return s.ID
}
