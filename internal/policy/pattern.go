package policy

import "strings"

// Patterns are kept with bytes for * and ? that no UTF-8 text contains, so that a * or ? that came
// in through a variable or an escape is an ordinary character.
const (
	anyText = 0xFF // *
	anyOne  = 0xFE // ?
)

var wildcards = strings.NewReplacer("*", "\xFF", "?", "\xFE")

func encodeWildcards(text string) string { return wildcards.Replace(text) }

// literalLength is the number of bytes before the first wildcard.
func literalLength(pattern string) int {
	for i := range len(pattern) {
		if pattern[i] >= anyOne {
			return i
		}
	}
	return len(pattern)
}

// match compares a text with a pattern. The last * seen is the only one that ever takes more, so
// the time is at worst proportional to the product of the lengths, whatever the pattern.
func match[P, T ~string | ~[]byte](pattern P, text T) bool {
	p, t := 0, 0
	star, resume := -1, 0

	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == anyText:
			star, resume = p, t
			p++
			if p == len(pattern) {
				return true
			}
		case p < len(pattern) && pattern[p] == anyOne:
			p++
			t = next(text, t)
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			resume = next(text, resume)
			p, t = star+1, resume
		default:
			return false
		}
	}

	// What is left of the pattern may only be stars.
	for p < len(pattern) && pattern[p] == anyText {
		p++
	}
	return p == len(pattern)
}

// next is where the character after the one at i begins.
func next[T ~string | ~[]byte](text T, i int) int {
	for i++; i < len(text) && text[i]&0xC0 == 0x80; i++ {
	}
	return i
}

// hasCode reports whether a text has one of the bytes that stand for wildcards: no UTF-8 has.
func hasCode(text string) bool {
	return strings.IndexByte(text, anyText) >= 0 || strings.IndexByte(text, anyOne) >= 0
}
