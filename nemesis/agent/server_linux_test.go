package agent

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/netfilter"
	"github.com/ordeal-dev/ordeal/nemesis/shaping"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

// A process's life, ordered over the API.
func TestProcessOverTheAPI(t *testing.T) {
	c, _ := serve(t, "run")
	ctx := t.Context()
	_, err := c.Kill(ctx)
	require.True(t, IsConflict(err), "%v", err)
	require.ErrorContains(t, err, "agent of n1 at 127.0.0.1")
	require.ErrorContains(t, err, "the process does not run: start it first")

	started, err := c.Start(ctx)
	require.NoError(t, err)
	require.True(t, started.Running)
	_, err = c.Start(ctx)
	require.True(t, IsConflict(err), "%v", err)
	paused, err := c.Pause(ctx)
	require.NoError(t, err)
	require.True(t, paused.Paused)
	resumed, err := c.Resume(ctx)
	require.NoError(t, err)
	require.False(t, resumed.Paused)
	var log bytes.Buffer
	require.Eventually(t, func() bool {
		log.Reset()
		require.NoError(t, c.Log(ctx, &log))
		return strings.Contains(log.String(), "child runs")
	}, 30*time.Second, time.Millisecond)
	killed, err := c.Kill(ctx)
	require.NoError(t, err)
	require.Equal(t, "signal: killed", killed.Ended)
	now, err := c.Process(ctx)
	require.NoError(t, err)
	require.Equal(t, killed, now)
}

// Orders are taken only from who knows the secret.
func TestSecret(t *testing.T) {
	c, s := serve(t, "run")
	require.NoError(t, s.supervisor.start())
	for _, secret := range []string{"", "wrong", testSecret + "x", testSecret[1:]} {
		stranger := NewClient("n1", c.address, secret)
		_, err := stranger.Kill(t.Context())
		var refused *Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, http.StatusUnauthorized, refused.Status)
		require.ErrorContains(t, err, "takes orders only from its harness")
		stranger.Close()
	}
	require.True(t, s.supervisor.state().Running)
	require.Equal(t, []string{"A=1", "B=" + SecretVariable + "="}, withoutOurs(
		[]string{"A=1", SecretVariable + "=x", SiteVariable + "=y", "B=" + SecretVariable + "="}))
}

// Whatever cannot be understood is answered with 4xx and a JSON error that says why.
func TestBadRequests(t *testing.T) {
	c, _ := serve(t, "run")
	for name, r := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"no such path":   {"GET", "/v2/health", "", 404, "GET /v2/health: Not Found"},
		"wrong method":   {"GET", pathKill, "", 405, "GET /v1/kill: Method Not Allowed"},
		"empty":          {"PUT", pathPartition, "", 400, "EOF"},
		"no JSON":        {"PUT", pathPartition, "cut them all", 400, "invalid character 'c'"},
		"unknown field":  {"PUT", pathPartition, `{"cut":[]}`, 400, `unknown field "cut"`},
		"more behind":    {"PUT", pathPartition, `{"cuts":[]} {}`, 400, "more behind the value"},
		"bad address":    {"PUT", pathPartition, `{"cuts":[{"peer":"n2"}]}`, 400, "ParseAddr"},
		"no address":     {"PUT", pathPartition, `{"cuts":[{"name":"n2","direction":"in","mode":"all"}]}`, 400, "cut 0 (n2): drop: no peer address"},
		"loopback":       {"PUT", pathPartition, `{"cuts":[{"direction":"in","mode":"all","peer":"127.0.0.1"}]}`, 400, "not the address of one peer"},
		"bad mode":       {"PUT", pathPartition, `{"cuts":[{"direction":"in","mode":"most","peer":"10.0.0.1"}]}`, 400, `mode is "most"`},
		"too large":      {"PUT", pathPartition, `{"cuts":[` + strings.Repeat(" ", maxBody) + `]}`, 413, "larger than"},
		"reset nobody":   {"POST", pathReset, `{"peers":[""]}`, 400, "peer 0 has no address"},
		"no nonce":       {"POST", pathSend, `{"targets":[{"address":"10.0.0.1:7004"}]}`, 400, "target 0: nonce"},
		"no port":        {"POST", pathSend, `{"targets":[{"nonce":"x","address":"10.0.0.1"}]}`, 400, "not an ip:port"},
		"port 0":         {"POST", pathSend, `{"targets":[{"nonce":"x","address":"10.0.0.1:0"}]}`, 400, "no address with a port"},
		"negative wait":  {"POST", pathReceived, `{"nonces":[],"wait_ms":-1}`, 400, "wait_ms is -1"},
		"very long wait": {"POST", pathReceived, `{"nonces":[],"wait_ms":86400000}`, 400, "want 0 to 60000"},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest(r.method, "http://"+c.address+r.path, strings.NewReader(r.body))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+testSecret)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, r.status, resp.StatusCode, "%s", body)
			require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
			var e Error
			require.NoError(t, json.Unmarshal(body, &e), "%s", body)
			require.Contains(t, e.Message, r.want)
		})
	}
}

// Requests of any bytes are understood as they are written again, or refused.
func FuzzRequests(f *testing.F) {
	f.Add([]byte(`{"cuts":[{"name":"n2","direction":"in","peer":"10.0.0.1","mode":"all"}]}`))
	f.Add([]byte(`{"peers":["10.0.0.1","fd00::1"]}`))
	f.Add([]byte(`{"targets":[{"nonce":"x","address":"10.0.0.1:7004"}]}`))
	f.Add([]byte(`{"nonces":["x"],"wait_ms":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var p Partition
		if decodeStrictly(body, &p) == nil {
			if drops, _, err := p.check(); err == nil {
				require.Len(t, drops, len(p.Cuts))
				again, err := json.Marshal(p)
				require.NoError(t, err)
				require.NoError(t, decodeStrictly(again, &p))
			}
		}
		var reset ResetRequest
		if decodeStrictly(body, &reset) == nil {
			_ = reset.check()
		}
		var send SendRequest
		if decodeStrictly(body, &send) == nil && send.check() == nil {
			for _, target := range send.Targets {
				require.NotZero(t, target.Address.Port())
			}
		}
		var received ReceivedRequest
		if decodeStrictly(body, &received) == nil && received.check() == nil {
			require.LessOrEqual(t, received.WaitMS, maxWaitMS)
		}
	})
}

// A probe tells about the direction it went and no other.
func TestProbe(t *testing.T) {
	a, sa := serve(t, "run")
	b, sb := serve(t, "run")
	ctx := t.Context()
	to := netip.MustParseAddrPort(sb.prober.conn.LocalAddr().String())
	failed, err := a.Send(ctx, []Target{{Nonce: "hello", Address: to}, {Nonce: "lost", Address: netip.MustParseAddrPort("240.0.0.1:9")}})
	require.NoError(t, err)
	require.Contains(t, failed, "lost", "no loopback socket reaches it")
	require.NotContains(t, failed, "hello")
	got, err := b.Received(ctx, []string{"hello"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, map[string]netip.AddrPort{"hello": netip.MustParseAddrPort(sa.prober.conn.LocalAddr().String())}, got)
	got, err = b.Received(ctx, []string{"hello", "never"}, time.Millisecond)
	require.NoError(t, err)
	require.Len(t, got, 1)
	got, err = a.Received(ctx, []string{"hello"}, 0)
	require.NoError(t, err)
	require.Empty(t, got)
}

// The prober forgets the oldest probes, not the newest.
func TestProberIsBounded(t *testing.T) {
	_, s := serve(t, "run")
	from := netip.MustParseAddrPort("10.0.0.1:1")
	for range maxReceived + 1 {
		s.prober.arrive(strings.Repeat("x", len(s.prober.order)%60+1)+"-"+time.Now().String(), from)
	}
	s.prober.arrive("newest", from)
	require.Len(t, s.prober.order, maxReceived)
	require.Len(t, s.prober.from, maxReceived)
	require.Contains(t, s.prober.received(t.Context(), []string{"newest"}), "newest")
}

func TestNobodyAnswers(t *testing.T) {
	c := NewClient("n7", "127.0.0.1:1", testSecret)
	_, err := c.Health(t.Context())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorContains(t, err, "agent of n7 at 127.0.0.1:1: /v1/health")
}

const inNamespace = "ORDEAL_AGENT_TEST_NAMESPACE"

// Rules are set over the API in a network namespace of the test's own; what a standing cut counted is not lost when
// others change.
func TestPartitionOverTheAPI(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestPartitionOverTheAPI$", "-test.v")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		if err := cmd.Start(); err != nil {
			t.Skipf("this needs a network namespace, which this machine does not give to user %d: %v", os.Getuid(), err)
		}
		require.NoError(t, cmd.Wait(), "run with -v for the output of the test in the namespace")
		return
	}
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetUp(lo))
	address, err := netlink.ParseAddr("10.9.0.1/32")
	require.NoError(t, err)
	require.NoError(t, netlink.AddrAdd(lo, address))
	partitionOverTheAPI(t)
	rulesOutliveTheAgent(t)
	shapesOverTheAPI(t)
}

// Peers are shaped by name, and counted so; what the kernel would not understand is refused before.
func shapesOverTheAPI(t *testing.T) {
	c, _ := serve(t, "run")
	able, err := c.Able(t.Context())
	require.NoError(t, err)
	if able.Netem != "" {
		require.Contains(t, able.Netem, "modprobe sch_netem", "a kernel need not have it")
	}
	require.Equal(t, Able{Netem: able.Netem}, able)
	self := netip.MustParseAddr("10.9.0.1")
	lossy := []PeerShape{{Name: "n2", Peer: shaping.Peer{Address: self, Shape: nemesis.Shape{Loss: 1}}}}
	narrow := []PeerShape{{Name: "n3", Peer: shaping.Peer{Address: self, Shape: nemesis.Shape{Rate: 1 << 20}}}}
	require.NoError(t, c.Shape(t.Context(), Shapes{Peers: lossy, Sent: narrow}))
	conn, err := newProber("10.9.0.1:0")
	require.NoError(t, err)
	defer conn.close()
	require.Empty(t, conn.send([]Target{{Nonce: "x", Address: netip.AddrPortFrom(self, uint16(conn.port()))}}))
	require.Eventually(t, func() bool {
		counts, err := c.Shaped(t.Context())
		require.NoError(t, err)
		lost, sent := counts.Counts, counts.Sent
		return len(lost) == 1 && lost[0].Name == "n2" && lost[0].Lost > 0 && lost[0].Shape == nemesis.Shape{Loss: 1} &&
			len(sent) == 1 && sent[0].Name == "n3" && sent[0].Passed > 0 && sent[0].Limited > 0 && sent[0].Method == "tbf"
	}, 30*time.Second, time.Millisecond)
	require.ErrorContains(t, c.Shape(t.Context(), Shapes{Peers: []PeerShape{{Name: "n3"}}}), "peer 0 (n3): ")
	require.ErrorContains(t, c.Shape(t.Context(), Shapes{Sent: []PeerShape{{Name: "n4"}}}), "sent: peer 0 (n4): ")
	require.NoError(t, c.Shape(t.Context(), Shapes{}))
	counts, err := c.Shaped(t.Context())
	require.NoError(t, err)
	require.Empty(t, counts.Counts)
	require.Empty(t, counts.Sent)
}

// What was cut when the agent was killed with its namespace is cut when it is back, unless it was healed. Rules that it cannot read keep
// it from starting.
func rulesOutliveTheAgent(t *testing.T) {
	c, s := serve(t, "run")
	cut := []Cut{{Name: "n2", Drop: netfilter.Drop{Direction: netfilter.In, Peer: netip.MustParseAddr("10.9.0.2"), Mode: netfilter.Data}},
		{Name: "clients", Drop: netfilter.Drop{Direction: netfilter.In, Port: 7001, Mode: netfilter.All}}}
	require.NoError(t, c.Partition(t.Context(), cut))
	require.NoError(t, s.filter.Clear())
	_, next := serve(t, "run")
	next.kept = s.kept
	require.NoError(t, next.restore())
	counts, err := c.Counters(t.Context())
	require.NoError(t, err)
	require.Len(t, counts, 2)

	require.NoError(t, c.Heal(t.Context()))
	require.NoError(t, next.restore())
	counts, err = c.Counters(t.Context())
	require.NoError(t, err)
	require.Empty(t, counts)

	require.NoError(t, os.WriteFile(s.kept, []byte(`{"cuts":[{}]}`), 0o600))
	require.ErrorContains(t, next.restore(), "cut 0 (): ")
}

func partitionOverTheAPI(t *testing.T) {
	c, _ := serve(t, "run")
	ctx := t.Context()
	h, err := c.Health(ctx)
	require.NoError(t, err)
	require.Empty(t, h.Netfilter)
	self, other := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
	cut := func(name string, peer netip.Addr) Cut {
		return Cut{Name: name, Drop: netfilter.Drop{Direction: netfilter.In, Peer: peer, Mode: netfilter.All}}
	}
	require.NoError(t, c.Partition(ctx, []Cut{cut("self", self)}))
	conn, err := newProber("10.9.0.1:0")
	require.NoError(t, err)
	defer conn.close()
	target := []Target{{Nonce: "x", Address: netip.AddrPortFrom(self, uint16(conn.port()))}}
	require.Empty(t, conn.send(target))
	counts, err := c.Counters(ctx)
	require.NoError(t, err)
	require.Len(t, counts, 1)
	require.Equal(t, "self", counts[0].Name)
	require.EqualValues(t, 1, counts[0].Packets)

	require.NoError(t, c.Partition(ctx, []Cut{cut("self", self), cut("other", other)}))
	require.Empty(t, conn.send(target))
	counts, err = c.Counters(ctx)
	require.NoError(t, err)
	require.Len(t, counts, 2)
	require.EqualValues(t, 2, counts[0].Packets)
	require.EqualValues(t, 0, counts[1].Packets)

	require.NoError(t, c.Partition(ctx, nil))
	counts, err = c.Counters(ctx)
	require.NoError(t, err)
	require.Empty(t, counts)
	require.NoError(t, c.Partition(ctx, []Cut{cut("self", self)}))
	counts, err = c.Counters(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 0, counts[0].Packets, "a cut made anew counts anew")
	destroyed, err := c.Reset(ctx, []netip.Addr{self})
	require.NoError(t, err)
	require.Zero(t, destroyed)
}
