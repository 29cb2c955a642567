package serve

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/ordeal-dev/ordeal/campaign"
	"github.com/ordeal-dev/ordeal/campaign/compare"
	"github.com/ordeal-dev/ordeal/report"
)

// inline is the policy of pages that the program makes with their style in them, and no script.
const inline = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

var campaignTemplate = template.Must(template.ParseFS(static, "static/campaign.html"))

// campaignPage is what the template shows of a campaign.
type campaignPage struct {
	Path, Name, Command    string
	Started                string
	Cluster                string
	Runs, Invalid, Unknown int
	Planned                string
	Versions               []campaign.Version
	Rows                   []campaignRunRow
	Left                   int
	Parent                 string
}

type campaignRunRow struct {
	Number                           string
	Version, Workload, Faults        string
	Seed                             uint64
	Verdict, Reason, Elapsed, Folder string
	Operations                       int
}

const maxCampaignRows = 2000

// campaign answers with a campaign's runs, those that were not valid first.
func (s *Server) campaign(w http.ResponseWriter, r *http.Request) {
	folder, err := s.inside(r.PathValue("path"))
	if err != nil {
		refuse(w, "campaign "+r.PathValue("path"))
		return
	}
	c, err := s.openCampaign(folder)
	if err != nil {
		refuse(w, "campaign "+r.PathValue("path"))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = campaignTemplate.Execute(w, s.campaignPage(c)) // whoever asked is gone
}

func (s *Server) campaignPage(c *campaign.Campaign) campaignPage {
	p := campaignPage{Path: s.pathOf(c.Folder), Name: filepath.Base(filepath.Dir(c.Folder)) + " " + filepath.Base(c.Folder), Command: report.Shell(c.Plan.Command),
		Started: c.Plan.Started.UTC().Format("2006-01-02 15:04:05 UTC"), Cluster: c.Plan.Cluster, Versions: c.Plan.Versions,
		Planned: "as many as there is time for", Parent: s.pathOf(filepath.Dir(c.Folder))}
	if c.Plan.Runs > 0 {
		p.Planned = fmt.Sprintf("%d of each of %d cells", c.Plan.Runs, len(c.Plan.Cells()))
	}
	order := map[string][]campaignRunRow{}
	for _, run := range c.Runs {
		row := campaignRunRow{Number: fmt.Sprint(run.Number), Version: run.Version, Workload: run.Workload, Faults: run.Faults, Seed: run.Seed,
			Verdict: string(run.Verdict), Reason: run.Reason, Elapsed: run.Elapsed.Round(time.Millisecond).String(),
			Operations: run.Operations.OK + run.Operations.Fail + run.Operations.Info}
		if run.Again > 0 {
			row.Number += fmt.Sprintf(", again %d", run.Again)
		}
		if run.Folder != "" {
			row.Folder = p.Path + "/" + run.Folder + "/"
		}
		order[row.Verdict] = append(order[row.Verdict], row)
	}
	n := c.Counts()
	p.Runs, p.Invalid, p.Unknown = n.Runs, n.Invalid, n.Unknown
	p.Rows = append(append(order["invalid"], order["unknown"]...), order["valid"]...)
	if len(p.Rows) > maxCampaignRows {
		p.Rows, p.Left = p.Rows[:maxCampaignRows], len(p.Rows)-maxCampaignRows
	}
	return p
}

// compare answers with a comparison of the campaigns that the request names.
func (s *Server) compare(w http.ResponseWriter, r *http.Request) {
	var folders []string
	for _, name := range r.URL.Query()["c"] {
		folder, err := s.inside(name)
		if err == nil {
			_, err = s.openCampaign(folder)
		}
		if err != nil {
			refuse(w, fmt.Sprintf("campaign %.200s", name))
			return
		}
		folders = append(folders, folder)
	}
	if len(folders) == 0 {
		http.Error(w, "name campaigns to be compared: /compare?c=NAME/TIME&c=NAME/TIME", http.StatusBadRequest)
		return
	}
	sides, err := compare.Sides(folders...)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	c, err := compare.Compare(sides, compare.Default)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	var page bytes.Buffer
	if err := c.HTMLWith(&page, s.addressOf); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	made(w, page.Bytes())
}

// addressOf is the address of the page of the run in a folder, nothing where it lies elsewhere.
func (s *Server) addressOf(folder string) string {
	path, err := filepath.Rel(s.folder, folder)
	if err != nil || !filepath.IsLocal(path) {
		return ""
	}
	return (&url.URL{Path: "/run/" + filepath.ToSlash(path) + "/"}).EscapedPath()
}

// history answers with all campaigns of a folder over time.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	folder, err := s.inside(r.PathValue("path"))
	if err == nil {
		for _, c := range s.campaignFolders() {
			if _, outside := s.openCampaign(c); filepath.Dir(c) == folder && outside != nil {
				err = outside
			}
		}
	}
	if err != nil {
		refuse(w, "campaigns in "+r.PathValue("path"))
		return
	}
	var page bytes.Buffer
	if err := compare.History(&page, folder); err != nil {
		refuse(w, "campaigns in "+r.PathValue("path"))
		return
	}
	made(w, page.Bytes())
}

func made(w http.ResponseWriter, page []byte) {
	w.Header().Set("Content-Security-Policy", inline)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}
