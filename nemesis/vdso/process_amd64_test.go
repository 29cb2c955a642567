//go:build linux

package vdso

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ordeal-dev/ordeal/nemesis"
)

// subject is this test as a process that knows nothing of the patch: it answers each line with what its clocks show.
const subject = "ORDEAL_TEST_VDSO"

func TestMain(m *testing.M) {
	if os.Getenv(subject) != "" {
		beSubject()
		return
	}
	os.Exit(m.Run())
}

// started is when the subject's time began, by its own clock.
var started = time.Now()

// beSubject reads its clocks in many threads all the time, which must never see monotonic time go back, and answers.
func beSubject() {
	const threads = 6
	var latest, readings, back atomic.Int64
	for range threads {
		go func() {
			runtime.LockOSThread()
			for {
				before := latest.Load()
				now := int64(time.Since(started))
				if now < before {
					back.Add(1)
				}
				readings.Add(1)
				for now > before && !latest.CompareAndSwap(before, now) {
					before = latest.Load()
				}
			}
		}()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(int64(time.Since(started)), time.Now().UnixNano(), realNow(unix.CLOCK_MONOTONIC), realNow(unix.CLOCK_REALTIME), readings.Load(), back.Load())
	}
}

func realNow(clock int32) int64 {
	now, err := machine(clock)
	if err != nil {
		panic(err)
	}
	return now
}

// answer is what the subject said.
type answer struct{ mono, wall, trueMono, trueWall, readings, back int64 }

func (a answer) ahead() time.Duration { return time.Duration(a.wall - a.trueWall) }

type program struct {
	*exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

func start(t *testing.T, cmd *exec.Cmd) *program {
	if err := ProbeChild(); err != nil {
		t.Skip("no process can be patched here: ", err)
	}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &program{cmd, in, bufio.NewReader(out)}
}

func startSubject(t *testing.T) *program {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), subject+"=yes")
	p := start(t, cmd)
	p.ask(t) // it runs
	return p
}

func (p *program) line(t *testing.T) string {
	_, err := io.WriteString(p.in, "now\n")
	require.NoError(t, err)
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

func (p *program) ask(t *testing.T) (a answer) {
	_, err := fmt.Sscan(p.line(t), &a.mono, &a.wall, &a.trueMono, &a.trueWall, &a.readings, &a.back)
	require.NoError(t, err)
	return a
}

func open1(t *testing.T, pid int) *Process {
	p, err := Open(pid)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// rateBetween is how fast the subject's monotonic clock went.
func rateBetween(a, b answer) float64 {
	return float64(b.mono-a.mono) / float64(b.trueMono-a.trueMono)
}

// What is set is what the process sees, and what is read back. The subject's own two looks at true and false clocks lie apart by as much as it is
// kept from the processor in between; asked often enough there is a time at which it is not.
func TestWhatTheProcessSees(t *testing.T) {
	s := startSubject(t)
	p := open1(t, s.Process.Pid)
	for _, test := range []struct {
		setting nemesis.ClockSetting
		rate    float64
		ahead   []time.Duration
	}{
		{nemesis.ClockSetting{}, 1, []time.Duration{0}},
		{nemesis.ClockSetting{Offset: time.Hour}, 1, []time.Duration{time.Hour}},
		{nemesis.ClockSetting{Offset: -30 * time.Minute}, 1, []time.Duration{-30 * time.Minute}},
		{nemesis.ClockSetting{Offset: time.Minute, Strobe: 20 * time.Millisecond}, 1, []time.Duration{0, time.Minute}},
		{nemesis.ClockSetting{}, 1, []time.Duration{0}},
	} {
		require.NoError(t, p.Set(test.setting))
		for _, ahead := range test.ahead {
			eventually(t, func() bool {
				off := s.ask(t).ahead() - ahead
				return max(off, -off) < 5*time.Millisecond
			}, "%+v: never ahead by %v", test.setting, ahead)
			eventually(t, func() bool {
				r, err := p.Read()
				require.NoError(t, err)
				off := r.Skew() - ahead
				return max(off, -off) < 5*time.Millisecond
			}, "%+v: not read back to be ahead by %v", test.setting, ahead)
		}
	}
	for _, rate := range []float64{5, 0.2, 100, 0.01, 1} {
		require.NoError(t, p.Set(nemesis.ClockSetting{Rate: rate}))
		eventually(t, func() bool {
			a := s.ask(t)
			time.Sleep(20 * time.Millisecond)
			b := s.ask(t)
			return rateBetween(a, b) > rate*0.9 && rateBetween(a, b) < rate*1.1
		}, "never at rate %v", rate)
	}
	require.Zero(t, s.ask(t).back, "monotonic time went back")
}

// eventually asks until it is so.
func eventually(t *testing.T, is func() bool, format string, args ...any) {
	for deadline := time.Now().Add(time.Minute); !is(); {
		require.False(t, time.Now().After(deadline), fmt.Sprintf(format, args...))
	}
}

// Monotonic time never goes back, however often it is set and whatever stands still in between.
func TestNeverBack(t *testing.T) {
	s := startSubject(t)
	p := open1(t, s.Process.Pid)
	rates := []float64{5, 0.2, 100, 0.01, 1, 30, 0.5}
	for n := range 400 {
		stop := n%4 == 0
		if stop {
			require.NoError(t, s.Process.Signal(syscall.SIGSTOP))
		}
		for k := range 3 {
			require.NoError(t, p.Set(nemesis.ClockSetting{Rate: rates[(n+k)%len(rates)]}))
		}
		if stop {
			require.NoError(t, s.Process.Signal(syscall.SIGCONT))
		}
	}
	a := s.ask(t)
	require.Positive(t, a.readings)
	require.Zero(t, a.back, "of %d readings", a.readings)
}

// What is read back goes as it was set, also where the process itself looks at no clock.
func TestIdleProcess(t *testing.T) {
	cmd := start(t, exec.Command("cat"))
	p := open1(t, cmd.Process.Pid)
	require.NoError(t, p.Set(nemesis.ClockSetting{Rate: 100}))
	a, err := p.Read()
	require.NoError(t, err)
	time.Sleep(50 * time.Millisecond)
	b, err := p.Read()
	require.NoError(t, err)
	require.InDelta(t, 100, float64(b.Monotonic-a.Monotonic)/float64(b.TrueMonotonic-a.TrueMonotonic), 0.001)
}

// Programs in C see the same, by each of the calls.
func TestOtherCalls(t *testing.T) {
	for name, command := range map[string][]string{
		"gettimeofday":  {"bash", "-c", `while read; do echo ${EPOCHREALTIME%[.,]*}; done`},
		"time":          {"perl", "-e", `$| = 1; while (<>) { print time(), "\n" }`},
		"clock_gettime": {"python3", "-uc", "import time\nwhile input(): print(int(time.clock_gettime(0)))"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skip("no ", command[0], " here")
			}
			s := start(t, exec.Command(command[0], command[1:]...))
			s.line(t)
			p := open1(t, s.Process.Pid)
			for _, offset := range []time.Duration{0, 5 * time.Hour, -5 * time.Hour} {
				require.NoError(t, p.Set(nemesis.ClockSetting{Offset: offset}))
				var seconds int64
				_, err := fmt.Sscan(s.line(t), &seconds)
				require.NoError(t, err)
				off := time.Until(time.Unix(seconds, 0)) - offset
				require.Less(t, max(off, -off), time.Hour, "%s shows %d", name, seconds)
			}
		})
	}
}

// A process that was patched already goes on as it was set.
func TestOpenedAgain(t *testing.T) {
	s := startSubject(t)
	require.NoError(t, open1(t, s.Process.Pid).Set(nemesis.ClockSetting{Offset: time.Hour}))
	r, err := open1(t, s.Process.Pid).Read()
	require.NoError(t, err)
	require.Equal(t, time.Hour, r.Skew())
}

// One that was stopped stays so, and can be set.
func TestStoppedProcess(t *testing.T) {
	s := startSubject(t)
	require.NoError(t, s.Process.Signal(syscall.SIGSTOP))
	eventually(t, func() bool { was, err := isStopped(s.Process.Pid); require.NoError(t, err); return was }, "it does not stop")
	p := open1(t, s.Process.Pid)
	require.NoError(t, p.Set(nemesis.ClockSetting{Offset: time.Hour}))
	was, err := isStopped(s.Process.Pid)
	require.NoError(t, err)
	require.True(t, was)
	require.NoError(t, s.Process.Signal(syscall.SIGCONT))
	require.Greater(t, s.ask(t).ahead(), 50*time.Minute)
}

func TestGone(t *testing.T) {
	s := startSubject(t)
	p := open1(t, s.Process.Pid)
	require.NoError(t, s.Process.Kill())
	_ = s.Wait()
	_, err := p.Read()
	require.ErrorContains(t, err, "it has ended")
	require.Error(t, p.Set(nemesis.ClockSetting{}))
	_, err = Open(s.Process.Pid)
	require.True(t, errors.Is(err, os.ErrNotExist), "%v", err)
}

func TestBadSettings(t *testing.T) {
	p := open1(t, startSubject(t).Process.Pid)
	for want, s := range map[string]nemesis.ClockSetting{
		"rate is 0.0001":  {Rate: 1e-4},
		"rate is NaN":     {Rate: nan()},
		"rate is -1":      {Rate: -1},
		"offset is":       {Offset: 11 * 365 * 24 * time.Hour},
		"strobe is 1ns":   {Strobe: 1},
		"strobe is -1s: ": {Strobe: -time.Second},
	} {
		require.ErrorContains(t, p.Set(s), want)
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

// Many set the same process at once.
func TestSetByMany(t *testing.T) {
	s := startSubject(t)
	p := open1(t, s.Process.Pid)
	var all sync.WaitGroup
	errs := make(chan error, 100)
	for n := range 4 {
		all.Go(func() {
			for k := range 20 {
				errs <- p.Set(nemesis.ClockSetting{Rate: float64(1 + (n+k)%7)})
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.Zero(t, s.ask(t).back)
}
