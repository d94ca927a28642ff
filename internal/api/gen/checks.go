package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/internal/api/model"
)

// check is a function that checks a value of one shape.
type check struct {
	Name, Type string
	Body       string
	Regexp     string // pattern variable's source, or empty
}

// scanners are the functions of package api that stand for a pattern. An empty
// name is a pattern that every string matches.
var scanners = map[string]string{
	`arn:[a-z0-9-\.]{1,63}:[a-z0-9-\.]{0,63}:[a-z0-9-\.]{0,63}:[a-z0-9-\.]{0,63}:[^/].{0,1023}`: "IsARN",
	`[A-Za-z0-9]([A-Za-z0-9\:\-\_\.\@]{0,62}[A-Za-z0-9])?`:                                      "IsID",
	`[-_a-zA-Z0-9]*`: "IsToken",
	`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]*`: "IsText",
	`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`: "IsText",
	`.*`:      "IsLine",
	`[\s\S]*`: "",
	"":        "",
}

// matchesEmpty reports whether the empty string matches.
func matchesEmpty(pattern string) bool {
	switch scanners[pattern] {
	case "IsARN", "IsID":
		return false
	case "":
		if _, ok := scanners[pattern]; ok {
			return true
		}
	}
	return regexp.MustCompile(goPattern(pattern)).MatchString("")
}

// countsBytes names the shapes whose length is in UTF-8 bytes (spec 12.1 #11).
func countsBytes(shape string) bool {
	return shape == "Content" || shape == "NonEmptyContent" || shape == "Metadata"
}

// pattern gives a shape's scanner, or the regular expression to compile.
func pattern(name string, s *model.Shape) (scanner, expr string) {
	if name == "Metadata" {
		return "", "" // pretty-printed JSON has line breaks (spec B.1)
	}
	if f, ok := scanners[s.Pattern]; ok {
		return f, ""
	}
	return "", goPattern(s.Pattern)
}

// constrained reports whether any value of the shape can be refused.
func (p *planner) constrained(name string) bool {
	s := p.Shapes[name]
	switch s.Type {
	case "structure":
		for _, m := range s.Members {
			if m.Required || p.constrained(m.Shape) {
				return true
			}
		}
		return false
	case "list":
		return s.Min != nil || s.Max != nil || p.constrained(string(s.Member))
	case "map":
		return s.Min != nil || s.Max != nil || p.constrained(string(s.Key)) || p.constrained(string(s.Value))
	}
	scanner, expr := pattern(name, s)
	return s.Enum != nil || s.Min != nil && *s.Min > 0 || s.Max != nil || scanner != "" || expr != ""
}

func (p *planner) planChecks() error {
	for _, name := range slices.Sorted(maps.Keys(p.Shapes)) {
		s := p.Shapes[name]
		if !p.in[name] || s.Type == "structure" || !p.constrained(name) {
			continue
		}
		typ, err := p.goType(name, true)
		if err != nil {
			return err
		}
		c := check{Name: typeName(name), Type: typ}
		switch {
		case s.Enum != nil:
			c.Body = enumCheck(c.Name, s.Enum)
		case s.Type == "integer":
			c.Body = "return " + limits("Range", "v", s)
		case s.Type == "string":
			c.Body, c.Regexp = stringCheck(name, s)
		default:
			c.Body = p.elementsCheck(s)
		}
		p.pkg.Checks = append(p.pkg.Checks, c)
	}
	return nil
}

// limits is a call of one of package api's checks of two bounds.
func limits(function, arg string, s *model.Shape) string {
	low, high := "0", "api.Unbounded"
	if s.Min != nil {
		low = strconv.Itoa(*s.Min)
	} else if function == "Range" {
		low = "-api.Unbounded"
	}
	if s.Max != nil {
		high = strconv.Itoa(*s.Max)
	}
	return fmt.Sprintf("api.%s(%s, %s, %s)", function, arg, low, high)
}

func enumCheck(typ string, values []string) string {
	consts := make([]string, len(values))
	for i, v := range values {
		consts[i] = constName(typ, v)
	}
	return fmt.Sprintf("switch v {\ncase %s:\nreturn nil\n}\nreturn api.NotOneOf(%q)",
		strings.Join(consts, ", "), strings.Join(values, ", "))
}

func stringCheck(name string, s *model.Shape) (body, expr string) {
	var b strings.Builder
	scanner, expr := pattern(name, s)
	if s.Min != nil && *s.Min > 0 || s.Max != nil {
		function := "Length"
		if countsBytes(name) {
			function = "Bytes"
		}
		if scanner == "" && expr == "" {
			return "return " + limits(function, "v", s), ""
		}
		fmt.Fprintf(&b, "if e := %s; e != nil {\nreturn e\n}\n", limits(function, "v", s))
	}
	match := "api." + scanner + "(v)"
	if expr != "" {
		match = "pattern" + typeName(name) + ".MatchString(v)"
	}
	fmt.Fprintf(&b, "if !%s {\nreturn api.Mismatch(%s)\n}\nreturn nil", match, quote(s.Pattern))
	return b.String(), expr
}

// elementsCheck checks a list or a map and what is in it. Of a map the fault
// with the smallest key is reported: the same request always gets the same
// answer.
func (p *planner) elementsCheck(s *model.Shape) string {
	var b strings.Builder
	counted := s.Min != nil || s.Max != nil
	if s.Type == "list" {
		if !p.constrained(string(s.Member)) {
			return "return " + limits("Count", "len(v)", s)
		}
		if counted {
			fmt.Fprintf(&b, "if e := %s; e != nil {\nreturn e\n}\n", limits("Count", "len(v)", s))
		}
		fmt.Fprintf(&b, "for i := range v {\nif e := %s; e != nil {\nreturn e.At(i)\n}\n}\nreturn nil", p.checkCall(string(s.Member), "v[i]"))
		return b.String()
	}

	if counted {
		fmt.Fprintf(&b, "if e := %s; e != nil {\nreturn e\n}\n", limits("Count", "len(v)", s))
	}

	if !p.constrained(string(s.Key)) && !p.constrained(string(s.Value)) {
		return b.String() + "return nil"
	}

	loop := "k, item"
	if !p.constrained(string(s.Value)) {
		loop = "k"
	}
	fmt.Fprintf(&b, "var first *api.Invalid\nvar at string\nfor %s := range v {\nif first != nil && k >= at {\ncontinue\n}\n", loop)
	if p.constrained(string(s.Key)) {
		fmt.Fprintf(&b, "if e := %s; e != nil {\nfirst, at = e.Key(k), k\ncontinue\n}\n", p.checkCall(string(s.Key), "k"))
	}
	if p.constrained(string(s.Value)) {
		fmt.Fprintf(&b, "if e := %s; e != nil {\nfirst, at = e.Key(k), k\n}\n", p.checkCall(string(s.Value), "item"))
	}
	b.WriteString("}\nreturn first")
	return b.String()
}

// checkCall checks a value that is not a pointer.
func (p *planner) checkCall(shape, arg string) string {
	if p.Shapes[shape].Type == "structure" {
		return arg + ".check()"
	}
	return "check" + typeName(shape) + "(" + arg + ")"
}

// quote prefers a raw string.
func quote(s string) string {
	if strings.Contains(s, "`") {
		return strconv.Quote(s)
	}
	return "`" + s + "`"
}

// QuotedRegexp is the pattern as a Go literal.
func (c check) QuotedRegexp() string { return quote(c.Regexp) }
