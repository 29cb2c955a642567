package external

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/harness/local"
	"github.com/ordeal-dev/ordeal/harness/managed"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/systems"
	"github.com/ordeal-dev/ordeal/workloads"
)

const mode = "ORDEAL_TEST_PROGRAM"

// TestMain makes this test's program one that answers, in the manner that mode says.
func TestMain(m *testing.M) {
	if os.Getenv(mode) == "" {
		os.Exit(m.Run())
	}
	if os.Getenv(mode) == "a harness" {
		_, err := Start(context.Background(), []string{"sh", "-c", `read x; echo '{"id":1,"protocol":1,"name":"sleeper"}'; sleep 1000; true`})
		fmt.Println(err)
		select {} // until it is killed
	}
	os.Exit(answering(os.Getenv(mode)))
}

func answering(how string) int {
	if how == "dies" {
		fmt.Fprintln(os.Stderr, "out of cheese")
		return 7
	}
	if how == "leaves" { // a child holds its pipes
		child := exec.Command("sleep", "60")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if child.Start() != nil {
			return 3
		}
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var q request
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return 4
		}
		id := fmt.Sprintf(`{"id":%d`, q.ID)
		switch {
		case q.Do == "hello" && how == "old":
			fmt.Println(id + `,"protocol":9,"name":"test"}`)
		case q.Do == "hello" && how == "chats":
			fmt.Println("hello!")
		case q.Do == "hello":
			fmt.Println(id + `,"protocol":1,"name":"test","abilities":{"pause":true,"partition":true,"status":true}}`)
		case q.Do == "status" && q.Node == "silent":
		case q.Do == "status":
			fmt.Println(id + `,"leads":true,"term":4,"commit":3,"applied":2}`)
		case q.Do == "state":
			fmt.Println(id + `,"running":true,"paused":true,"pid":12}`)
		case q.Do == "probe":
			fmt.Println(id + `,"crossed":[true,false]}`)
		case q.Do == "start":
			fmt.Println(id + `,"error":"no such node"}`)
		case q.Do == "kill":
			fmt.Fprintln(os.Stderr, "asked to kill "+q.Node)
			if how == "mute" {
				_ = os.Stdout.Close()
				continue
			}
			if how == "exits" || how == "leaves" {
				return 5
			}
			fmt.Println(id + `}`)
		case q.Do == "invoke":
			text, _ := json.Marshal(q.Op)
			switch q.Op.Key {
			case "silent":
			case "fail":
				fmt.Println(id + `,"type":"fail","error":"refused","value":3}`)
			case "odd":
				fmt.Println(id + `,"type":"perhaps"}`)
			case "error":
				fmt.Println(id + `,"error":"broken"}`)
			default:
				fmt.Println(id + `,"type":"ok","value":[1,null,"a"],"node":"n2","index":9}`)
			}
			fmt.Fprintln(os.Stderr, string(text))
		default:
			fmt.Println(id + `}`)
		}
	}
	return 0
}

func start(t *testing.T, how string) (*Program, error) {
	t.Setenv(mode, how)
	t.Setenv("ORDEAL_STATE", t.TempDir())
	self, err := os.Executable()
	require.NoError(t, err)
	p, err := Start(t.Context(), []string{self})
	if err == nil {
		t.Cleanup(func() { _ = p.Teardown(context.Background()) })
	}
	return p, err
}

func running(t *testing.T, how string) *Program {
	p, err := start(t, how)
	require.NoError(t, err)
	return p
}

var _ managed.Manager = (*Program)(nil)

func TestQuestionsAndAnswers(t *testing.T) {
	p := running(t, "well")
	require.Equal(t, "test", p.Name())
	require.Equal(t, managed.Abilities{Pause: true, Partition: true, Status: true, Workloads: []string{"register"}}, p.Abilities())
	require.NoError(t, p.Setup(t.Context(), []string{"n1"}))
	require.EqualError(t, p.Start(t.Context(), "n1"), "no such node")
	require.NoError(t, p.Kill(t.Context(), "n1"))
	state, err := p.State(t.Context(), "n1")
	require.NoError(t, err)
	require.Equal(t, managed.State{Running: true, Paused: true, PID: 12}, state)
	crossed, err := p.Probe(t.Context(), []nemesis.Link{{From: "n1", To: "n2"}, {From: "n2", To: "n1"}})
	require.NoError(t, err)
	require.Equal(t, []bool{true, false}, crossed)
	status, err := p.Status(t.Context(), "n1")
	require.NoError(t, err)
	require.Equal(t, systems.Status{Leads: true, Term: 4, Commit: 3, Applied: 2}, status)
}

func TestOperations(t *testing.T) {
	p := running(t, "well")
	c, err := p.Open("n1")
	require.NoError(t, err)
	invoke := func(key string) systems.Completion {
		return c.Invoke(t.Context(), workloads.Operation{Object: workloads.SetObject, F: "add", Key: key, Input: history.Int(5)})
	}
	require.Equal(t, systems.Completion{Type: history.OK, Output: history.List(history.Int(1), history.Nil, history.String("a")), Node: "n2", LogIndex: 9}, invoke("k"))
	require.Equal(t, systems.Completion{Type: history.Fail, Node: "n1", Error: "refused"}, invoke("fail"))
	require.Equal(t, systems.Completion{Type: history.Info, Node: "n1", Error: "broken"}, invoke("error"))
	odd := invoke("odd")
	require.Equal(t, history.Info, odd.Type)
	require.Contains(t, odd.Error, `type "perhaps"; want ok, fail or info`)

	ctx, cancel := context.WithCancel(t.Context())
	go func() { // once the question has been put
		for !strings.Contains(string(p.stderr.text()), `"key":"silent"`) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	require.Equal(t, history.Info, c.Invoke(ctx, workloads.Operation{F: "put", Key: "silent", Input: history.Int(5)}).Type)
	c.Close()
	dir := t.TempDir()
	require.NoError(t, p.Logs(t.Context(), dir))
	log, err := os.ReadFile(filepath.Join(dir, "program.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), `{"object":"set","f":"add","key":"k","value":5}`)
	require.NoError(t, p.Teardown(t.Context()))
	require.Equal(t, history.Fail, invoke("k").Type, "nothing can have been sent")
}

// Somebody who gives up a question has not given up the program.
func TestAQuestionGivenUp(t *testing.T) {
	p := running(t, "well")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := p.Status(ctx, "silent")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = p.Status(t.Context(), "n1")
	require.NoError(t, err)
}

// How a program ends is told to everybody who waits for an answer, with what it said last.
func TestEnds(t *testing.T) {
	for how, want := range map[string]string{
		"dies":  "hello: it has ended: exit status 7; it said last:\nout of cheese",
		"old":   "it speaks protocol 9, and this program 1",
		"chats": "it wrote a line that is no answer (what is for people belongs on its standard error): hello!",
	} {
		_, err := start(t, how)
		require.ErrorContains(t, err, want)
	}
	for _, how := range []string{"exits", "leaves"} {
		p := running(t, how)
		err := p.Kill(t.Context(), "n2")
		require.ErrorContains(t, err, "it has ended: exit status 5; it said last:\nasked to kill n2")
		_, err = p.Status(t.Context(), "n1")
		require.ErrorContains(t, err, "asked to kill n2")
		require.ErrorContains(t, p.Over(), "is gone: it has ended: exit status 5; it said last: asked to kill n2")
		require.NoError(t, p.Teardown(t.Context()))
		require.NoError(t, p.Teardown(t.Context()), "again")
	}
	_, err := Start(t.Context(), []string{filepath.Join(t.TempDir(), "nothing")})
	require.Error(t, err)
	_, err = Start(t.Context(), nil)
	require.ErrorContains(t, err, "name a program")
}

// A program that leaves a question unanswered is ended for it, whether it reads its input or not, and everybody is told which question it was. One that
// can answer nothing any more is ended too.
func TestSilence(t *testing.T) {
	t.Setenv(mode, "well")
	t.Setenv("ORDEAL_STATE", t.TempDir())
	self, err := os.Executable()
	require.NoError(t, err)
	p, err := launch(t.Context(), []string{self}, patience{begin: time.Minute, other: 10 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Teardown(context.Background()) })
	_, err = p.Status(context.WithoutCancel(t.Context()), "silent")
	require.ErrorContains(t, err, `it left "status" about silent unanswered for 10ms, and was ended for it`)
	<-p.ended
	_, err = p.State(t.Context(), "n1")
	require.ErrorContains(t, err, `it left "status" about silent unanswered`)
	require.ErrorContains(t, p.Over(), `it left "status" about silent unanswered`)
	require.NoError(t, p.Teardown(t.Context()))

	p = running(t, "mute")
	require.ErrorContains(t, p.Kill(t.Context(), "n1"), "it closed its standard output")
}

// The program of a harness that was killed, and does not heed that its input has ended, is ended by clean-up with all of its process group.
func TestKilledHarness(t *testing.T) {
	t.Setenv("ORDEAL_STATE", t.TempDir())
	self, err := os.Executable()
	require.NoError(t, err)
	harness := exec.Command(self)
	harness.Env = append(os.Environ(), mode+"=a harness")
	out, err := harness.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, harness.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "<nil>\n", line)
	done, err := local.Cleanup(t.Context())
	require.NoError(t, err)
	require.Empty(t, done, "its harness lives")

	require.NoError(t, harness.Process.Kill())
	_ = harness.Wait()
	done, err = local.Cleanup(t.Context())
	require.NoError(t, err)
	require.Len(t, done, 1)
	require.Contains(t, done[0], "ended the program sh, pid ")
	group, err := strconv.Atoi(done[0][strings.LastIndexByte(done[0], ' ')+1:])
	require.NoError(t, err)
	require.Eventually(t, func() bool { return allEnded(group) }, time.Minute, 5*time.Millisecond)
	done, err = local.Cleanup(t.Context())
	require.NoError(t, err)
	require.Empty(t, done)
}

// allEnded tells whether nothing but remains is left of a process group.
func allEnded(group int) bool {
	out, err := exec.Command("ps", "-A", "-o", "pgid=,stat=").Output()
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == strconv.Itoa(group) && f[1][0] != 'Z' {
			return false
		}
	}
	return true
}
