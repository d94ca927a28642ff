package config

import (
	"slices"
	"strings"
)

// maxTypos is how many letters a suggestion may differ in.
const maxTypos = 2

// Suggestion is the end of a sentence about a word that is none of the words: the closest of them
// when one is close, nothing otherwise.
func Suggestion(word string, words []string) string {
	best, fewest := "", maxTypos+1
	for _, w := range words {
		if n := typos(strings.ToLower(word), strings.ToLower(w)); n < fewest && n < len(w) {
			best, fewest = w, n
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// typos counts the letters that have to be put in, left out, replaced or exchanged with their
// neighbour to make b of a.
func typos(a, b string) int {
	var before, above []int // rows of the table of distances, two and one above
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}

	for i := range len(a) {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}

			row[j+1] = slices.Min([]int{above[j+1] + 1, row[j] + 1, above[j] + change})
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
