package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// SiteVariable is the environment variable that gives an agent its child's Site, as JSON. The child does not see it.
const SiteVariable = "ORDEAL_AGENT_SITE"

// Site is what a child needs beside itself.
type Site struct {
	// Files are written before each start of the child, where there is none of that name: by path. What programs have made of theirs since stays.
	Files map[string]string `json:"files,omitempty"`
	// Beside are programs that run from before the child's first start to the end of the agent. Orders never touch them.
	Beside []Program `json:"beside,omitempty"`
}

// Program is one of them.
type Program struct {
	Args []string `json:"args"`          // its path first
	Env  []string `json:"env,omitempty"` // NAME=value, beside the agent's own environment
}

// String is the site as ParseSite reads it.
func (s Site) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("agent: a site: %v", err)) // strings and lists of them always can be written
	}
	return string(text)
}

// ParseSite reads a site. No text is a site with nothing in it.
func ParseSite(text string) (Site, error) {
	var s Site
	if text == "" {
		return s, nil
	}
	if err := decodeStrictly([]byte(text), &s); err != nil {
		return s, fmt.Errorf("%s: %w", SiteVariable, err)
	}
	for i, p := range s.Beside {
		if len(p.Args) == 0 {
			return s, fmt.Errorf("%s: program %d has no path", SiteVariable, i+1)
		}
	}
	return s, nil
}

// WriteOnce writes a file that is not there, and leaves one that is as it is.
func WriteOnce(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
