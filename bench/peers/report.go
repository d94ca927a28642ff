package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/bench/rig"
)

// row is one figure of every peer that has it.
type row struct {
	shape, name, unit string
	rounds            map[string][]float64 // by peer
	marks             map[string]string    // by peer: limitedMark, disturbedMark or both
	goal              goal
	itself            [2]string // the two forms of Carillon that the row compares, in place of peers
}

// goal is what the figure of Carillon is to be, beside that of Centrifugo or of another form of Carillon;
// the zero goal is none.
type goal struct {
	text  string
	alone bool // whatever another's figure is
	met   func(own, other, ratio float64) bool
}

func ratioAtLeast(least float64) goal {
	return goal{text: "≥ " + short(least), met: func(_, _, ratio float64) bool { return ratio >= least }}
}

func ratioAtMost(most float64) goal {
	return goal{text: "≤ " + short(most), met: func(_, _, ratio float64) bool { return ratio <= most }}
}

func moreByAtMost(more float64, unit string) goal {
	return goal{text: fmt.Sprintf("≤ its + %s %s", short(more), unit), met: func(own, other, _ float64) bool { return own <= other+more }}
}

func atMost(most float64) goal {
	return goal{text: "≤ " + short(most), alone: true, met: func(own, _, _ float64) bool { return own <= most }}
}

// verdict judges a row by the goal, when there is what that needs.
func (r row) verdict(own, other string) string {
	if r.goal.met == nil || !r.goal.alone && len(r.rounds[other]) == 0 {
		return r.goal.text
	}
	ratio, _, _ := r.ratio(own, other)
	if len(r.rounds[own]) > 0 && r.goal.met(rig.Median(r.rounds[own]), rig.Median(r.rounds[other]), ratio) {
		return r.goal.text + ": met"
	}
	return r.goal.text + ": **missed**"
}

// ratio is the median of the ratios of the rounds, with the least and the greatest.
func (r row) ratio(own, other string) (middle, least, most float64) {
	list := rig.Ratios(r.rounds[own], r.rounds[other])
	if len(list) == 0 {
		return 0, 0, 0
	}
	return rig.Median(list), slices.Min(list), slices.Max(list)
}

// short writes a figure with three significant digits, or as a whole number with its thousands apart.
func short(v float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "0"
	case a >= 1000:
		text := fmt.Sprintf("%.0f", v)
		for at := len(text) - 3; at > 0; at -= 3 {
			text = text[:at] + "," + text[at:]
		}
		return text
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// print writes the rows as Markdown tables: one of the first peer and the others, with the ratios to
// them, and one of Carillon in two forms.
func print(w io.Writer, peers []string, rows []row) error {
	var b strings.Builder
	printPeers(&b, peers, slices.DeleteFunc(slices.Clone(rows), row.isItself))
	printItself(&b, slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !r.isItself() }))
	for _, mark := range []struct{ sign, text string }{
		{limitedMark, "The load's processor was busy and the server's was not: the server can do more."},
		{disturbedMark, "Other processes took more than a tenth of the processors in most of these rounds."},
	} {
		if slices.ContainsFunc(rows, func(r row) bool { return r.isMarked(mark.sign) }) {
			fmt.Fprintf(&b, "\n%s %s\n", mark.sign, mark.text)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const limitedMark, disturbedMark = "†", "‡"

func (r row) isMarked(sign string) bool {
	for _, marks := range r.marks {
		if strings.Contains(marks, sign) {
			return true
		}
	}
	return false
}

func (r row) isItself() bool { return r.itself[0] != "" }

func printPeers(b *strings.Builder, peers []string, rows []row) {
	own := peers[0]
	head := []string{"shape", "figure", "unit", own}
	for _, other := range peers[1:] {
		head = append(head, other, "ratio (range)")
	}
	printHead(b, append(head, "goal"), len(rows))
	shape := ""
	for _, r := range rows {
		cells := []string{r.shapeAfter(&shape), r.name, r.unit, r.cell(own)}
		for _, other := range peers[1:] {
			cells = append(cells, r.cell(other), r.ratioCell(own, other))
		}
		printLine(b, append(cells, r.verdict(own, centrifugo{}.name())))
	}
}

func printItself(b *strings.Builder, rows []row) {
	if len(rows) > 0 {
		b.WriteString("\n")
	}
	printHead(b, []string{"shape", "figure", "unit", "of", "", "beside", "", "ratio (range)", "goal"}, len(rows))
	shape := ""
	for _, r := range rows {
		own, other := r.itself[0], r.itself[1]
		printLine(b, []string{
			r.shapeAfter(&shape), r.name, r.unit, own, r.cell(own), other, r.cell(other), r.ratioCell(own, other), r.verdict(own, other),
		})
	}
}

// printHead begins a table unless it has no lines.
func printHead(b *strings.Builder, cells []string, lines int) {
	if lines > 0 {
		printLine(b, cells)
		printLine(b, slices.Repeat([]string{"---"}, len(cells)))
	}
}

func printLine(b *strings.Builder, cells []string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// shapeAfter is the row's shape, or nothing below a row of the same shape.
func (r row) shapeAfter(shape *string) string {
	if r.shape == *shape {
		return ""
	}
	*shape = r.shape
	return r.shape
}

func (r row) ratioCell(own, other string) string {
	middle, least, most := r.ratio(own, other)
	if middle == 0 {
		return ""
	}
	return fmt.Sprintf("**%s** (%s–%s)", short(middle), short(least), short(most))
}

// cell is the figure of a peer.
func (r row) cell(peer string) string {
	rounds := r.rounds[peer]
	if len(rounds) == 0 {
		return "–"
	}
	return strings.TrimSpace(short(rig.Median(rounds)) + " " + r.marks[peer])
}

const figuresBegin, figuresEnd = "<!-- figures begin -->\n", "<!-- figures end -->\n"

// replaceFigures writes what was printed between the marks of a page.
func replaceFigures(path, figures string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(text), figuresBegin)
	_, after, ended := strings.Cut(rest, figuresEnd)
	if !begun || !ended {
		return fmt.Errorf("%s has no %q and %q", path, strings.TrimSpace(figuresBegin), strings.TrimSpace(figuresEnd))
	}
	return os.WriteFile(path, []byte(before+figuresBegin+"\n"+figures+"\n"+figuresEnd+after), 0o644)
}
