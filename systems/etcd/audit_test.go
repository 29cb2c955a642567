package etcd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// replica is a node at a revision with its keys, of which only what it has at revision 7 is asked.
func replica(t *testing.T, revision, kvs string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		require.Contains(t, string(body), `"serializable":true`)
		if strings.Contains(string(body), `"revision":"7"`) {
			_, _ = io.WriteString(w, `{"header":{"revision":"`+revision+`"},"kvs":[`+kvs+`]}`)
			return
		}
		_, _ = io.WriteString(w, `{"header":{"revision":"`+revision+`"},"kvs":[]}`)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// Replicas are compared at the lowest revision of any, key by key.
func TestAudit(t *testing.T) {
	five := `{"key":"aw==","mod_revision":"4","value":"NQ=="}`
	a, b := replica(t, "9", five), replica(t, "7", five)
	differences, compared, err := System{}.Audit(t.Context(), map[string]string{"n1": a, "n2": b})
	require.NoError(t, err)
	require.Empty(t, differences)
	require.Equal(t, "1 keys at revision 7", compared)

	for kvs, want := range map[string]string{
		``: `at revision 7 n1 has "5" (written at 4) of key "k", and n2 has nothing`,
		`{"key":"aw==","mod_revision":"4","value":"Ng=="}`: `at revision 7 n1 has "5" (written at 4) of key "k", and n2 has "6" (written at 4)`,
		`{"key":"aw==","mod_revision":"5","value":"NQ=="}`: `at revision 7 n1 has "5" (written at 4) of key "k", and n2 has "5" (written at 5)`,
	} {
		differences, _, err = System{}.Audit(t.Context(), map[string]string{"n1": a, "n2": replica(t, "7", kvs)})
		require.NoError(t, err)
		require.Equal(t, []string{want}, differences)
	}
	_, _, err = System{}.Audit(t.Context(), map[string]string{"n1": a, "n2": "127.0.0.1:1"})
	require.ErrorContains(t, err, "n2: ")
}
