package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis/disk"
)

// Run starts the child and serves the control API until SIGTERM, SIGINT or the end of ctx, then ends the child
// gracefully. The child's own end, however it comes, does not end Run.
func Run(ctx context.Context, c Config) error {
	log, err := openChildLog(c.LogDir, c.LogLimit)
	if err != nil {
		return fmt.Errorf("the child's log in %s: %w", c.LogDir, err)
	}
	defer log.close()
	output := &tee{stdout: c.Stdout, log: log}
	a := &agent{config: c, output: output}
	a.makeSupervisors()
	prober, err := newProber(c.Probe)
	if err != nil {
		return fmt.Errorf("listen for probes (--probe): %w", err)
	}
	defer prober.close()
	go prober.run()
	health := Health{Name: a.config.Name, Instance: rand.Text(), PID: os.Getpid(), Started: time.Now(), ProbePort: prober.port()}
	d, unmount := a.mountDisk(&health)
	defer unmount()
	stop, err := a.serve(&server{health: health, supervisor: a.supervisor, prober: prober, log: log, disk: d, note: a.note,
		kept: filepath.Join(a.config.LogDir, keptRules)})
	if err != nil {
		return err
	}
	defer stop()
	return a.supervise(ctx)
}

// makeSupervisors makes the child's, and those of what runs beside it.
func (a *agent) makeSupervisors() {
	a.supervisor = a.supervisorOf(Program{Args: a.config.Command})
	for _, p := range a.config.Site.Beside {
		a.supervisor.beside = append(a.supervisor.beside, a.supervisorOf(p))
	}
}

func (a *agent) supervisorOf(p Program) *supervisor {
	s := &supervisor{argv: p.Args, env: append(withoutOurs(os.Environ()), p.Env...), files: a.config.Site.Files, output: a.output}
	s.ended = func(pid int, how string) { a.note("process %d ended: %s", pid, how) }
	return s
}

// mountDisk mounts the disk that was asked for. Where that fails the child has its folder as it is, and health tells why:
// whoever wants faults of disks has to look there.
func (a *agent) mountDisk(health *Health) (d *disk.Disk, unmount func()) {
	if a.config.Disk == "" {
		health.Disk = errNoDisk.Error()
		return nil, func() {}
	}
	d, err := mountDisk(a.config.Disk)
	if err != nil {
		health.Disk = err.Error()
		a.note("no disk: %v", err)
		return nil, func() {}
	}
	a.note("disk over %s", a.config.Disk)
	return d, func() {
		if err := d.Unmount(); err != nil {
			a.note("disk: %v", err)
		}
	}
}

type agent struct {
	config     Config
	output     *tee
	supervisor *supervisor
}

// note writes a line of the agent's own among the child's.
func (a *agent) note(format string, args ...any) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	a.output.line(fmt.Sprintf("ordeal-agent %s %s: %s\n", now, a.config.Name, fmt.Sprintf(format, args...)))
}

// serve starts the control API, if there is a secret to guard it.
func (a *agent) serve(s *server) (stop func(), err error) {
	if a.config.Secret == "" {
		a.note("no secret in %s: the control API is off, this agent only supervises", SecretVariable)
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", a.config.Control)
	if err != nil {
		return nil, fmt.Errorf("listen for the control API (--control): %w", err)
	}
	if err := s.restore(); err != nil {
		return nil, err
	}
	h := &http.Server{Handler: s.handler(a.config.Secret), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := h.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.note("control API: %v", err)
		}
	}()
	a.note("control API on %s, probes on udp port %d", listener.Addr(), s.health.ProbePort)
	return func() { h.Close(); s.shapers.close(); s.filter.Close() }, nil
}

// supervise has the child run until it is time to end.
func (a *agent) supervise(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	if adoptsOrphans() {
		go a.supervisor.reapOrphans(ctx)
	}
	if len(a.config.Command) > 0 {
		// A first start that fails is a mistake in the command line: say so by ending.
		if err := a.startAll(); err != nil {
			return err
		}
	}
	select {
	case sig := <-signals:
		a.note("%v: ending", sig)
		a.endAll(sig.(syscall.Signal))
	case <-ctx.Done():
		a.endAll(syscall.SIGTERM)
	}
	a.note("%s", describe(a.supervisor.state()))
	return nil
}

// startAll starts what is to run beside the child, and the child.
func (a *agent) startAll() error {
	for _, s := range append(slices.Clone(a.supervisor.beside), a.supervisor) {
		if err := s.start(); err != nil {
			return err
		}
		a.note("started: %s", describe(s.state()))
	}
	return nil
}

// endAll ends the child, and then what ran beside it.
func (a *agent) endAll(sig syscall.Signal) {
	for _, s := range append([]*supervisor{a.supervisor}, a.supervisor.beside...) {
		s.shutDown(sig, a.config.Grace)
	}
}

// withoutOurs is an environment without what is the agent's alone.
func withoutOurs(env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, SecretVariable+"=") && !strings.HasPrefix(v, SiteVariable+"=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// tee writes to the log and to standard output. A log that cannot be written (a full disk) is said once and does not
// stop the child, and neither does a closed standard output.
type tee struct {
	mu      sync.Mutex
	stdout  io.Writer
	log     io.Writer
	failed  bool
	midLine bool // the last byte written did not end a line
}

func (t *tee) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write(p)
	return len(p), nil
}

// line writes a line of its own, also when the child is in the middle of one.
func (t *tee) line(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.midLine {
		s = "\n" + s
	}
	t.write([]byte(s))
}

func (t *tee) write(p []byte) {
	if len(p) == 0 {
		return
	}
	if _, err := t.log.Write(p); err != nil && !t.failed {
		t.failed = true
		fmt.Fprintf(t.stdout, "ordeal-agent: the child's log is incomplete from here on: %v\n", err)
	}
	_, _ = t.stdout.Write(p)
	t.midLine = p[len(p)-1] != '\n'
}
