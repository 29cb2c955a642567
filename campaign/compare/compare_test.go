package compare_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/compare"
	"github.com/ordeal-dev/ordeal/campaign/felt"
	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/store"
)

// outcome is what a run of a version comes to.
type outcome func(version string, n int) campaign.Run

// made is a campaign of so many runs of each version.
func made(runs int, change func(p *campaign.Plan), of outcome) *campaign.Campaign {
	p := campaign.Plan{Format: 1, Started: time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC), Cluster: "local",
		Versions:  []campaign.Version{{Name: "HEAD~3", Digest: "aa", Commit: "0123456789abcdef"}, {Name: "current", Digest: "bb"}},
		Workloads: []string{"register"}, Faults: []string{"kill,partition"}, Nodes: 3, Clients: 5, Rate: 1000, Duration: 3 * time.Second, Timeout: time.Second, Runs: runs}
	if change != nil {
		change(&p)
	}
	c := &campaign.Campaign{Folder: "results/torture/" + p.Started.Format(store.TimeLayout), Plan: p}
	for n := range p.Total() {
		r := of(p.Cell(n).Version, int(p.SeedOf(n)))
		r.Number, r.Cell, r.Seed = n, p.Cell(n), p.SeedOf(n)
		c.Runs = append(c.Runs, r)
	}
	return c
}

// saved puts a campaign on the disk.
func saved(t *testing.T, root string, c *campaign.Campaign) string {
	t.Helper()
	merged, err := campaign.Merge(filepath.Join(root, filepath.Base(c.Folder)), c)
	require.NoError(t, err)
	return merged.Folder
}

// every n-th run of the current version fails, and every m-th comes to no verdict.
func every(n, m int) outcome {
	return func(version string, seed int) campaign.Run {
		switch {
		case version == "current" && n > 0 && seed%n == 0:
			return campaign.Run{Verdict: checker.Invalid, Reason: `key "<b>r0</b>": a stale read`}
		case version == "current" && m > 0 && seed%m == 1:
			return campaign.Run{Verdict: checker.Unknown, Reason: "it did not serve again"}
		}
		return campaign.Run{Verdict: checker.Valid}
	}
}

func compared(t *testing.T, o compare.Options, c *campaign.Campaign) *compare.Comparison {
	t.Helper()
	sides, err := compare.Of(c, "")
	require.NoError(t, err)
	comparison, err := compare.Compare(sides, o)
	require.NoError(t, err)
	return comparison
}

func comparedFolders(t *testing.T, arguments ...string) *compare.Comparison {
	t.Helper()
	sides, err := compare.Sides(arguments...)
	require.NoError(t, err)
	comparison, err := compare.Compare(sides, compare.Default)
	require.NoError(t, err)
	return comparison
}

func text(t *testing.T, write func(b *bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.String()
}

func TestAVersionThatFailsMoreOften(t *testing.T) {
	c := compared(t, compare.Default, made(200, nil, every(17, 0)))
	require.True(t, c.Regression)
	test := c.Cells[0].Differences[0].Violations
	require.Equal(t, compare.Worse, test.Word)
	require.InDelta(t, 2*0.000417, test.Adjusted, 0.0001, "12 of 200 against none, twice since there are two tests")
	out := text(t, func(b *bytes.Buffer) error { return c.Text(b, true) })
	require.Contains(t, out, "current: violations: worse than HEAD~3: fails in 6.0 % of runs (3.5 % to 10 %), instead of 0 %; by chance alone p = 0.00082, corrected for 2 tests")
	require.Contains(t, out, "REGRESSION: worse than HEAD~3 in 1 respect")
	require.Contains(t, out, "ordeal run --cluster local --nodes 3 --workload register --faults kill,partition --seed 0 --clients 5 --rate 1000 --time 3s --timeout 1s")

	folder := saved(t, t.TempDir(), made(200, nil, every(17, 0)))
	better := comparedFolders(t, folder+"@current", folder+"@HEAD~3")
	require.False(t, better.Regression)
	require.Equal(t, compare.Better, better.Cells[0].Differences[0].Violations.Word)
}

func TestAVersionThatComesToNoVerdictMoreOften(t *testing.T) {
	c := compared(t, compare.Default, made(100, nil, every(0, 8)))
	require.True(t, c.Regression)
	require.Equal(t, compare.NoEvidence, c.Cells[0].Differences[0].Violations.Word)
	require.Contains(t, text(t, func(b *bytes.Buffer) error { return c.Text(b, true) }), "no verdict: worse than HEAD~3: comes to no verdict in 13 % of runs")
	require.Contains(t, text(t, func(b *bytes.Buffer) error { return c.Text(b, true) }), "  current: came to no verdict most often because: it did not serve again\n")
}

// Two of fifty are no evidence, and the comparison says what would be.
func TestTooFewRunsToTell(t *testing.T) {
	c := compared(t, compare.Default, made(50, nil, every(25, 0)))
	require.False(t, c.Regression)
	test := c.Cells[0].Differences[0].Violations
	require.Equal(t, compare.NoEvidence, test.Word)
	require.Contains(t, test.Text, "no evidence of a difference; if the rates are as they look (0 % and 4.0 %), about ")
	// With so many more, and the rates as they look, it is found.
	more := compared(t, compare.Default, made(50+test.More+60, nil, every(25, 0)))
	require.Equal(t, compare.Worse, more.Cells[0].Differences[0].Violations.Word)
	none := compared(t, compare.Default, made(50, nil, every(0, 0)))
	require.Contains(t, none.Cells[0].Differences[0].Violations.Text, "a rate of 18 % would have been found")
}

// The same version against itself, in three cells at once: over many repetitions a difference is called no more often than the level.
func TestTheSameVersionAgainstItself(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	const repetitions = 40
	alarms := 0
	for range repetitions {
		fails := map[[2]int]bool{}
		for side := range 2 {
			for seed := range 60 {
				fails[[2]int{side, seed}] = rng.Float64() < 0.15
			}
		}
		c := made(60, func(p *campaign.Plan) { p.Faults = []string{"kill", "partition", "none"} }, func(version string, seed int) campaign.Run {
			side := 0
			if version == "current" {
				side = 1
			}
			if fails[[2]int{side, seed}] {
				return campaign.Run{Verdict: checker.Invalid}
			}
			return campaign.Run{Verdict: checker.Valid}
		})
		if compared(t, compare.Default, c).Regression {
			alarms++
		}
	}
	require.LessOrEqual(t, alarms, 4, "of %d", repetitions)
}

func TestWhatDiffersInConditionsIsNotCompared(t *testing.T) {
	a := made(3, func(p *campaign.Plan) { p.Versions = p.Versions[:1] }, every(0, 0))
	b := made(3, func(p *campaign.Plan) { p.Versions, p.Duration = p.Versions[1:], 9*time.Second }, every(0, 0))
	first := saved(t, t.TempDir(), a)
	c := comparedFolders(t, first, saved(t, t.TempDir(), b))
	require.Zero(t, c.Tests)
	require.Len(t, c.Notes, 2)
	require.Contains(t, c.Notes[0], "register · kill,partition (local, 3 nodes, 5 clients, 1000 operations a second, 3s a run): no runs of current")
	require.Equal(t, "Nothing could be compared between HEAD~3 and current", c.Headline())
	_, err := compare.Sides(first + "@v9")
	require.ErrorContains(t, err, `has no version "v9"; it has HEAD~3`)
	_, err = compare.Compare(nil, compare.Default)
	require.ErrorContains(t, err, "there is nothing to compare")
	_, err = compare.Compare(nil, compare.Options{Alpha: 2})
	require.ErrorContains(t, err, "want a level of")
}

// slower is a version in calm, and as fast as the other under kill.
func slower(version string, seed int) campaign.Run {
	rng := rand.New(rand.NewPCG(uint64(seed), uint64(len(version))))
	wobble := func(d time.Duration) time.Duration { return time.Duration(float64(d) * (0.8 + 0.4*rng.Float64())) }
	calm := wobble(time.Millisecond)
	if version == "current" {
		calm *= 2
	}
	kill := wobble(5 * time.Millisecond)
	return campaign.Run{Verdict: checker.Valid, Felt: &felt.Run{Observed: time.Second, Leaderless: wobble(100 * time.Millisecond),
		Phases: []felt.Phase{{Name: "calm", Length: time.Second, Counts: store.Counts{OK: int(time.Second / calm)}, P50: calm, P99: calm, Max: calm},
			{Name: "kill", Length: time.Second, Counts: store.Counts{OK: 10}, P50: kill, P99: kill, Max: kill}},
		Recoveries: []felt.Recovery{{Fault: "kill", Took: wobble(time.Second)}}}}
}

func TestWhatClientsFelt(t *testing.T) {
	campaign := made(40, nil, slower)
	c := compared(t, compare.Default, campaign)
	require.False(t, c.Regression, "without --strict a slower version is no regression")
	words := map[string]compare.Word{}
	for _, f := range c.Cells[0].Differences[0].Felt {
		words[f.Title()] = f.Word
	}
	require.Equal(t, map[string]compare.Word{
		"throughput in calm": compare.Worse, "median latency in calm": compare.Worse, "99 % latency in calm": compare.Worse,
		"throughput under kill": compare.NoEvidence, "median latency under kill": compare.NoEvidence, "99 % latency under kill": compare.NoEvidence,
		"time without a leader": compare.NoEvidence, "recovery after kill": compare.NoEvidence,
	}, words)
	strict := compare.Default
	strict.Strict = true
	require.True(t, compared(t, strict, campaign).Regression)
	require.Contains(t, text(t, func(b *bytes.Buffer) error { return compared(t, strict, campaign).JUnit(b) }), `<failure message="throughput in calm: worse: x0.`)
	require.NotContains(t, text(t, func(b *bytes.Buffer) error { return c.JUnit(b) }), "<failure")
	strict.Tolerance = 3
	require.False(t, compared(t, strict, campaign).Regression, "twice as slow is tolerated")
	out := text(t, func(b *bytes.Buffer) error { return c.Text(b, true) })
	require.Regexp(t, `median latency in calm +\d\.\d+ ms \(0\.\d+ to \d\.\d+\) +\d\.\d+ ms \(.*\) +worse: x1\.\d+ to x2\.\d+`, out)
	require.Regexp(t, `recovery after kill +\d+ ms|recovery after kill +\d\.\d+ s`, out)
}

func TestFormats(t *testing.T) {
	c := compared(t, compare.Default, made(200, nil, every(17, 0)))
	var back compare.Comparison
	out, err := json.Marshal(c)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &back))
	require.True(t, back.Regression)
	require.Equal(t, 12, back.Cells[0].Tallies[1].Invalid)

	rows, err := csv.NewReader(strings.NewReader(text(t, func(b *bytes.Buffer) error { return c.CSV(b) }))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"current", "local", "register", "kill,partition", "3", "5", "1000", "3", "invalid", "200", "0.06", "0.0346522", "0.101932", "share", "worse"}, rows[3])

	var suite struct {
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	require.NoError(t, xml.Unmarshal([]byte(text(t, func(b *bytes.Buffer) error { return c.JUnit(b) })), &suite))
	require.Equal(t, 2, suite.Failures)
	require.Equal(t, "12 of 200 runs invalid", suite.Cases[0].Failure.Message)
	require.Contains(t, suite.Cases[0].Failure.Text, "ordeal run --cluster local")
	require.Equal(t, "register · kill,partition with HEAD~3", suite.Cases[1].Name)

	page := text(t, func(b *bytes.Buffer) error { return c.HTML(b) })
	require.Contains(t, page, "<title>REGRESSION: worse than HEAD~3 in 1 respect</title>")
	require.NotContains(t, page, "<b>r0", "what a system said is shown as text")
	require.NotRegexp(t, `(src|href)="(https?:)?//`, page)
}

func TestHistoryOfCampaigns(t *testing.T) {
	root := t.TempDir()
	for day := range 3 {
		p := func(p *campaign.Plan) { p.Started = p.Started.AddDate(0, 0, day) }
		saved(t, root, made(20, p, slower))
	}
	folders, err := compare.Campaigns(root)
	require.NoError(t, err)
	require.Len(t, folders, 3)
	require.Less(t, folders[0], folders[2])
	page := text(t, func(b *bytes.Buffer) error { return compare.History(b, root) })
	for _, want := range []string{"3 campaigns of ", "2026-11-24 15:00", "2026-11-26 15:00", "HEAD~3", "0123456789ab", "failure rate", "median latency in calm", "time without a leader"} {
		require.Contains(t, page, want)
	}
	require.Equal(t, 6*5, strings.Count(page, `class="mid"`), "two versions on three days, in five charts")
	_, err = compare.Campaigns(t.TempDir())
	require.ErrorContains(t, err, "holds no campaign")
}

// A level that floating-point numbers cannot keep apart from 0 is refused; the smallest that is taken gives numbers.
func TestTinyLevels(t *testing.T) {
	for _, o := range []compare.Options{{Alpha: 1e-300, Chance: 0.8}, {Alpha: math.NaN(), Chance: 0.8}, {Alpha: 0.05, Chance: math.Nextafter(1, 0)}, {Alpha: 0.05, Chance: 0.8, Tolerance: math.NaN()}} {
		sides, err := compare.Of(made(20, nil, served), "")
		require.NoError(t, err)
		_, err = compare.Compare(sides, o)
		require.ErrorContains(t, err, "want a ", "%+v", o)
	}
	o := compare.Options{Alpha: 1e-6, Chance: 1 - 1e-6}
	c := compared(t, o, made(20, nil, served))
	require.NotContains(t, text(t, func(b *bytes.Buffer) error { return c.Text(b, true) }), "NaN")
	require.Contains(t, text(t, func(b *bytes.Buffer) error { return c.Text(b, true) }), "FAILURE RATE (99.9999 %)")
	_, err := json.Marshal(c)
	require.NoError(t, err, "JSON has no NaN")
}

// Labels differ, also where folders are called alike.
func TestLabelsTellSidesApart(t *testing.T) {
	one := saved(t, t.TempDir(), made(3, func(p *campaign.Plan) { p.Versions = p.Versions[1:] }, every(0, 0)))
	two := saved(t, t.TempDir(), made(3, func(p *campaign.Plan) {
		p.Versions, p.Started = p.Versions[1:], p.Started.Add(time.Hour)
	}, every(0, 0)))
	same := saved(t, t.TempDir(), made(3, func(p *campaign.Plan) { p.Versions = p.Versions[1:] }, every(0, 0)))
	latest := func(to string) string {
		link := filepath.Join(t.TempDir(), "latest")
		require.NoError(t, os.Symlink(to, link))
		return link
	}
	for _, folders := range [][]string{{latest(one), latest(two)}, {latest(one), latest(same)}, {latest(one), one, two}} {
		sides, err := compare.Sides(folders...)
		require.NoError(t, err)
		labels := map[string]bool{}
		for _, s := range sides {
			require.NotContains(t, s.Label, "latest")
			labels[s.Label] = true
		}
		require.Len(t, labels, len(sides), "%v", labels)
	}
	sides, err := compare.Sides(latest(one), latest(two))
	require.NoError(t, err)
	require.Equal(t, "current (20261124T150000.000Z)", sides[0].Label)
	require.Equal(t, "current (20261124T160000.000Z)", sides[1].Label)
}

// What stands in a campaign's files does nothing to a terminal.
func TestHostileText(t *testing.T) {
	const hostile = "\x1b]0;owned\a\x1b[2J\u009b31m\u202e\nREGRESSION: none"
	c := made(8, func(p *campaign.Plan) {
		p.Versions[0].Name, p.Versions[1].Name = "a"+hostile, "b"+hostile
		p.Workloads, p.Faults, p.NodeFlags, p.Cluster = []string{"w" + hostile}, []string{"f" + hostile}, []string{hostile}, "local"+hostile
	}, func(version string, seed int) campaign.Run {
		return campaign.Run{Verdict: checker.Invalid, Reason: "r" + hostile, Checkers: []string{hostile}}
	})
	comparison := compared(t, compare.Default, c)
	out := text(t, func(b *bytes.Buffer) error { return comparison.Text(b, true) })
	require.Contains(t, out, "\uFFFD]0;owned")
	for _, r := range out {
		require.True(t, r == '\n' || unicode.IsPrint(r), "%q", r)
	}
	for line := range strings.Lines(out) {
		require.False(t, strings.HasPrefix(line, "REGRESSION: none"), "a line of its own")
	}
	for _, write := range []func(io.Writer) error{comparison.CSV, comparison.JUnit, comparison.HTML} {
		require.NoError(t, write(io.Discard))
	}
}

// served has a throughput that grows with the seed.
func served(_ string, seed int) campaign.Run {
	return campaign.Run{Verdict: checker.Valid, Felt: &felt.Run{Phases: []felt.Phase{{Name: felt.Calm, Length: time.Second, Counts: store.Counts{OK: 1000 + seed}}}}}
}

// Where several versions are held against the first, each has its test cases: a failure of one in the middle is one of the suite.
func TestJUnitOfManyVersions(t *testing.T) {
	c := compared(t, compare.Default, made(200, func(p *campaign.Plan) {
		p.Versions = append(p.Versions, campaign.Version{Name: "next", Digest: "cc"})
	}, every(17, 0)))
	var suite struct {
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
		} `xml:"testcase"`
	}
	require.NoError(t, xml.Unmarshal([]byte(text(t, func(b *bytes.Buffer) error { return c.JUnit(b) })), &suite))
	var names []string
	for _, test := range suite.Cases {
		names = append(names, test.Name)
		require.Equal(t, strings.HasPrefix(test.Name, "current: "), test.Failure != nil, test.Name)
	}
	require.Equal(t, []string{"current: register · kill,partition", "current: register · kill,partition with HEAD~3",
		"next: register · kill,partition", "next: register · kill,partition with HEAD~3"}, names)
	require.Equal(t, 2, suite.Failures)
}

// A night on which nothing was run is not what the next one is held against.
func TestLatestCampaigns(t *testing.T) {
	root := t.TempDir()
	night := func(day, runs int) string {
		return saved(t, root, made(runs, func(p *campaign.Plan) { p.Started = p.Started.AddDate(0, 0, day) }, every(0, 0)))
	}
	latest := func() []string {
		folders, err := compare.Latest(root)
		require.NoError(t, err)
		return folders
	}
	first := night(0, 3)
	require.Equal(t, []string{first}, latest())
	empty := night(1, 0)
	require.Equal(t, []string{first, empty}, latest())
	third := night(2, 3)
	require.Equal(t, []string{first, third}, latest())
	require.Equal(t, []string{third, night(3, 3)}, latest())
	_, err := compare.Latest(t.TempDir())
	require.ErrorContains(t, err, "holds no campaign")
}
