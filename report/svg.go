package report

import (
	"html/template"
	"strings"
)

// drawing builds the inside of an SVG element. All text and attribute values are escaped here and nowhere else.
type drawing struct {
	b strings.Builder
}

// element writes one element. Attributes are name, value, name, value; title, unless empty, is what the mark says of
// itself when pointed at.
func (d *drawing) element(name, title string, attributes ...string) {
	d.open(name, attributes...)
	if title == "" {
		d.close(name)
		return
	}
	d.title(title)
	d.close(name)
}

func (d *drawing) open(name string, attributes ...string) {
	if len(attributes)%2 != 0 {
		panic("report: attribute without a value in <" + name + ">")
	}
	d.b.WriteByte('<')
	d.b.WriteString(name)
	for i := 0; i < len(attributes); i += 2 {
		d.b.WriteByte(' ')
		d.b.WriteString(attributes[i])
		d.b.WriteString(`="`)
		d.b.WriteString(template.HTMLEscapeString(attributes[i+1]))
		d.b.WriteByte('"')
	}
	d.b.WriteByte('>')
}

func (d *drawing) title(text string) {
	d.b.WriteString("<title>")
	d.b.WriteString(template.HTMLEscapeString(text))
	d.b.WriteString("</title>")
}

func (d *drawing) close(name string) {
	d.b.WriteString("</")
	d.b.WriteString(name)
	d.b.WriteByte('>')
}

// text writes a label.
func (d *drawing) text(label string, attributes ...string) {
	d.open("text", attributes...)
	d.b.WriteString(template.HTMLEscapeString(label))
	d.close("text")
}

// html is the drawing for the page's template, which takes it as it is.
func (d *drawing) html() template.HTML { return template.HTML(d.b.String()) }

// plot is one row of the time figure: a drawing over time and, beside it, the labels of its other axis.
type plot struct {
	Title  string
	Key    template.HTML // which line is whose; most plots share the legend above them
	About  string        // for those who cannot see it
	Height int           // pixels
	Labels template.HTML
	Body   template.HTML
}

// labels draws the ticks of a vertical axis, right-aligned in their column.
func labels(ticks []tick, height int) template.HTML {
	var d drawing
	for _, t := range ticks {
		y := min(max(t.at+4, 9), float64(height)-1)
		d.text(t.label, "x", "100%", "y", number(y), "text-anchor", "end", "class", "tick")
	}
	return d.html()
}

// rows draws the names of lanes in the label column.
func rows(names []string, laneHeight int) template.HTML {
	var d drawing
	for i, name := range names {
		d.open("text", "x", "100%", "y", number(float64(i*laneHeight)+float64(laneHeight)/2+4), "text-anchor", "end", "class", "lane")
		d.b.WriteString(template.HTMLEscapeString(short(name, 12)))
		d.title(shown(name, 200))
		d.close("text")
	}
	return d.html()
}

func gridlines(d *drawing, ticks []tick) {
	for _, t := range ticks {
		d.element("line", "", "x1", "0", "x2", "100%", "y1", number(t.at), "y2", number(t.at), "class", "grid")
	}
}

// label writes text cut off at the given width, starting x percent in.
func (d *drawing) label(text string, x, width, y float64, height int, class string) {
	d.open("svg", "x", percent(x), "y", number(y), "width", percent(width), "height", number(float64(height)))
	d.text(text, "x", "4", "y", number(float64(height)/2+4), "class", class)
	d.close("svg")
}
