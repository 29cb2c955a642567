package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ordeal-dev/ordeal/checker"
)

// WriteTest replaces the test's definition.
func (r *Run) WriteTest(t Test) error { return writeJSON(r.Path(TestFile), t) }

// Test reads the test's definition.
func (r *Run) Test() (Test, error) {
	path := r.Path(TestFile)
	b, err := readFile(path, "the folder is not a run's, or the run ended before it began")
	if err != nil {
		return Test{}, err
	}
	return DecodeTest(path, b)
}

// WriteVerdict replaces the verdict.
func (r *Run) WriteVerdict(v Verdict) error { return writeJSON(r.Path(VerdictFile), v) }

// Verdict reads the verdict. The error is fs.ErrNotExist where the run has none: it goes on still, or was killed.
func (r *Run) Verdict() (Verdict, error) {
	path := r.Path(VerdictFile)
	b, err := readFile(path, "the run goes on still, or was ended before its verdict; `ordeal check "+r.Folder+"` checks what there is")
	if err != nil {
		return Verdict{}, err
	}
	return DecodeVerdict(path, b)
}

// DecodeTest reads a test's definition; path is where it came from, for errors. Fields it does not know are passed
// over: a newer version wrote them.
func DecodeTest(path string, b []byte) (Test, error) {
	var t Test
	if err := Decode(path, b, &t); err != nil {
		return Test{}, err
	}
	if t.Duration < 0 || t.Clients < 0 || t.Rate < 0 {
		return Test{}, fmt.Errorf("%s: clients, rate and duration_ns cannot be negative", path)
	}
	return t, nil
}

// DecodeVerdict reads a verdict; path is where it came from, for errors.
func DecodeVerdict(path string, b []byte) (Verdict, error) {
	var v Verdict
	if err := Decode(path, b, &v); err != nil {
		return Verdict{}, err
	}
	if err := checkVerdict(v.Verdict); err != nil {
		return Verdict{}, fmt.Errorf("%s: %w", path, err)
	}
	for _, result := range v.Results {
		if err := checkVerdict(result.Verdict); err != nil {
			return Verdict{}, fmt.Errorf("%s: checker %q: %w", path, result.Checker, err)
		}
		for _, k := range result.Keys {
			if err := checkVerdict(k.Verdict); err != nil {
				return Verdict{}, fmt.Errorf("%s: checker %q, key %.60q: %w", path, result.Checker, k.Key, err)
			}
		}
	}
	return v, nil
}

// checkVerdict guards the one thing that must never be misread: what is not surely valid does not pass for it.
func checkVerdict(v checker.Verdict) error {
	switch v {
	case checker.Valid, checker.Invalid, checker.Unknown:
		return nil
	}
	return fmt.Errorf("the verdict is %.60q, and can only be valid, invalid or unknown; `ordeal check` of the history judges the run again", string(v))
}

// Decode reads a JSON document that people may have touched: an error names the path, the line and the remedy.
func Decode(path string, b []byte, into any) error {
	err := json.Unmarshal(b, into)
	if err == nil {
		return nil
	}
	remedy := "the file was changed or cut short; restore it"
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line, column := position(b, syntax.Offset)
		return fmt.Errorf("%s:%d:%d: %w: %s", path, line, column, err, remedy)
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		line, column := position(b, kind.Offset)
		return fmt.Errorf("%s:%d:%d: %w: %s", path, line, column, err, remedy)
	}
	return fmt.Errorf("%s: %w: %s", path, err, remedy)
}

// position is the line and column, from 1, of the byte before the offset, which is how encoding/json counts.
func position(b []byte, offset int64) (line, column int) {
	line, column = 1, 1
	for _, c := range b[:min(max(offset-1, 0), int64(len(b)))] {
		column++
		if c == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}
