package serve

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

// passOf lets a run's page ask for that run's operations. The page lives in an origin of its own, as others on the net may do, so
// the origin of a request does not tell who asks.
func (s *Server) passOf(name string) string {
	h := hmac.New(sha256.New, s.secret)
	h.Write([]byte(name))
	return hex.EncodeToString(h.Sum(nil))
}

// operationsAddress is the one place that a run's page may ask, as its policy names it; empty where the request does not say
// how this server is called.
func operationsAddress(host, name string) string {
	authority := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return ""
		}
		host = h
	}
	if net.ParseIP(strings.Trim(host, "[]")) == nil && strings.ContainsFunc(host, func(r rune) bool {
		return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return ""
	}
	path := (&url.URL{Path: "/run/" + name + "/operations"}).EscapedPath()
	return "http://" + authority + strings.NewReplacer(";", "%3B", ",", "%2C").Replace(path)
}

// operations answers with operations that the run's page does not hold.
func (s *Server) operations(w http.ResponseWriter, r *http.Request, run *store.Run, name string) {
	q := r.URL.Query()
	if !hmac.Equal([]byte(q.Get("pass")), []byte(s.passOf(name))) {
		http.Error(w, "only the page of the run may ask for its operations: open it anew", http.StatusForbidden)
		return
	}
	from, err := moment(q.Get("from"))
	to, err2 := moment(q.Get("to"))
	if err != nil || err2 != nil || to < from {
		http.Error(w, "from and to are seconds since the start of the test: operations?from=1.5&to=2", http.StatusBadRequest)
		return
	}
	var answer bytes.Buffer
	if err := report.Operations(r.Context(), &answer, run, report.Asked{From: from, To: to, Key: q.Get("key")}); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", "null") // what an origin of its own is called
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer.Bytes())
}

func moment(text string) (time.Duration, error) {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0 && seconds < math.MaxInt64/1e9) {
		return 0, fmt.Errorf("%.40q is no moment", text)
	}
	return time.Duration(seconds * 1e9), nil
}
