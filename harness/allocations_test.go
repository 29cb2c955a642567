//go:build !race

package harness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/history"
)

// Putting an operation on record allocates nothing. (The race detector has pools forget at random what they hold.)
func TestRecordingDoesNotAllocate(t *testing.T) {
	r := &recorder{writer: history.NewWriter(&syncBuilder{}), start: time.Now()}
	i := 0
	recorded := testing.AllocsPerRun(1000, func() { recordOne(r, i); i++ })
	require.NoError(t, r.close())
	require.Zero(t, recorded)
}
