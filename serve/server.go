package serve

import (
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/ordeal-dev/ordeal/report"
)

//go:embed static
var static embed.FS

// Server shows one folder of results.
type Server struct {
	folder string // without links
	root   *os.Root
	names  []string // hosts it may be called by, beside addresses and localhost
	secret []byte   // see passOf
	lists  lister
	ended  chan struct{}
}

// New makes a server of the results in the folder. Names are the hosts that requests may call it by, beside addresses and
// localhost.
func New(folder string, names ...string) (*Server, error) {
	resolved, err := filepath.EvalSymlinks(folder)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s: `ordeal run` makes it, or name the folder that holds the runs: %w", folder, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the results: %w", err)
	}
	root, err := os.OpenRoot(resolved)
	if err != nil {
		return nil, fmt.Errorf("opening the results: %w; name the folder that holds the runs", err)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return &Server{folder: resolved, root: root, names: names, secret: secret, lists: lister{known: map[string]listed{}}, ended: make(chan struct{})}, nil
}

// Close ends the streams of runs under way and lets go of the folder. Requests that are being answered are to be waited for
// after EndStreams and before Close.
func (s *Server) Close() error { return s.root.Close() }

// EndStreams ends what would go on as long as a run does.
func (s *Server) EndStreams() { close(s.ended) }

// Handler answers all requests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page("list.html"))
	mux.HandleFunc("GET /list.json", s.list)
	mux.Handle("GET /static/", http.FileServerFS(static))
	mux.HandleFunc("GET /style.css", style)
	mux.HandleFunc("GET /run/{path...}", s.run)
	mux.HandleFunc("GET /campaign/{path...}", s.campaign)
	mux.HandleFunc("GET /compare", s.compare)
	mux.HandleFunc("GET /history/{path...}", s.history)
	return s.guard(mux)
}

// own is the policy of the program's own pages.
const own = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// guard refuses what must not be answered, and sets the headers that all answers share.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Content-Security-Policy", own)
		h.Set("Cache-Control", "no-store")
		if !s.named(r.Host) {
			http.Error(w, fmt.Sprintf("this server is not called %.200q: open it by its address, or start it with --host of that name", r.Host), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// named tells whether a request's host is a name of this server. An address cannot be made to point here by somebody else.
func (s *Server) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if net.ParseIP(host) != nil || strings.EqualFold(host, "localhost") {
		return true
	}
	for _, name := range s.names {
		if strings.EqualFold(host, name) {
			return true
		}
	}
	return false
}

// page answers with one of the program's own pages.
func (s *Server) page(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, static, "static/"+name)
	}
}

// style is the one of all pages that this project makes.
func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write([]byte(report.Style()))
}

// refuse says that something is not here. It does not tell a file that is missing from one that is out of reach.
func refuse(w http.ResponseWriter, what string) {
	http.Error(w, what+": there is no such thing in these results", http.StatusNotFound)
}
