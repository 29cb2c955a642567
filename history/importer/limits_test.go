package importer

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ordeal-dev/ordeal/history"
	"github.com/stretchr/testify/require"
)

// Whatever the format, reading ends with its limits.
func TestReadingEndsWithItsLimits(t *testing.T) {
	edn := strings.Repeat("{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n", 5000)
	long := "{:process 0, :type :invoke, :f :write, :value [" + strings.Repeat("1 ", 20_000) + "]}\n"
	log := strings.Repeat("INFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.util - 0\t:ok\t:write\t1\n", 5000)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(edn))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	why := errors.New("enough")
	ended, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	z2, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	pressed := string(z2.EncodeAll([]byte(edn), nil))
	for name, data := range map[string]string{"edn": edn, "long form": long, "log": log, "gzip": packed.String(), "zstd": pressed} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history")
			require.NoError(t, os.WriteFile(path, []byte(data), 0o644))
			h, _, err := Load(path)
			require.NoError(t, err)
			require.NotEmpty(t, h.Operations)
			_, _, err = LoadWithin(history.Limits{Context: ended}, path)
			require.ErrorIs(t, err, why)
			_, _, err = LoadWithin(history.Limits{Room: func(bytes int64) error {
				if bytes > 600_000 {
					return why
				}
				return nil
			}}, path)
			require.ErrorIs(t, err, why)
		})
	}
}
