package systems

// Built is one program of somebody else's as `make systems` builds it, in one version: what the adapters of such systems
// have in common.
type Built struct {
	Reference Reference
	choice    Choice
	folder    string
	program   string
}

// Build completes a reference to a system of one program; folder is where `make systems` builds.
func (c Choice) Build(r Reference, folder, program string) (Built, error) {
	r, err := c.Complete(r)
	return Built{Reference: r, choice: c, folder: folder, program: program}, err
}

// Name is the reference in full.
func (b Built) Name() string { return b.Reference.String() }

// Programs implements Deployed.
func (b Built) Programs() (map[string]string, error) {
	path, err := b.choice.Built(b.folder, b.Reference)
	return map[string]string{b.program: path}, err
}
