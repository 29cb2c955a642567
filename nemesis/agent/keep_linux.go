package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// keptRules is the file in the log's folder with the rules in force. Killing a container takes its network namespace and the rules
// away and leaves its files: when it is started again, what was cut is cut before the child runs.
const keptRules = "partition.json"

// keep notes what is in force; nil: nothing.
func (s *server) keep(p *Partition) {
	err := os.Remove(s.kept)
	if p != nil {
		var text []byte
		if text, err = json.Marshal(p); err == nil {
			err = os.WriteFile(s.kept, text, 0o600)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.note("the rules in force are not kept over a restart: %v", err)
	}
}

// restore puts in force what was when the agent was killed.
func (s *server) restore() error {
	text, err := os.ReadFile(s.kept)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var p Partition
	if err == nil {
		err = decodeStrictly(text, &p)
	}
	if err != nil {
		return fmt.Errorf("the rules kept in %s: %w", s.kept, err)
	}
	drops, names, err := p.check()
	if err != nil {
		return fmt.Errorf("the rules kept in %s: %w", s.kept, err)
	}
	if err := s.filter.Replace(drops); err != nil {
		return err
	}
	s.names = names
	s.note("partition: %d cuts in force again", len(drops))
	return nil
}
