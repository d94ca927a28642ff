package api

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Unbounded stands for a missing maximum.
const Unbounded = math.MaxInt

// Length checks a string's length in Unicode code points.
func Length(s string, minimum, maximum int) *Invalid {
	// A code point takes 1 to 4 bytes: most strings need no counting.
	if len(s) <= maximum && len(s) >= minimum && (minimum <= 1 || len(s)/utf8.UTFMax >= minimum) {
		return nil
	}
	if n := utf8.RuneCountInString(s); n < minimum || n > maximum {
		return invalid(bounds("must have", minimum, maximum, " character"))
	}
	return nil
}

// Bytes checks a string's length in UTF-8 bytes (spec 12.1 #11).
func Bytes(s string, minimum, maximum int) *Invalid {
	if len(s) < minimum || len(s) > maximum {
		return invalid(bounds("must have", minimum, maximum, " byte"))
	}
	return nil
}

// Count checks the number of elements of a list or entries of a map.
func Count(n, minimum, maximum int) *Invalid {
	if n < minimum || n > maximum {
		return invalid(bounds("must have", minimum, maximum, " element"))
	}
	return nil
}

// Range checks a number.
func Range(n, minimum, maximum int) *Invalid {
	if n < minimum || n > maximum {
		return invalid(bounds("must be", minimum, maximum, ""))
	}
	return nil
}

// Mismatch reports a string that does not match its pattern.
func Mismatch(pattern string) *Invalid {
	return invalid("must match the pattern " + pattern)
}

// NotOneOf reports a string that is not in its enumeration.
func NotOneOf(values string) *Invalid { return invalid("must be one of " + values) }

func bounds(verb string, minimum, maximum int, unit string) string {
	last := maximum
	if maximum == Unbounded {
		last = minimum
	}
	if unit != "" && last != 1 {
		unit += "s"
	}
	switch {
	case maximum == Unbounded:
		return fmt.Sprintf("%s at least %d%s", verb, minimum, unit)
	case minimum == maximum:
		return fmt.Sprintf("%s exactly %d%s", verb, minimum, unit)
	}
	return fmt.Sprintf("%s %d to %d%s", verb, minimum, maximum, unit)
}

// parseInt reads a strict decimal integer: no sign but '-', no leading zeros,
// no fraction.
func parseInt(s string) (int, bool) {
	digits := s
	if digits != "" && digits[0] == '-' {
		digits = digits[1:]
	}
	if digits == "" || digits[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
