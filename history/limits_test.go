package history

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// written is a file of a history of n operations.
func written(t *testing.T, n int) string {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := Create(path)
	require.NoError(t, err)
	for i := range n {
		w.Append(Event{Process: 0, Type: Invoke, F: "put", Key: "x", Input: Int(int64(i))})
		w.Append(Event{Process: 0, Type: OK, F: "put", Key: "x"})
	}
	require.NoError(t, w.Close())
	return path
}

func TestReadingEndsWithItsContext(t *testing.T) {
	why := errors.New("no more time")
	ctx, cancel := context.WithCancelCause(context.Background())
	path := written(t, 100)
	_, err := LoadWithin(Limits{Context: ctx}, path)
	require.NoError(t, err)
	cancel(why)
	_, err = LoadWithin(Limits{Context: ctx}, path)
	require.ErrorIs(t, err, why)
	_, err = JoinWithin(Limits{Context: ctx}, []Event{{Process: 0, Type: Invoke, F: "get"}})
	require.ErrorIs(t, err, why)
}

// Memory is asked for before it is taken: of a long file, a compressed one of which nobody knows how long it is, a long line.
func TestReadingAsksForMemory(t *testing.T) {
	why := errors.New("no more memory")
	plain := written(t, 20_000)
	sealed, err := Seal(written(t, 20_000))
	require.NoError(t, err)
	for name, path := range map[string]string{"plain": plain, "sealed": sealed} {
		t.Run(name, func(t *testing.T) {
			asked, most := int64(0), int64(0)
			h, err := LoadWithin(Limits{Room: func(bytes int64) error {
				asked++
				most = max(most, bytes)
				return nil
			}}, path)
			require.NoError(t, err)
			require.Len(t, h.Operations, 20_000)
			require.Positive(t, asked)
			require.GreaterOrEqual(t, most, int64(20_000*100), "as much as the operations take at least")
			_, err = LoadWithin(Limits{Room: func(bytes int64) error {
				if bytes > 1<<20 {
					return why
				}
				return nil
			}}, path)
			require.ErrorIs(t, err, why)
		})
	}

	line := `{"i":0,"t":1,"p":0,"type":"invoke","f":"put","in":[` + strings.Repeat("1,", 100_000) + "1]}\n"
	r, err := NewReader(strings.NewReader(headerLine() + line))
	require.NoError(t, err)
	r.Limit(Limits{Room: func(bytes int64) error {
		if bytes > 2<<20 {
			return why
		}
		return nil
	}})
	_, err = r.Next()
	require.Equal(t, why, err, "and not an error of the line")
	r, err = NewReader(strings.NewReader(headerLine() + line))
	require.NoError(t, err)
	e, err := r.Next()
	require.NoError(t, err)
	list, _ := e.Input.AsList()
	require.Len(t, list, 100_001)
}

func TestAFirstLineWithoutAnEndIsNoHeader(t *testing.T) {
	_, err := NewReader(strings.NewReader(strings.Repeat(" ", longestHeader) + headerLine()))
	require.ErrorContains(t, err, "not a history of ordeal")
}
