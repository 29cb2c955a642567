package serve

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/report"
	"github.com/ordeal-dev/ordeal/store"
)

// sandboxed is the policy of a page that somebody else may have made: it runs in an origin of its own.
const sandboxed = "sandbox allow-scripts allow-popups allow-downloads; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " +
	"frame-src 'self' about: data:; img-src data:; form-action 'none'; base-uri 'none'"

// run answers for a run: its page, what happens in it now, a picture, a raw file.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	run, name, file, err := s.runAt(r.PathValue("path"))
	if err != nil {
		refuse(w, "run "+r.PathValue("path"))
		return
	}
	switch file {
	case "":
		if !strings.HasSuffix(r.URL.Path, "/") { // so that links in the page lead into the folder
			http.Redirect(w, r, (&url.URL{Path: "/run/" + name + "/"}).String(), http.StatusFound)
			return
		}
		s.runPage(w, r, run, name)
	case store.ReportFile:
		s.report(w, r, run, name)
	case "operations":
		s.operations(w, r, run, name)
	case "live":
		s.live(w, r, run)
	case "picture":
		s.picture(w, run, r.URL.Query().Get("key"))
	case "files":
		s.files(w, run, name)
	default:
		s.raw(w, r, name+"/"+file)
	}
}

// runPage is the report of a run that is over, and the view of one that is under way.
func (s *Server) runPage(w http.ResponseWriter, r *http.Request, run *store.Run, name string) {
	if _, err := run.Verdict(); errors.Is(err, fs.ErrNotExist) {
		if state, _ := liveState(run, time.Now()); state == "running" {
			s.page("live.html")(w, r)
			return
		}
	}
	s.report(w, r, run, name)
}

// report answers with the run's page: the one in its folder, or where there is none one made for this request.
func (s *Server) report(w http.ResponseWriter, r *http.Request, run *store.Run, name string) {
	var page []byte
	f, err := s.open(s.pathOf(run.Path(store.ReportFile)))
	if err == nil {
		page, err = io.ReadAll(f)
		_ = f.Close() // it was only read
	} else if errors.Is(err, fs.ErrNotExist) {
		var made bytes.Buffer
		err = report.Page(&made, run)
		page = made.Bytes()
	}
	if err != nil {
		http.Error(w, "the page of this run cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	policy := sandboxed + "; frame-ancestors 'none'"
	if address := operationsAddress(r.Host, name); address != "" {
		policy += "; connect-src " + address
	}
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// The page asks for more where it is told that somebody answers.
	_, _ = w.Write(bytes.Replace(page, []byte(`<html lang="en">`), []byte(`<html lang="en" data-served="`+s.passOf(name)+`">`), 1))
}

// picture answers with porcupine's picture of a key, in a sandbox.
func (s *Server) picture(w http.ResponseWriter, run *store.Run, key string) {
	pic, err := report.PictureOf(run, key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Security-Policy", "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(pic.HTML)
}

// raw answers with a file as it is: as text, or as bytes to be kept.
func (s *Server) raw(w http.ResponseWriter, r *http.Request, name string) {
	f, err := s.open(strings.Trim(name, "/"))
	if err != nil {
		refuse(w, name)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		refuse(w, name)
		return
	}
	kind := "text/plain; charset=utf-8"
	switch path.Ext(name) {
	case ".json":
		kind = "application/json"
	case ".zst":
		kind = "application/zstd"
		w.Header().Set("Content-Disposition", "attachment")
	case ".gz":
		kind = "application/gzip"
		w.Header().Set("Content-Disposition", "attachment")
	case ".html": // the messages of a shrunk run, and whatever else somebody put there
		kind = "text/html; charset=utf-8"
		w.Header().Set("Content-Security-Policy", sandboxed+"; frame-ancestors 'none'")
	}
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, r, "", info.ModTime(), f)
}

var filesTemplate = template.Must(template.ParseFS(static, "static/files.html"))

// files lists what is in a run's folder.
func (s *Server) files(w http.ResponseWriter, run *store.Run, name string) {
	type row struct{ Name, Size, Time string }
	var rows []row
	for _, folder := range []string{"", store.NodesFolder} {
		entries, _ := os.ReadDir(run.Path(folder)) // a folder that is not there has none
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			rows = append(rows, row{path.Join(folder, e.Name()), fmt.Sprint(info.Size()), info.ModTime().UTC().Format("2006-01-02 15:04:05")})
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = filesTemplate.Execute(w, map[string]any{"Run": name, "Rows": rows}) // whoever asked is gone
}
