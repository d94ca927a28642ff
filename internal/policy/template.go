package policy

import (
	"errors"
	"fmt"
	"strings"
)

// template is a prepared Resource, or value of a string or ARN operator: a pattern with variables.
type template struct {
	// text is the whole pattern when there are no variables, else what comes before the first.
	text    string
	literal int    // length of text before its first wildcard
	rest    []part // empty: no variables
}

// part is a variable and the text that follows it.
type part struct {
	variable variable
	text     string
}

// variable is ${key} or ${key, 'fallback'}.
type variable struct {
	name        string // as written
	key         string // lower case
	fallback    string
	hasFallback bool
}

// compileTemplate prepares the text. Without variables, "${" is text; without wildcards, * and ?
// are ordinary characters. The error continues a sentence.
func compileTemplate(text string, variables, wild bool) (template, error) {
	var t template
	var b strings.Builder

	// The text so far ends at a variable, or at the end: it goes behind the variable before it.
	flush := func() {
		if n := len(t.rest); n > 0 {
			t.rest[n-1].text = b.String()
		} else {
			t.text = b.String()
		}
		b.Reset()
	}

	for text != "" {
		plain, after := text, ""
		found := false
		if variables {
			plain, after, found = strings.Cut(text, "${")
		}
		if wild {
			plain = encodeWildcards(plain)
		}

		b.WriteString(plain)
		text = after
		if !found {
			break
		}

		// What follows "${" is a variable, or a character that would otherwise mean something.
		v, escape, rest, err := readVariable(after)
		if err != nil {
			return t, err
		}
		if escape != "" {
			b.WriteString(escape)
		} else {
			flush()
			t.rest = append(t.rest, part{variable: v})
		}
		text = rest
	}

	flush()
	t.literal = literalLength(t.text)
	return t, nil
}

// readVariable reads what follows "${": a variable, or one of the characters * ? $ that stand for
// themselves when they are written so.
func readVariable(text string) (v variable, escape, rest string, err error) {
	end := strings.IndexAny(text, ",}")
	if end < 0 {
		return v, "", "", errors.New("has a variable that does not end")
	}

	name := strings.TrimSpace(text[:end])
	if text[end] == '}' && (name == "*" || name == "?" || name == "$") {
		return v, name, text[end+1:], nil
	}
	if i := strings.IndexByte(name, ':'); i <= 0 || i == len(name)-1 || strings.ContainsAny(name, "${*?'\"") {
		return v, "", "", fmt.Errorf("has the variable %q, which is no prefix and name, like aws:username", name)
	}

	v.name, v.key = name, strings.ToLower(name)
	if text[end] == '}' {
		return v, "", text[end+1:], nil
	}

	// Only a default in single quotes may come between the name and the brace.
	quoted, found := strings.CutPrefix(strings.TrimLeft(text[end+1:], " "), "'")
	fallback, after, closed := strings.Cut(quoted, "'")
	after, ended := strings.CutPrefix(strings.TrimLeft(after, " "), "}")
	if !found || !closed || !ended {
		return v, "", "", fmt.Errorf("has the variable %q with something else after it than a default in single quotes", name)
	}
	v.fallback, v.hasFallback = fallback, true
	return v, "", after, nil
}

// expand appends the pattern with the values of its variables, which stand for themselves. It
// reports false when one has no value.
func (e *evaluation) expand(t *template, to []byte) ([]byte, bool) {
	to = append(to, t.text...)
	for i := range t.rest {
		value, found := e.value(&t.rest[i].variable)
		if !found {
			return to, false
		}
		to = append(to, value...)
		to = append(to, t.rest[i].text...)
	}
	return to, true
}

// value is what a variable stands for: a key with one value, in UTF-8.
func (e *evaluation) value(v *variable) (string, bool) {
	values, found := e.lookup(v.key)
	switch {
	case found && len(values) == 1 && !hasCode(values[0]):
		return values[0], true
	case v.hasFallback:
		return v.fallback, true
	}
	return "", false
}

// matchResource compares the question's resource with a template. Resolved is false when a
// variable had no value.
func (e *evaluation) matchResource(t *template) (matched, resolved bool) {
	resource := e.q.Resource
	if len(resource) < t.literal || resource[:t.literal] != t.text[:t.literal] {
		return false, true
	}
	if len(t.rest) == 0 {
		return match(t.text[t.literal:], resource[t.literal:]), true
	}
	var space [256]byte
	pattern, ok := e.expand(t, space[:0])
	return ok && match(pattern[t.literal:], resource[t.literal:]), ok
}
