package checker

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/history"
	"github.com/ordeal-dev/ordeal/history/importer"
)

// Models are the models a history can be checked against, by name.
func Models() map[string]Model {
	models := make(map[string]Model)
	for _, m := range []Model{Register(), KVAppend(), Set(), Queue(), Lock(), Counter()} {
		models[m.Name] = m
	}
	return models
}

// Comparison is one file's verdict beside the one that is known for it.
type Comparison struct {
	File      string          `json:"file"`
	Format    importer.Format `json:"format"`
	Model     string          `json:"model"`
	Want      Verdict         `json:"want"`
	Got       Verdict         `json:"got"`
	DecidedBy string          `json:"decided_by"`
	Reason    string          `json:"reason,omitempty"`
	Elapsed   time.Duration   `json:"elapsed_ns"`
	Err       string          `json:"error,omitempty"` // the file could not be read or judged
}

// OK tells whether the verdict is the one known.
func (c Comparison) OK() bool { return c.Err == "" && c.Got == c.Want }

// Expected checks the histories of a folder against the verdicts in a table: lines of file, format, model and verdict
// separated by tabs, the first line the names of the columns. A file that cannot be read is a Comparison with an error;
// a table that cannot be is an error that names the line.
func Expected(ctx context.Context, table, folder string, o Options) ([]Comparison, error) {
	rows, err := expectedRows(table)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].compare(ctx, folder, o)
	}
	return rows, nil
}

func expectedRows(table string) ([]Comparison, error) {
	f, err := os.Open(table)
	if err != nil {
		return nil, fmt.Errorf("read the expected verdicts: %w", err)
	}
	defer f.Close()
	var rows []Comparison
	scanner := bufio.NewScanner(f)
	for line := 1; scanner.Scan(); line++ {
		text := scanner.Text()
		if strings.TrimSpace(text) == "" || line == 1 && strings.HasPrefix(text, "file\t") {
			continue
		}
		row, err := expectedRow(text)
		if err != nil {
			return nil, fmt.Errorf("%s line %d: %w", table, line, err)
		}
		rows = append(rows, row)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read the expected verdicts in %s: %w", table, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s lists no file", table)
	}
	return rows, nil
}

func expectedRow(text string) (Comparison, error) {
	fields := strings.Split(strings.TrimRight(text, "\r"), "\t")
	if len(fields) != 4 {
		return Comparison{}, fmt.Errorf("file, format, model and verdict expected, separated by tabs, found %q", text)
	}
	row := Comparison{File: fields[0], Format: importer.Format(fields[1]), Model: fields[2], Want: Verdict(fields[3])}
	if row.Want != Valid && row.Want != Invalid && row.Want != Unknown {
		return row, fmt.Errorf("verdict %q does not exist: one of valid, invalid, unknown expected", fields[3])
	}
	if !slices.Contains(importer.Formats, row.Format) {
		return row, fmt.Errorf("format %q does not exist: one of %v expected", fields[1], importer.Formats)
	}
	if _, err := checkerFor(row.Model, nil); err != nil {
		return row, err
	}
	return row, nil
}

func (c *Comparison) compare(ctx context.Context, folder string, o Options) {
	start := time.Now()
	defer func() { c.Elapsed = time.Since(start) }()
	result, err := c.check(ctx, folder, o)
	if err != nil {
		c.Err = err.Error()
		return
	}
	c.Got, c.Reason = result.Verdict, result.Reason
	by := make(map[string]bool)
	for _, k := range result.Keys {
		if k.DecidedBy != "" && !by[k.DecidedBy] {
			by[k.DecidedBy] = true
			c.DecidedBy = strings.TrimPrefix(c.DecidedBy+", "+k.DecidedBy, ", ")
		}
	}
}

func (c *Comparison) check(ctx context.Context, folder string, o Options) (Result, error) {
	if _, err := checkerFor(c.Model, nil); err != nil {
		return Result{}, err
	}
	path := filepath.Join(folder, c.File)
	loading := NewLoading(ctx, o)
	defer loading.Release()
	h, err := c.load(loading.Limits(), path)
	if unread, ok := loading.Unread(err); ok {
		return unread, nil
	}
	if err != nil {
		return Result{}, err
	}
	h = importer.For(c.Model, h)
	checker, err := checkerFor(c.Model, h)
	if opened, ok := importer.Opened(h); ok && c.Model == "bank" {
		checker, h = Linearizable(BankModel()), opened
	}
	if err != nil {
		return Result{}, err
	}
	return checker.Check(ctx, h, loading.Left()), nil
}

// checkerFor is the checker that a table names: a model, register for the one with compare-and-set, or transactions, perhaps
// with their level: "list-append@serializable". A bank of which nobody knows what it held at first is judged by what reads
// add up to.
func checkerFor(name string, h *history.History) (Checker, error) {
	kind, level, leveled := strings.Cut(name, "@")
	if !leveled {
		level = StrictSerializable
	}
	switch {
	case kind == "list-append":
		return ListAppend(level)
	case kind == "rw-register":
		return RWRegister(level)
	case kind == "bank" && !leveled && h == nil:
		return Linearizable(BankModel()), nil
	case kind == "bank" && !leveled:
		return Bank(importer.FirstTotal(h)), nil
	case kind == "register" && !leveled:
		return Linearizable(Register()), nil
	}
	m, ok := Models()[name]
	if !ok {
		return nil, fmt.Errorf("no model %s: there are %s, register, bank, list-append and rw-register, these two with a level as in list-append@serializable",
			name, strings.Join(slices.Sorted(maps.Keys(Models())), ", "))
	}
	return Linearizable(m), nil
}

func (c *Comparison) load(l history.Limits, path string) (*history.History, error) {
	if c.Format == importer.Ordeal {
		h, _, err := importer.LoadWithin(l, path)
		return h, err
	}
	return importer.LoadFormat(l, c.Format, path)
}
