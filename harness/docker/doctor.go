package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	dockerimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
)

// Finding is what Doctor found out about one thing that a Docker cluster needs.
type Finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`           // what was seen
	Remedy string `json:"remedy,omitempty"` // what to do if it is not OK
	// Optional: without it the cluster can be had, but not everything can be done to it.
	Optional bool `json:"optional,omitempty"`
}

// minAPI is the oldest version of the engine's API that this package was run against.
const minAPI = "1.41"

const doctorLimit = 60 * time.Second

// Doctor tries, with the agent's binary, whatever a Docker cluster needs. What depends on something that failed is left
// out. It removes what it made.
func Doctor(ctx context.Context, agentBinary string) []Finding {
	ctx, cancel := context.WithTimeout(ctx, doctorLimit)
	defer cancel()
	d := &doctor{}
	engine, err := connect(ctx)
	if !d.saw("docker engine", err, "answers", "start Docker or set DOCKER_HOST; without it use --cluster local") {
		return d.findings
	}
	defer engine.Close()
	d.engine = engine
	if d.version(ctx) {
		d.container(ctx, agentBinary)
	}
	return d.findings
}

type doctor struct {
	engine       *client.Client
	architecture string
	findings     []Finding
}

// saw notes a finding and tells whether it is good.
func (d *doctor) saw(name string, err error, detail, remedy string) bool {
	f := Finding{Name: name, OK: err == nil, Detail: detail}
	if err != nil {
		f.Detail, f.Remedy = err.Error(), remedy
	}
	d.findings = append(d.findings, f)
	return f.OK
}

func (d *doctor) version(ctx context.Context) bool {
	info, err := d.engine.Info(ctx)
	d.architecture = info.Architecture
	api := d.engine.ClientVersion()
	if err == nil && versions.LessThan(api, minAPI) {
		err = fmt.Errorf("API %s is older than %s", api, minAPI)
	}
	if err == nil && info.OSType != "linux" {
		err = fmt.Errorf("the engine runs %s containers", info.OSType)
	}
	return d.saw("docker API", err, fmt.Sprintf("engine %s, API %s, %s, kernel %s, storage %s",
		info.ServerVersion, api, info.OperatingSystem, info.KernelVersion, info.Driver),
		"use an engine 20.10 or newer that runs Linux containers")
}

// container starts one agent without a child in an image from scratch and has it partition.
func (d *doctor) container(ctx context.Context, agentBinary string) {
	dockerfile := []byte("FROM scratch\nCOPY ordeal-agent /\nENTRYPOINT [\"/ordeal-agent\"]\n")
	image, err := newImage(dockerfile, map[string]string{"ordeal-agent": agentBinary})
	if err == nil {
		err = image.check(d.architecture)
	}
	if err == nil {
		err = image.build(ctx, d.engine)
	}
	if !d.saw("image FROM scratch", err, "the classic builder built "+image.tag(),
		"build the binaries with `make build`; the engine's builder must allow FROM scratch") {
		return
	}
	run := "doctor-" + strings.ToLower(rand.Text()[:8])
	defer d.discard(ctx, run, image.tag())
	defer d.disks(ctx, run, image.tag())
	id, secret, err := d.startAgent(ctx, run, image.tag(), false)
	if !d.saw("container with NET_ADMIN and NET_RAW", err, "started with both",
		"allow NET_ADMIN and NET_RAW to containers (rootless engines and some CI services forbid it), or use --cluster local") {
		return
	}
	a, err := d.reachAgent(ctx, id, secret)
	if !d.saw("ports published on 127.0.0.1", err, "an agent in a container answers through one",
		"the engine must run on this machine and publish ports on 127.0.0.1 (a remote DOCKER_HOST does not)") {
		return
	}
	defer a.Close()
	able, err := a.Able(ctx)
	defer d.clocks(able.VDSO, err)
	defer d.copies(able.Copies, err)
	defer d.traffic(able, err)
	if err == nil && able.Queue != "" {
		err = errors.New(able.Queue)
	}
	d.saw("packet queue in a container", err, "a queue and a rule for it were made and removed: links can be late, lossy and narrow",
		"load the kernel's queue (modprobe nfnetlink_queue, and nft_queue or xt_NFQUEUE with nft_compat), or use --cluster local for faults packet:delay, loss and bandwidth")
	d.saw("packet filter in a container", partitionOnce(ctx, a), "a rule was set, listed and removed by nftables via netlink",
		"load the kernel's nf_tables (modprobe nf_tables nf_tables_inet), or use --cluster local")
}

// traffic tells which queues of traffic control the kernel has. What it has not, the packet queue does.
func (d *doctor) traffic(able agent.Able, err error) {
	for _, q := range []struct{ name, lacks, modes string }{
		{"netem", able.Netem, "packet:delay, loss and reorder"}, {"TBF", able.TBF, "packet:bandwidth"},
	} {
		lacks := err
		if err == nil && q.lacks != "" {
			lacks = errors.New(q.lacks)
		}
		d.saw("traffic control in a container: "+q.name, lacks, "one was made and removed: it does "+q.modes, "without it the packet queue does "+q.modes)
		d.findings[len(d.findings)-1].Optional = true
	}
}

// copies tells whether packets can come twice.
func (d *doctor) copies(lacks string, err error) {
	if err == nil && lacks != "" {
		err = errors.New(lacks)
	}
	d.saw("copies of packets in a container, for --faults packet:duplicate", err, "a raw socket was opened", "allow NET_RAW to containers")
	d.findings[len(d.findings)-1].Optional = true
}

// clocks tells whether the clocks of any process can be set.
func (d *doctor) clocks(lacks string, err error) {
	if err == nil && lacks != "" {
		err = errors.New(lacks)
	}
	d.saw("clocks of any process in a container (vDSO), for --faults clock:by=vdso", err, "the agent can patch a process of its container",
		"an engine on Linux on amd64 is needed; for processes of another user than the agent's, SYS_PTRACE too")
	d.findings[len(d.findings)-1].Optional = true
}

// disks starts an agent that may mount, and asks it whether it could.
func (d *doctor) disks(ctx context.Context, run, image string) {
	err := d.tryDisk(ctx, run, image)
	d.saw("disks that can be hurt (FUSE), for --faults disk", err, "an agent with SYS_ADMIN has mounted one",
		"load the kernel's module (modprobe fuse) and allow SYS_ADMIN and MKNOD to containers; without them --faults disk is refused")
	d.findings[len(d.findings)-1].Optional = true
}

func (d *doctor) tryDisk(ctx context.Context, run, image string) error {
	id, secret, err := d.startAgent(ctx, run, image, true)
	if err != nil {
		return err
	}
	a, err := d.reachAgent(ctx, id, secret)
	if err != nil {
		return err
	}
	defer a.Close()
	health, err := a.Health(ctx)
	if err == nil && health.Disk != "" {
		err = errors.New(health.Disk)
	}
	return err
}

func (d *doctor) startAgent(ctx context.Context, run, image string, disks bool) (id, secret string, err error) {
	secret = rand.Text()
	port := nat.Port(fmt.Sprintf("%d/tcp", agentPort))
	host := &container.HostConfig{
		CapDrop: []string{"ALL"}, CapAdd: []string{"NET_ADMIN", "NET_RAW"},
		PortBindings: nat.PortMap{port: {{HostIP: "127.0.0.1"}}},
	}
	name, command := "ordeal-"+run, []string{fmt.Sprintf("--control=0.0.0.0:%d", agentPort)}
	if disks {
		allowDisks(host)
		name, command = name+"-disk", append(command, "--disk=/data")
	}
	created, err := d.engine.ContainerCreate(ctx, &container.Config{
		Image: image, Cmd: command,
		Env:    []string{agent.SecretVariable + "=" + secret},
		Labels: thisProcess().labels(run), ExposedPorts: nat.PortSet{port: {}},
	}, host, nil, nil, name)
	if err != nil {
		return "", "", err
	}
	return created.ID, secret, d.engine.ContainerStart(ctx, created.ID, container.StartOptions{})
}

func (d *doctor) reachAgent(ctx context.Context, id, secret string) (*agent.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	i, err := d.engine.ContainerInspect(ctx, id)
	if err != nil {
		return nil, err
	}
	address, err := publishedAddress(i.NetworkSettings.Ports, agentPort)
	if err != nil {
		return nil, err
	}
	a := agent.NewClient("the doctor's container", address, secret)
	for {
		_, err := a.Health(ctx)
		if err == nil {
			return a, nil
		}
		if !sleep(ctx, 20*time.Millisecond) {
			a.Close()
			return nil, err
		}
	}
}

// partitionOnce cuts an address that is nobody's (TEST-NET-1), sees the rule and heals.
func partitionOnce(ctx context.Context, a *agent.Client) error {
	for _, mode := range []netfilter.Mode{netfilter.All, netfilter.Data} {
		nobody := netip.MustParseAddr("192.0.2.1")
		drop := netfilter.Drop{Direction: netfilter.In, Peer: nobody, Mode: mode}
		if err := a.Partition(ctx, []agent.Cut{{Name: "nobody", Drop: drop}}); err != nil {
			return err
		}
		counts, err := a.Counters(ctx)
		if err != nil {
			return err
		}
		if len(counts) != 1 || counts[0].Drop != drop {
			return fmt.Errorf("one rule was set and %v was listed", counts)
		}
	}
	return a.Heal(ctx)
}

// discard removes what the doctor made. A failure is a finding too.
func (d *doctor) discard(ctx context.Context, run, tag string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownLimit)
	defer cancel()
	_, err := removeRun(ctx, d.engine, run)
	_, imageErr := d.engine.ImageRemove(ctx, tag, dockerimage.RemoveOptions{PruneChildren: true})
	if err := errors.Join(err, imageErr); err != nil {
		d.saw("removal", err, "", "run `ordeal cleanup`")
	}
}
