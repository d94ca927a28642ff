package api

import (
	"time"
	"unicode/utf8"
)

// Parameters reads the members that travel outside the body. It keeps the
// first fault, like JSONReader.
type Parameters struct {
	In  *Input
	err *Invalid
}

// Err is the first fault.
func (p *Parameters) Err() *Invalid { return p.err }

// Path reads a path label.
func (p *Parameters) Path(member, label string) string {
	return p.text(member, "path label", label, p.In.Path(label))
}

// Header reads a header, named in canonical form; empty when absent.
func (p *Parameters) Header(member, name string) string {
	return p.text(member, "header", name, p.header(name))
}

// OptionalHeader reads a header; nil when absent or empty, which HTTP does not
// distinguish reliably.
func (p *Parameters) OptionalHeader(member, name string) *string {
	s := p.Header(member, name)
	if s == "" {
		return nil
	}
	return &s
}

// header needs no canonical form: net/http and the generator both give it.
func (p *Parameters) header(name string) string {
	if values := p.In.Header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Query reads a query parameter; empty when absent.
func (p *Parameters) Query(member, name string) string {
	return p.text(member, "query parameter", name, p.In.Query.Get(name))
}

// OptionalQuery reads a query parameter; nil when absent.
func (p *Parameters) OptionalQuery(member, name string) *string {
	if !p.In.Query.Has(name) {
		return nil
	}
	s := p.Query(member, name)
	return &s
}

// Enum reads a query parameter of an enumeration; empty when absent. An empty
// value is no value of any enumeration.
func (p *Parameters) Enum(member, name string) string {
	s := p.Query(member, name)
	if s == "" && p.In.Query.Has(name) {
		p.fail(member, "query parameter", name, "must not be an empty string")
	}
	return s
}

// OptionalInt reads a query parameter that is a strict decimal integer; nil
// when absent.
func (p *Parameters) OptionalInt(member, name string) *int {
	if !p.In.Query.Has(name) {
		return nil
	}
	n, ok := parseInt(p.In.Query.Get(name))
	if !ok {
		p.fail(member, "query parameter", name, "must be an integer")
	}
	return &n
}

// OptionalTime reads a query parameter that is a timestamp, see ParseTime; nil
// when absent.
func (p *Parameters) OptionalTime(member, name string) *time.Time {
	if !p.In.Query.Has(name) {
		return nil
	}
	t, ok := ParseTime(p.In.Query.Get(name))
	if !ok {
		p.fail(member, "query parameter", name, "must be an ISO 8601 time or a number of seconds since 1970")
	}
	return &t
}

func (p *Parameters) text(member, place, name, s string) string {
	if !utf8.ValidString(s) {
		p.fail(member, place, name, "must be valid UTF-8")
	}
	return s
}

// fail joins place and name only here: joining on every read would allocate.
func (p *Parameters) fail(member, place, name, reason string) {
	if p.err == nil {
		p.err = &Invalid{path: member, wire: place + " " + name, reason: reason}
	}
}
