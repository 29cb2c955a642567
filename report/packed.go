package report

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
)

// packed is data that the page's script unpacks when it needs it: JSON, compressed, in base64. A page of text holds
// four times as much that way, and the browser reads past it until somebody looks.
func packed(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("report: data does not become JSON: " + err.Error())
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.DefaultCompression)
	if err != nil {
		panic("report: " + err.Error()) // the level is a constant
	}
	_, _ = z.Write(b) // a buffer takes all
	_ = z.Close()
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

// texts gives each string a number, so that one that occurs often is stored once.
type texts struct {
	list    []string
	numbers map[string]int
}

func newTexts() texts { return texts{list: []string{}, numbers: map[string]int{}} }

func (t *texts) number(s string) int {
	n, ok := t.numbers[s]
	if !ok {
		n = len(t.list)
		t.numbers[s] = n
		t.list = append(t.list, s)
	}
	return n
}
