package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/bench/rig"
)

// row is one figure of every peer that has it.
type row struct {
	shape, name, unit string
	rounds            map[string][]float64 // by peer
	limited           map[string]bool      // by peer: the load was the limit in most of its rounds
	goal              goal
}

// goal is what the figure of Carillon is to be beside that of a peer; the zero goal is none.
type goal struct {
	text string
	met  func(own, other, ratio float64) bool
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
	return goal{text: "≤ " + short(most), met: func(own, _, _ float64) bool { return own <= most }}
}

// verdict judges a row by the goal.
func (r row) verdict(own, other string) string {
	if r.goal.met == nil {
		return ""
	}
	ratio, _, _ := r.ratio(own, other)
	if r.goal.met(rig.Median(r.rounds[own]), rig.Median(r.rounds[other]), ratio) {
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

// print writes the rows as a Markdown table: the first peer's figures, and those of the others with
// the ratios to them.
func print(w io.Writer, peers []string, rows []row) error {
	own := peers[0]
	head := []string{"shape", "figure", "unit", own}
	for _, other := range peers[1:] {
		head = append(head, other, "ratio (range)")
	}
	head = append(head, "goal")
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))

	shape, marked := "", false
	for _, r := range rows {
		cells := []string{r.shape, r.name, r.unit, r.cell(own)}
		if r.shape == shape {
			cells[0] = ""
		}
		shape = r.shape
		for _, other := range peers[1:] {
			ratio := ""
			if middle, least, most := r.ratio(own, other); middle != 0 {
				ratio = fmt.Sprintf("**%s** (%s–%s)", short(middle), short(least), short(most))
			}
			cells = append(cells, r.cell(other), ratio)
		}
		judged := own
		if len(peers) > 1 {
			judged = peers[1]
		}
		line(append(cells, r.verdict(own, judged)))
		marked = marked || len(r.limited) > 0
	}

	if marked {
		b.WriteString("\n† The load's processor was busy and the server's was not: the server can do more.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell is the figure of a peer.
func (r row) cell(peer string) string {
	rounds, measured := r.rounds[peer]
	switch {
	case !measured:
		return ""
	case r.limited[peer]:
		return short(rig.Median(rounds)) + " †"
	}
	return short(rig.Median(rounds))
}
