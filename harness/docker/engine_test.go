package docker

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/docker/docker/api"
	"github.com/stretchr/testify/require"
)

// An engine that is older than the client is spoken to in its own version of the API, and a newer one in the client's.
func TestVersionOfTheAPI(t *testing.T) {
	for engine, want := range map[string]string{"1.41": "1.41", "1.44": "1.44", api.DefaultVersion: api.DefaultVersion, "1.99": api.DefaultVersion} {
		t.Run(engine, func(t *testing.T) {
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.URL.Path)
				w.Header().Set("Api-Version", engine)
				_, _ = w.Write([]byte(`{}`))
			}))
			defer server.Close()
			t.Setenv("DOCKER_HOST", "tcp://"+server.Listener.Addr().String())
			t.Setenv("DOCKER_API_VERSION", "")
			c, err := connect(t.Context())
			require.NoError(t, err)
			defer c.Close()
			_, err = c.Info(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, c.ClientVersion())
			require.Equal(t, "/v"+want+"/info", asked[len(asked)-1])
			require.True(t, strings.HasSuffix(asked[0], "/_ping"), "%v", asked)
		})
	}
}
